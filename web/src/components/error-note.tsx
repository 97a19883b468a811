// What went wrong, in the server's own sentence.

interface ErrorNoteProps {
    readonly error: unknown;
    readonly retry?: () => void;
}

export function sentence(error: unknown): string {
    return error instanceof Error ? error.message : String(error);
}

export function ErrorNote({ error, retry }: ErrorNoteProps) {
    if (error === undefined || error === null) return null;
    return (
        <div class="error-note" role="alert">
            <p>{sentence(error)}</p>
            {retry && (
                <button type="button" class="button" onClick={retry}>
                    Try again
                </button>
            )}
        </div>
    );
}

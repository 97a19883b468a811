// What went wrong, in the server's own sentence.

interface ErrorNoteProps {
    readonly error: unknown;
    readonly retry?: () => void;
}

export function sentence(error: unknown): string {
    return error instanceof Error ? error.message : String(error);
}

export function isAbort(error: unknown): boolean {
    return error instanceof DOMException && error.name === "AbortError";
}

export function ErrorNote({ error, retry }: ErrorNoteProps) {
    // What the reader cancelled is no error.
    if (error === undefined || error === null || isAbort(error)) return null;
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

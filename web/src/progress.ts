// How far a computation is. Requests of a job carry a name that the page makes up; by it the server says how far that job is.

import { authorisation } from "./token";

export interface Progress {
    /** Between 0 and 1; undefined where it waits, or that is not known. */
    readonly share: number | undefined;
    readonly isWaiting: boolean;
}

/** After how many milliseconds a computation is worth asking after, and how often. */
const [FIRST, EVERY] = [500, 250];

const names = new WeakMap<AbortSignal, string>();

/** Gives the requests that a signal belongs to a name. */
export function nameJob(signal: AbortSignal): void {
    names.set(signal, crypto.getRandomValues(new Uint32Array(4)).join("-"));
}

export function jobHeaders(signal: AbortSignal | null | undefined): Record<string, string> {
    const name = signal ? names.get(signal) : undefined;
    return name ? { "X-Job": name } : {};
}

/** Tells how far the job of a signal is, until it is aborted or the returned function is called. */
export function follow(signal: AbortSignal, tell: (progress: Progress) => void): () => void {
    const name = names.get(signal);
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isOver = name === undefined;
    let share: number | undefined;
    const stop = () => {
        isOver = true;
        clearTimeout(timer);
    };
    const ask = async () => {
        // Between two requests of a job there is nothing to tell.
        const found = await fetch(`/api/v1/jobs/${name}`, { headers: authorisation(), signal }).then((response) => (response.ok ? response.json() : null), () => null);
        if (isOver || signal.aborted) return;
        const { state, done, of } = (found ?? {}) as { state?: string; done?: number; of?: number };
        // Several requests of one job follow each other; what is done does not become less.
        if (done !== undefined && of) share = Math.max(share ?? 0, Math.min(done / of, 1));
        tell({ share, isWaiting: state === "waiting" });
        timer = setTimeout(ask, EVERY);
    };
    if (!isOver) timer = setTimeout(ask, FIRST);
    signal.addEventListener("abort", stop, { once: true });
    return stop;
}

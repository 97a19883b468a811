// Whether the server is there. The page asks a few times a second, so that a server that was stopped is said to be gone within two
// seconds, whatever the view shows; what was on its way waits and goes on when the server is back.

import { useEffect, useState } from "preact/hooks";

/** Between two questions, in milliseconds. */
const EVERY = 500;
/** How long an answer may take: together with the time between questions less than two seconds. */
const PATIENCE = 1300;

let isThere = true;
let checking: Promise<boolean> | undefined;
const watchers = new Set<() => void>();

/** Asks the server now; several who ask at the same time share one question. */
export function answers(): Promise<boolean> {
    checking ??= ask().finally(() => (checking = undefined));
    return checking;
}

async function ask(): Promise<boolean> {
    let found = false;
    try {
        const response = await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
        found = response.ok;
    } catch {
        // Refused, cut off, or silent for too long.
    }
    if (found !== isThere) {
        isThere = found;
        for (const watcher of [...watchers]) watcher();
    }
    return found;
}

/** Waits until the server answers: not at all where it does now. */
export async function untilItAnswers(signal?: AbortSignal | null): Promise<void> {
    while (!(await answers())) {
        signal?.throwIfAborted();
        await new Promise((resolve) => setTimeout(resolve, EVERY));
        signal?.throwIfAborted();
    }
}

/** Keeps asking for the page's life. A hidden page asks only while it waits for the server. */
export function watchConnection(): void {
    setInterval(() => {
        if (!document.hidden || !isThere) void answers();
    }, EVERY);
    document.addEventListener("visibilitychange", () => void answers());
}

export function useIsThere(): boolean {
    const [seen, setSeen] = useState(isThere);
    useEffect(() => {
        const watcher = () => setSeen(isThere);
        watchers.add(watcher);
        watcher();
        return () => void watchers.delete(watcher);
    }, []);
    return seen;
}

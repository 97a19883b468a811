// The photographs that this page gave to the server: it remembers them, so that they can be given again should the server have
// dropped them, and says how far one is that is on its way.

import { useEffect, useState } from "preact/hooks";
import { api } from "./api";
import type { PhotographInfo } from "./api-types";

/** One that is on its way. */
export interface Uploading {
    /** Between 0 and 1, of the bytes; 1 while the server reads them. */
    readonly share: number;
    readonly cancel: () => void;
}

const kept = new Map<string, Blob>();
/** What the file is called whose photograph that is, where this page gave it. */
export function nameOfFile(id: string): string | undefined {
    const file = kept.get(id);
    return file instanceof File ? file.name : undefined;
}

const watchers = new Set<() => void>();
let uploading: Uploading | undefined;

function tell(next: Uploading | undefined): void {
    uploading = next;
    for (const watcher of [...watchers]) watcher();
}

/**
 * Gives a file to the server and remembers it.
 *
 * Throws an `AbortError` when the reader cancels it.
 */
export async function upload(file: Blob): Promise<PhotographInfo> {
    const controller = new AbortController();
    const cancel = () => controller.abort();
    tell({ share: 0, cancel });
    try {
        const photograph = await api.upload(file, { signal: controller.signal, send: sendTelling((share) => tell({ share, cancel })) });
        kept.set(photograph.id, file);
        return photograph;
    } finally {
        tell(undefined);
    }
}

/** As `fetch`, which does not say how much of a body was sent. */
function sendTelling(progress: (share: number) => void): (address: string, init: RequestInit) => Promise<Response> {
    return (address, { method = "GET", headers, body, signal }) =>
        new Promise((resolve, reject) => {
            const request = new XMLHttpRequest();
            request.open(method, address);
            request.responseType = "blob";
            for (const [name, value] of Object.entries(headers as Record<string, string>)) request.setRequestHeader(name, value);
            request.upload.onprogress = ({ loaded, total }) => progress(total ? loaded / total : 0);
            request.onload = () => {
                const retryAfter = request.getResponseHeader("Retry-After");
                resolve(new Response(request.response as Blob, { status: request.status, statusText: request.statusText, headers: retryAfter ? { "Retry-After": retryAfter } : {} }));
            };
            request.onerror = () => reject(new TypeError("the connection was cut off"));
            request.onabort = () => reject(new DOMException("the upload was cancelled", "AbortError"));
            signal?.addEventListener("abort", () => request.abort(), { once: true });
            request.send(body as Blob);
        });
}

export function useUploading(): Uploading | undefined {
    const [seen, setSeen] = useState(uploading);
    useEffect(() => {
        const watcher = () => setSeen(uploading);
        watchers.add(watcher);
        watcher();
        return () => void watchers.delete(watcher);
    }, []);
    return seen;
}

export function uploadedIds(): string[] {
    return [...kept.keys()];
}

/** If the server dropped a photograph that this page still holds, gives it again. */
export async function withPhotograph<T>(id: string, run: () => Promise<T>): Promise<T> {
    try {
        return await run();
    } catch (error) {
        const file = kept.get(id);
        if (!file || (error as { status?: number }).status !== 404) throw error;
        await api.upload(file);
        return run();
    }
}

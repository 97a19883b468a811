// Hooks that more than one view uses.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { api, type OpenModel } from "./api";
import type { ExampleInfo, MethodDescription, ModelInfo, PhotographInfo } from "./api-types";
import { follow, nameJob, type Progress } from "./progress";
import { withPhotograph } from "./uploads";

export interface Job<T> {
    /** The newest result; it stays while the next one is computed. */
    readonly result: T | undefined;
    /** The key whose result that is. */
    readonly resultKey: string | undefined;
    readonly error: unknown;
    readonly isRunning: boolean;
    /** Whether the reader cancelled it. */
    readonly isCancelled: boolean;
    /** How far it is, once it has taken a while. */
    readonly progress: Progress | undefined;
    readonly retry: () => void;
    readonly cancel: () => void;
}

/**
 * Runs a computation whenever `key` changes, and not while it is undefined. At most one runs: the one before is cancelled, which
 * closes its connection, and with that the server's job. `delay` in milliseconds lets a slider come to rest.
 */
export function useJob<T>(key: string | undefined, run: (signal: AbortSignal) => Promise<T>, delay = 0): Job<T> {
    const [state, setState] = useState<Omit<Job<T>, "retry" | "cancel">>(IDLE);
    const [attempt, setAttempt] = useState(0);
    const running = useRef<AbortController | undefined>(undefined);
    useEffect(() => {
        if (key === undefined) {
            setState(IDLE);
            return undefined;
        }
        const controller = new AbortController();
        const { signal } = controller;
        nameJob(signal);
        running.current = controller;
        setState((before) => ({ ...before, error: undefined, isRunning: true, isCancelled: false, progress: undefined }));
        const timer = setTimeout(() => {
            const stop = follow(signal, (progress) => setState((before) => ({ ...before, progress })));
            run(signal)
                .then(
                    (result) => {
                        if (!signal.aborted) setState({ ...IDLE, result, resultKey: key });
                    },
                    (error: unknown) => {
                        if (!signal.aborted) setState((before) => ({ ...before, error, isRunning: false, progress: undefined }));
                    },
                )
                .finally(stop);
        }, delay);
        return () => {
            clearTimeout(timer);
            controller.abort();
        };
    }, [key, attempt]);
    const retry = useCallback(() => setAttempt((before) => before + 1), []);
    const cancel = useCallback(() => {
        running.current?.abort();
        setState((before) => ({ ...before, isRunning: false, isCancelled: true, progress: undefined }));
    }, []);
    return { ...state, retry, cancel };
}

const IDLE = { result: undefined, resultKey: undefined, error: undefined, isRunning: false, isCancelled: false, progress: undefined };

/** Something that is fetched once and kept for the page's life. */
function once<T>(fetch: () => Promise<T>): () => Promise<T> {
    let kept: Promise<T> | undefined;
    return () => {
        kept ??= fetch();
        // A failure is not kept, so that it can be tried again.
        kept.catch(() => (kept = undefined));
        return kept;
    };
}

const modelsOnce = once(api.models);
const examplesOnce = once(api.examples);
const methodsOnce = once(api.methods);

export const useModels = (): Job<readonly ModelInfo[]> => useJob<readonly ModelInfo[]>("models", modelsOnce);
export const useMethods = (): Job<readonly MethodDescription[]> => useJob<readonly MethodDescription[]>("methods", methodsOnce);
export const useExamples = (): Job<readonly ExampleInfo[]> => useJob<readonly ExampleInfo[]>("examples", examplesOnce);

const opened = new Map<string, () => Promise<OpenModel>>();

/** The model a view works with, opened: the one of its address, or the server's default. */
export function useModel(id: string): Job<OpenModel> {
    const { result } = useModels();
    const chosen = id || (result?.find((model) => model.is_default) ?? result?.[0])?.id;
    return useJob<OpenModel>(chosen, () => {
        const name = chosen ?? "";
        if (!opened.has(name)) opened.set(name, once(() => api.model(name)));
        return opened.get(name)!();
    });
}

export interface ShownPhotograph extends PhotographInfo {
    /** A picture of it, at most 1024 pixels long. */
    readonly image: HTMLImageElement;
}

const shown = new Map<string, Promise<ShownPhotograph>>();
async function show(id: string): Promise<ShownPhotograph> {
    const [about, blob] = await withPhotograph(id, () => Promise.all([api.photograph(id), api.preview(id)]));
    const image = new Image();
    image.src = URL.createObjectURL(blob);
    await image.decode();
    return { ...about, image };
}

export function showPhotograph(id: string): Promise<ShownPhotograph> {
    let promise = shown.get(id);
    if (!promise) {
        promise = show(id);
        shown.set(id, promise);
        promise.catch(() => shown.delete(id));
    }
    return promise;
}

export function usePhotograph(id: string): Job<ShownPhotograph> {
    return useJob<ShownPhotograph>(id || undefined, () => showPhotograph(id));
}

/** Runs on every frame that the browser paints, until it returns false. */
export function usePaint(paint: () => void, dependencies: readonly unknown[]): void {
    useEffect(() => {
        const frame = requestAnimationFrame(paint);
        return () => cancelAnimationFrame(frame);
    }, dependencies);
}

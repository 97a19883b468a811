// The server's interface with its types. Every failure becomes a `Refusal` whose message is a sentence for a person.

import type { EncodedArray } from "./arrays";
import { untilItAnswers } from "./connection";
import { jobHeaders } from "./progress";
import { authorisation } from "./token";

/** A model of the list; the rest is known once it is open. */
export interface ModelEntry {
    readonly id: string;
    readonly name: string;
    readonly is_default: boolean;
    /** What `-m` takes for it on the command line; null for the built-in one. */
    readonly flag: string | null;
}

export interface Model extends ModelEntry {
    readonly input: { readonly channels: number; readonly height: number; readonly width: number };
    readonly classes: number;
    readonly score_value: string;
    readonly notes: readonly string[];
}

export interface ClassName {
    readonly index: number;
    readonly synset?: string | null;
    readonly name: string;
}

export interface ScoredClass extends ClassName {
    readonly score: number;
    readonly probability: number;
}

export interface Example {
    readonly id: string;
    readonly name: string;
    readonly credit: string;
}

export interface Photograph {
    readonly id: string;
    readonly width: number;
    readonly height: number;
}

export type Box = readonly [left: number, top: number, right: number, bottom: number];

export interface Classification {
    readonly top: readonly ScoredClass[];
    readonly command?: string;
    readonly seconds: number;
}

export interface SaliencyMap {
    readonly class: ScoredClass;
    readonly map: EncodedArray;
    readonly signed?: EncodedArray | null;
    readonly maximum: number;
    readonly is_constant: boolean;
}

export interface Saliency {
    readonly maps: readonly SaliencyMap[];
    readonly region: Box;
    /** The parts of the photograph that the network saw. */
    readonly seen: readonly Box[];
    readonly unseen: number;
    readonly top: readonly ScoredClass[];
    /** What the parts that were looked at would have chosen, where it is another class. */
    readonly other_choice?: ScoredClass | null;
    /** What must be known about the backward rule in this network. */
    readonly notes: readonly string[];
    readonly command: string;
    readonly seconds: number;
}

/** A parameter of a method, as the server's table describes it. */
export interface MethodParameter {
    readonly name: string;
    readonly help: string;
    readonly unit: string;
    readonly kind: "number" | "whole" | "choice" | "flag" | "array" | "arrays" | "baseline" | "classes" | "numbers";
    readonly words: readonly string[];
    readonly least?: number | null;
    readonly most?: number | null;
    readonly default?: string | null;
}

export interface TableMethod {
    readonly name: string;
    readonly aliases: readonly string[];
    readonly title: string;
    readonly summary: string;
    readonly source: string;
    /** Whether it looks at layers that can be chosen. */
    readonly layers: boolean;
    readonly parameters: readonly MethodParameter[];
}

export interface Attributions {
    readonly attributions: readonly {
        readonly map: EncodedArray;
        readonly layer?: string | null;
        readonly completeness?: readonly [sum: number, difference: number] | null;
        readonly notes: readonly string[];
    }[];
    /** What is explained, in words. */
    readonly title: string;
    readonly number: number;
    readonly region: Box;
    readonly command: string;
    readonly seconds: number;
}

export interface Localisation {
    readonly objects: readonly { readonly index: number; readonly name: string; readonly score: number; readonly box: Box }[];
    readonly mask: EncodedArray;
    readonly markers?: EncodedArray | null;
    readonly map: EncodedArray;
    readonly other_choice?: ScoredClass | null;
    readonly command: string;
    readonly seconds: number;
}

export interface GraphNode {
    readonly name: string;
    readonly operator: string;
    readonly inputs: readonly string[];
    readonly outputs: readonly string[];
}

export interface GraphValue {
    readonly name: string;
    readonly shape: readonly number[];
    readonly is_shown: boolean;
    readonly has_filters: boolean;
}

export interface Graph {
    readonly nodes: readonly GraphNode[];
    readonly values: readonly GraphValue[];
}

export interface Layer {
    readonly value: string;
    readonly shape: readonly number[];
    readonly channels: number;
    readonly activations: EncodedArray;
    readonly gradients: EncodedArray;
    readonly note?: string | null;
    readonly notes: readonly string[];
    readonly top: readonly ScoredClass[];
    readonly class: ScoredClass;
    readonly command: string;
}

export interface Unit {
    readonly activation: number;
    readonly position: readonly number[];
    readonly picture: EncodedArray;
    readonly map: EncodedArray;
    readonly region: Box;
    readonly notes: readonly string[];
    readonly command: string;
}

export interface Method {
    readonly name: string;
    readonly rule: string;
    readonly crops?: string;
    readonly smooth_grad?: { readonly samples: number; readonly noise: number };
    readonly smoothing?: number;
}

export interface Comparison {
    readonly cells: readonly (readonly (SaliencyMap & { readonly region: Box; readonly seen: readonly Box[] })[])[];
    readonly notes: readonly string[];
    readonly command: string;
    readonly seconds?: number;
}

export type Recipe = { readonly name: string } & Readonly<Record<string, unknown>>;

export type Objective = { readonly class: number } | { readonly value: string; readonly channel?: number };

export interface Frame {
    readonly iteration: number;
    readonly iterations: number;
    /** What the objective reached; none before the first step. */
    readonly value: number | null;
    readonly probability?: number | null;
    readonly image: string;
}

/** How an ascent stands, as the server answers to every request about it. */
export interface AscentInfo {
    readonly id: string;
    readonly state: AscentState;
    readonly message?: string | null;
    readonly iteration: number;
    readonly timeline: readonly { readonly iteration: number; readonly changes: Readonly<Record<string, number>> }[];
    readonly notes: readonly string[];
    readonly command: string;
}

export type AscentState = "waiting" | "running" | "paused" | "finished" | "failed" | "cancelled";

/** What the server, or the way to it, refused, in words. */
export class Refusal extends Error {
    constructor(
        message: string,
        readonly status = 0,
        readonly code = "",
        readonly retryAfter = 1,
    ) {
        super(message);
    }
}

const BASE = "/api/v1";

async function refusal(response: Response): Promise<Refusal> {
    const retryAfter = Number(response.headers.get("Retry-After")) || 1;
    const body: unknown = await response.json().catch(() => null);
    const error = (body as { error?: { code?: string; message?: string } } | null)?.error;
    const message =
        error?.message ??
        (response.status === 401
            ? "The server wants its token: open the page at the address, token and all, that `deepinside serve` printed."
            : `The server answered ${response.status} ${response.statusText} without a reason.`);
    return new Refusal(message, response.status, error?.code ?? "", retryAfter);
}

/** How often a request that was cut off is made again. A server that one request brings down must not be brought down for ever. */
const MOST_CUT_OFF = 2;

export interface Sending extends RequestInit {
    /** How often it is sent again because too much waits. */
    readonly attempts?: number;
    /** What sends it; `fetch`, unless the progress of an upload is wanted. */
    readonly send?: (address: string, init: RequestInit) => Promise<Response>;
}

/**
 * One request, whose answer is read by `read`. Refusals because too much waits (429) are tried again after the time the server names.
 * A request that is cut off, or that meets a server that is ending, waits until the server is there, and is then made again.
 */
export async function request<T>(path: string, read: (response: Response) => Promise<T>, { attempts = 3, send = fetch, ...init }: Sending = {}): Promise<T> {
    for (let [attempt, cutOff] = [0, 0]; ; ) {
        let refused: Refusal;
        try {
            const response = await send(BASE + path, { ...init, headers: { ...authorisation(), ...jobHeaders(init.signal), ...init.headers } });
            if (response.ok) return await read(response);
            refused = await refusal(response);
        } catch (error) {
            // This is how a network's failures are thrown, before the answer and within it.
            if (init.signal?.aborted || !(error instanceof TypeError)) throw error;
            refused = new Refusal(`${location.host} cut the connection off before it had answered; what the server itself printed may say why.`);
        }
        if (refused.status === 0 || refused.status === 503) {
            if (cutOff++ >= MOST_CUT_OFF) throw refused;
            await untilItAnswers(init.signal);
        } else if (refused.status === 429 && attempt++ < attempts) {
            await new Promise((resolve) => setTimeout(resolve, Math.min(refused.retryAfter, 5) * 1000));
            init.signal?.throwIfAborted();
        } else throw refused;
    }
}

function json<T>(path: string, init?: Sending): Promise<T> {
    return request(path, async (response) => (await response.json()) as T, init);
}

function blob(path: string, init?: Sending): Promise<Blob> {
    return request(path, (response) => response.blob(), init);
}

function post<T>(path: string, body: object, signal?: AbortSignal): Promise<T> {
    return sendBody<T>("POST", path, body, signal);
}

function sendBody<T>(method: string, path: string, body: object, signal?: AbortSignal): Promise<T> {
    return json<T>(path, { method, signal: signal ?? null, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

const segment = encodeURIComponent;

export interface About {
    /** The model's id; absent, the server's default. */
    readonly model?: string | undefined;
    readonly photograph: string;
}

export const api = {
    models: () => json<ModelEntry[]>("/models"),
    model: (model: string) => json<Model>(`/models/${segment(model)}`),
    classes: (model: string, query: string, limit: number, signal?: AbortSignal) =>
        json<ClassName[]>(`/models/${segment(model)}/classes?query=${segment(query)}&limit=${limit}`, { signal: signal ?? null }),
    graph: (model: string, signal?: AbortSignal) => json<Graph>(`/models/${segment(model)}/graph`, { signal: signal ?? null }),
    filters: (model: string, value: string, signal?: AbortSignal) =>
        json<{ filters: EncodedArray }>(`/models/${segment(model)}/filters?value=${segment(value)}`, { signal: signal ?? null }),
    recipes: (model: string) => json<Recipe[]>(`/models/${segment(model)}/recipes`),
    examples: () => json<Example[]>("/examples"),
    upload: (file: Blob, init: Sending = {}) => json<Photograph>("/photographs", { method: "POST", body: file, headers: { "Content-Type": file.type || "application/octet-stream" }, ...init }),
    photograph: (id: string, signal?: AbortSignal) => json<Photograph>(`/photographs/${segment(id)}`, { signal: signal ?? null }),
    preview: (id: string, signal?: AbortSignal) => blob(`/photographs/${segment(id)}/preview`, { signal: signal ?? null }),
    classify: (about: About & { top: number; crops?: string }, signal?: AbortSignal) => post<Classification>("/classify", about, signal),
    saliency: (
        about: About & {
            classes?: readonly number[];
            minus?: number;
            rule?: string;
            crops?: string;
            smooth_grad?: { samples: number; noise: number };
            smoothing?: number;
            signed?: boolean;
        },
        signal?: AbortSignal,
    ) => post<Saliency>("/saliency", about, signal),
    methods: () => json<TableMethod[]>("/methods"),
    attributions: (
        about: About & { method: string; parameters: Readonly<Record<string, string>>; layers?: readonly string[]; target?: string; crop?: string },
        signal?: AbortSignal,
    ) => post<Attributions>("/attributions", about, signal),
    localise: (
        about: About & {
            classes?: readonly number[];
            top?: number;
            method?: string;
            foreground_quantile?: number;
            background_quantile?: number;
            refinements?: number;
        },
        signal?: AbortSignal,
    ) => post<Localisation>("/localise", about, signal),
    layer: (about: About & { value: string; class?: number; rule?: string }, signal?: AbortSignal) => post<Layer>("/layers", about, signal),
    unit: (about: About & { value: string; channel: number; position?: readonly [number, number]; rule?: string }, signal?: AbortSignal) =>
        post<Unit>("/unit", about, signal),
    compare: (about: About & { classes: readonly number[]; methods: readonly Method[] }, signal?: AbortSignal) =>
        post<Comparison>("/compare", about, signal),
    ascend: (body: { model?: string | undefined; objective: Objective; recipe: string; changes: Record<string, unknown>; seed: number }) =>
        post<AscentInfo>("/class-models", body),
    changeAscent: (id: string, changes: Record<string, unknown>) => sendBody<AscentInfo>("PATCH", `/class-models/${segment(id)}`, { changes }),
    steerAscent: (id: string, what: "pause" | "resume") => json<AscentInfo>(`/class-models/${segment(id)}/${what}`, { method: "POST" }),
    rewindAscent: (id: string, iteration: number) => post<AscentInfo>(`/class-models/${segment(id)}/rewind`, { iteration }),
    cancelAscent: (id: string) => json<AscentInfo>(`/class-models/${segment(id)}`, { method: "DELETE" }),
    ascent: (id: string) => json<AscentInfo>(`/class-models/${segment(id)}`),
    ascentFile: (id: string, name: string, signal?: AbortSignal) => blob(`/class-models/${segment(id)}/${name}`, { signal: signal ?? null }),
    ascentEvents: (id: string) => new EventSource(`${BASE}/class-models/${segment(id)}/events`),
    /** `stream` is this camera's name, so that two pages do not drop each other's pictures. */
    livePath: (stream: string, model: string | undefined, classIndex: number | undefined) => {
        const query = new URLSearchParams({ stream });
        if (model) query.set("model", model);
        if (classIndex !== undefined) query.set("class", String(classIndex));
        return `/live?${query}`;
    },
};

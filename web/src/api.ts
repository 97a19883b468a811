// The server's interface with its types. Every failure becomes a `Refusal` whose message is a sentence for a person.

import type { EncodedArray } from "./arrays";

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
    readonly unseen: number;
    readonly top: readonly ScoredClass[];
    readonly command: string;
    readonly seconds: number;
}

export interface Localisation {
    readonly objects: readonly { readonly index: number; readonly name: string; readonly score: number; readonly box: Box }[];
    readonly mask: EncodedArray;
    readonly markers?: EncodedArray | null;
    readonly map: EncodedArray;
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
    readonly cells: readonly (readonly (SaliencyMap & { readonly region?: Box })[])[];
    readonly region?: Box;
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

/** The token of the address that `deepinside serve` printed is kept for this tab and taken out of the address bar. */
const token = (() => {
    const given = new URLSearchParams(location.search).get("token");
    if (given) {
        sessionStorage.setItem("token", given);
        history.replaceState(null, "", location.pathname + location.hash);
    }
    return given ?? sessionStorage.getItem("token");
})();

export function authorisation(): Record<string, string> {
    return token ? { Authorization: `Bearer ${token}` } : {};
}

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

/** One request. Refusals because too much waits (429) are tried again after the time the server names, so many times. */
export async function request(path: string, init: RequestInit = {}, attempts = 3): Promise<Response> {
    for (let attempt = 0; ; attempt++) {
        let response: Response;
        try {
            response = await fetch(BASE + path, { ...init, headers: { ...authorisation(), ...init.headers } });
        } catch (error) {
            if (init.signal?.aborted) throw error;
            throw new Refusal(`Nothing answers at ${location.host}: the server was stopped, or cannot be reached. Start it again with \`deepinside serve\`.`);
        }
        if (response.ok) return response;
        const refused = await refusal(response);
        if (response.status !== 429 || attempt >= attempts) throw refused;
        await new Promise((resolve) => setTimeout(resolve, Math.min(refused.retryAfter, 5) * 1000));
        init.signal?.throwIfAborted();
    }
}

async function json<T>(path: string, init?: RequestInit): Promise<T> {
    return (await (await request(path, init)).json()) as T;
}

function post<T>(path: string, body: object, signal?: AbortSignal): Promise<T> {
    return send<T>("POST", path, body, signal);
}

function send<T>(method: string, path: string, body: object, signal?: AbortSignal): Promise<T> {
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
    upload: (file: Blob, signal?: AbortSignal) =>
        json<Photograph>("/photographs", { method: "POST", body: file, signal: signal ?? null, headers: { "Content-Type": file.type || "application/octet-stream" } }),
    photograph: (id: string, signal?: AbortSignal) => json<Photograph>(`/photographs/${segment(id)}`, { signal: signal ?? null }),
    preview: async (id: string, signal?: AbortSignal) => (await request(`/photographs/${segment(id)}/preview`, { signal: signal ?? null })).blob(),
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
    changeAscent: (id: string, changes: Record<string, unknown>) => send<AscentInfo>("PATCH", `/class-models/${segment(id)}`, { changes }),
    steerAscent: (id: string, what: "pause" | "resume") => json<AscentInfo>(`/class-models/${segment(id)}/${what}`, { method: "POST" }),
    rewindAscent: (id: string, iteration: number) => post<AscentInfo>(`/class-models/${segment(id)}/rewind`, { iteration }),
    cancelAscent: (id: string) => json<AscentInfo>(`/class-models/${segment(id)}`, { method: "DELETE" }),
    ascentFile: async (id: string, name: string) => (await request(`/class-models/${segment(id)}/${name}`)).blob(),
    ascentEvents: (id: string) => new EventSource(`${BASE}/class-models/${segment(id)}/events`),
    /** `stream` is this camera's name, so that two pages do not drop each other's pictures. */
    livePath: (stream: string, model: string | undefined, classIndex: number | undefined) => {
        const query = new URLSearchParams({ stream });
        if (model) query.set("model", model);
        if (classIndex !== undefined) query.set("class", String(classIndex));
        return `/live?${query}`;
    },
};

// The server's interface; its types are made from the server's own document (`api-types.ts`). Every failure becomes a `Refusal` whose message is a sentence for a person.

import type { ModelInfo, Operations, SaliencyAnswer } from "./api-types";
import { untilItAnswers } from "./connection";
import { jobHeaders } from "./progress";
import { authorisation } from "./token";

/** Left, top, right and bottom, in pixels of the photograph. */
export type Box = SaliencyAnswer["region"];

export type Recipe = { readonly name: string } & Readonly<Record<string, unknown>>;

/** A model that is open, of which everything is known. */
export type OpenModel = { readonly [K in keyof ModelInfo]-?: K extends "input" | "classes" | "score_value" ? NonNullable<ModelInfo[K]> : ModelInfo[K] };

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

/** A word out of the page's own address. People change addresses; the server says in a sentence which words there are. */
export const word = <W extends string>(text: string): W => text as W;

type Operation = keyof Operations;
type Body<O extends Operation> = Operations[O]["body"];
type Answer<O extends Operation> = Operations[O]["answer"];

/** The values for the braces of an address. */
type Places = Readonly<Record<string, string>>;

const segment = encodeURIComponent;

/** The method and the address of an operation. */
function addressed(operation: Operation, places: Places): readonly [method: string, path: string] {
    const [method = "", path = ""] = operation.split(" ");
    return [method.toUpperCase(), path.replace(/\{(\w+)\}/g, (_, name: string) => segment(places[name] ?? ""))];
}

/** One request of an operation without a body in JSON; `query` goes behind the address. */
function ask<O extends Operation>(operation: O, places: Places = {}, init: Sending = {}, query: Places = {}): Promise<Answer<O>> {
    const [method, path] = addressed(operation, places);
    const asked = new URLSearchParams(query).toString();
    return request(asked ? `${path}?${asked}` : path, async (response) => (await response.json()) as Answer<O>, { method, ...init });
}

/** One request of an operation with a body in JSON. */
function send<O extends Operation>(operation: O, body: Body<O>, signal?: AbortSignal, places: Places = {}): Promise<Answer<O>> {
    return ask(operation, places, { signal: signal ?? null, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

function blob(path: string, signal?: AbortSignal): Promise<Blob> {
    return request(path, (response) => response.blob(), { signal: signal ?? null });
}

export const api = {
    models: () => ask("get /models"),
    model: (model: string) => ask("get /models/{model}", { model }) as Promise<OpenModel>,
    classes: (model: string, query: string, limit: number, signal?: AbortSignal) =>
        ask("get /models/{model}/classes", { model }, { signal: signal ?? null }, { query, limit: String(limit) }),
    graph: (model: string, signal?: AbortSignal) => ask("get /models/{model}/graph", { model }, { signal: signal ?? null }),
    filters: (model: string, value: string, signal?: AbortSignal) => ask("get /models/{model}/filters", { model }, { signal: signal ?? null }, { value }),
    /** Recipes are listed as `--recipe-file` reads them, whose fields the document leaves open. */
    recipes: (model: string) => ask("get /models/{model}/recipes", { model }) as Promise<readonly Recipe[]>,
    examples: () => ask("get /examples"),
    upload: (file: Blob, init: Sending = {}) => ask("post /photographs", {}, { body: file, headers: { "Content-Type": file.type || "application/octet-stream" }, ...init }),
    photograph: (id: string, signal?: AbortSignal) => ask("get /photographs/{id}", { id }, { signal: signal ?? null }),
    preview: (id: string, signal?: AbortSignal) => blob(`/photographs/${segment(id)}/preview`, signal),
    classify: (body: Body<"post /classify">, signal?: AbortSignal) => send("post /classify", body, signal),
    saliency: (body: Body<"post /saliency">, signal?: AbortSignal) => send("post /saliency", body, signal),
    methods: () => ask("get /methods"),
    attributions: (body: Body<"post /attributions">, signal?: AbortSignal) => send("post /attributions", body, signal),
    localise: (body: Body<"post /localise">, signal?: AbortSignal) => send("post /localise", body, signal),
    layer: (body: Body<"post /layers">, signal?: AbortSignal) => send("post /layers", body, signal),
    unit: (body: Body<"post /unit">, signal?: AbortSignal) => send("post /unit", body, signal),
    exemplars: (body: Body<"post /exemplars">, signal?: AbortSignal) => send("post /exemplars", body, signal),
    compare: (body: Body<"post /compare">, signal?: AbortSignal) => send("post /compare", body, signal),
    confusions: (body: Body<"post /confusions">, signal?: AbortSignal) => send("post /confusions", body, signal),
    report: (body: Body<"post /reports">, signal?: AbortSignal) => send("post /reports", body, signal),
    ascend: (body: Body<"post /class-models">) => send("post /class-models", body),
    changeAscent: (id: string, changes: Body<"patch /class-models/{id}">["changes"]) => send("patch /class-models/{id}", { changes }, undefined, { id }),
    steerAscent: (id: string, what: "pause" | "resume") => ask(`post /class-models/{id}/${what}`, { id }),
    rewindAscent: (id: string, iteration: number) => send("post /class-models/{id}/rewind", { iteration }, undefined, { id }),
    cancelAscent: (id: string) => ask("delete /class-models/{id}", { id }),
    ascent: (id: string) => ask("get /class-models/{id}", { id }),
    ascentFile: (id: string, name: string, signal?: AbortSignal) => blob(`/class-models/${segment(id)}/${name}`, signal),
    ascentEvents: (id: string) => new EventSource(`${BASE}/class-models/${segment(id)}/events`),
    /** `stream` is this camera's name, so that two pages do not drop each other's pictures. */
    livePath: (stream: string, model: string | undefined, classIndex: number | undefined) => {
        const query = new URLSearchParams({ stream });
        if (model) query.set("model", model);
        if (classIndex !== undefined) query.set("class", String(classIndex));
        return `/live?${query}`;
    },
};

// The ascent of a class model that the server works on: its frames as they arrive, and what was changed on the way. It lives as
// long as the page, so that a look at another view does not end it.

import { api, type AscentInfo, type AscentState, type Frame, type Objective } from "./api";
import { sentence } from "./components/error-note";

export interface AscentRequest {
    readonly model: string | undefined;
    readonly objective: Objective;
    readonly recipe: string;
    readonly changes: Readonly<Record<string, number>>;
    readonly seed: number;
}

/** How many frames' pictures are kept; beyond, every other one of the older ones is let go. */
const KEPT = 400;

export class Ascent {
    state: AscentState = "waiting";
    message = "";
    id: string | undefined;
    command: string | undefined;
    frames: Frame[] = [];
    /** What was changed, and after which step. */
    turns: AscentInfo["timeline"] = [];
    notes: string[] = [];
    /** When the last frames arrived, for their pace. */
    arrivals: number[] = [];
    private events: EventSource | undefined;
    private isStopped = false;
    private pending: Readonly<Record<string, number>> | undefined;
    private isChanging = false;

    constructor(
        readonly request: AscentRequest,
        private readonly changed: () => void,
    ) {
        void this.begin();
    }

    get last(): Frame | undefined {
        return this.frames.at(-1);
    }

    get isOver(): boolean {
        return this.state === "finished" || this.state === "failed" || this.state === "cancelled";
    }

    get framesPerSecond(): number {
        const [first, last] = [this.arrivals[0], this.arrivals.at(-1)];
        return first !== undefined && last !== undefined && last > first ? ((this.arrivals.length - 1) * 1000) / (last - first) : 0;
    }

    private async begin(): Promise<void> {
        try {
            const given = await api.ascend(this.request);
            this.id = given.id;
            this.learn(given);
            if (this.isStopped) {
                await api.cancelAscent(given.id);
                return;
            }
            this.listen();
        } catch (error) {
            this.fail(error);
        }
    }

    private listen(): void {
        if (!this.id) return;
        this.events?.close();
        const events = api.ascentEvents(this.id);
        this.events = events;
        events.addEventListener("frame", (event) => this.take(JSON.parse((event as MessageEvent<string>).data) as Frame));
        events.addEventListener("state", (event) => {
            const { state, message } = JSON.parse((event as MessageEvent<string>).data) as { state: AscentState; message?: string };
            this.state = state;
            this.message = message ?? "";
            this.changed();
        });
        events.addEventListener("note", (event) => {
            const { note } = JSON.parse((event as MessageEvent<string>).data) as { note: string };
            if (!this.notes.includes(note)) this.notes = [...this.notes, note];
            this.changed();
        });
        events.onerror = () => {
            // The browser connects again by itself, unless the server said that there is nothing more.
            if (this.isOver) events.close();
            else if (events.readyState === EventSource.CLOSED) this.fail(new Error("The server no longer streams this ascent: it was stopped, or the ascent was dropped because nobody watched it."));
        };
    }

    private take(frame: Frame): void {
        // After a rewind, and when the stream begins again, steps that are known come once more.
        while (this.frames.length && this.frames.at(-1)!.iteration >= frame.iteration) this.frames.pop();
        this.frames.push(frame);
        if (this.state === "waiting") this.state = "running";
        const now = performance.now();
        this.arrivals = [...this.arrivals, now].filter((time) => now - time < 2000);
        const pictures = this.frames.filter(({ image }) => image !== "");
        if (pictures.length > KEPT) {
            const dropped = new Set(pictures.slice(1, KEPT / 2).filter((_, index) => index % 2 === 0));
            this.frames = this.frames.map((kept) => (dropped.has(kept) ? { ...kept, image: "" } : kept));
        }
        this.changed();
    }

    private fail(error: unknown): void {
        this.state = "failed";
        this.message = sentence(error);
        this.events?.close();
        this.changed();
    }

    private learn(info: AscentInfo): void {
        this.command = info.command;
        this.turns = info.timeline;
        this.notes = [...info.notes];
    }

    private async try(action: () => Promise<AscentInfo>): Promise<void> {
        try {
            this.learn(await action());
            this.message = "";
        } catch (error) {
            this.message = sentence(error);
        }
        this.changed();
    }

    /** Changes the recipe. While one change is on its way, others are gathered, since a slider moves faster than they travel. */
    async change(changes: Readonly<Record<string, number>>): Promise<void> {
        this.pending = { ...this.pending, ...changes };
        if (this.isChanging) return;
        this.isChanging = true;
        while (this.pending) {
            const [id, now] = [this.id, this.pending];
            this.pending = undefined;
            if (id && this.state !== "failed" && this.state !== "cancelled") await this.try(() => api.changeAscent(id, now));
        }
        this.isChanging = false;
    }

    async pause(): Promise<void> {
        const id = this.id;
        if (id) await this.try(() => api.steerAscent(id, "pause"));
    }

    async resume(): Promise<void> {
        const id = this.id;
        if (id) await this.try(() => api.steerAscent(id, "resume"));
    }

    /** Goes on from an earlier step, the last that the server kept before it, and forgets what came after. */
    async rewind(iteration: number): Promise<void> {
        const id = this.id;
        if (!id) return;
        await this.try(async () => {
            const info = await api.rewindAscent(id, iteration);
            this.frames = this.frames.filter((frame) => frame.iteration <= iteration);
            if (this.events?.readyState === EventSource.CLOSED) this.listen();
            return info;
        });
    }

    async cancel(): Promise<void> {
        this.isStopped = true;
        const id = this.id;
        const wasOver = this.isOver;
        if (id && this.state !== "failed" && this.state !== "cancelled") await this.try(() => api.cancelAscent(id));
        this.events?.close();
        if (!wasOver) this.state = "cancelled";
        this.changed();
    }
}

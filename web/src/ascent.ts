// The ascent of a class model that the server works on: its frames as they arrive, and what was changed on the way. It lives as
// long as the page, so that a look at another view does not end it.

import { api, Refusal, word } from "./api";
import type { ClassModelInfo, FrameEvent, ObjectiveRequest, State } from "./api-types";
import { sentence } from "./components/error-note";
import { untilItAnswers } from "./connection";

export interface AscentRequest {
    readonly model: string | undefined;
    readonly objective: ObjectiveRequest;
    readonly recipe: string;
    readonly changes: Readonly<Record<string, number>>;
    readonly seed: number;
}

/** How many frames' pictures are kept; beyond, every other one of the older ones is let go. */
const KEPT = 400;
/** For how long a pace is true after the last frame, in milliseconds. */
const STALE = 1500;

const FORGOTTEN = "The server was started anew and had forgotten this ascent, so that it was begun again, with the numbers as they are now.";

export class Ascent {
    /** As the server says, and waiting until it has said something. */
    state: State | "waiting" = "waiting";
    message = "";
    id: string | undefined;
    command: string | undefined;
    frames: FrameEvent[] = [];
    /** What was changed, and after which step. */
    turns: ClassModelInfo["timeline"] = [];
    notes: string[] = [];
    private remark: string | undefined;
    /** When the last frames arrived, for their pace. */
    arrivals: number[] = [];
    private events: EventSource | undefined;
    private isStopped = false;
    private isReconnecting = false;
    /** What was changed of the recipe so far. */
    private made: Readonly<Record<string, number>> = {};
    /** The step at which an ascent that had to be begun again pauses, as it had before. */
    private pausesAt: number | undefined;
    private stale: ReturnType<typeof setTimeout> | undefined;
    private pending: Readonly<Record<string, number>> | undefined;
    private isChanging = false;

    constructor(
        readonly request: AscentRequest,
        private readonly changed: () => void,
    ) {
        void this.begin();
    }

    get last(): FrameEvent | undefined {
        return this.frames.at(-1);
    }

    get isOver(): boolean {
        return this.state === "finished" || this.state === "failed" || this.state === "cancelled";
    }

    get framesPerSecond(): number {
        const [first, last] = [this.arrivals[0], this.arrivals.at(-1)];
        if (last === undefined || performance.now() - last > STALE) return 0;
        return first !== undefined && last > first ? ((this.arrivals.length - 1) * 1000) / (last - first) : 0;
    }

    private async begin(): Promise<void> {
        try {
            const given = await api.ascend({ ...this.request, recipe: word(this.request.recipe), changes: { ...this.request.changes, ...this.made } });
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
        events.addEventListener("frame", (event) => this.take(JSON.parse((event as MessageEvent<string>).data) as FrameEvent));
        events.addEventListener("state", (event) => {
            const { state, message } = JSON.parse((event as MessageEvent<string>).data) as { state: State; message?: string };
            // A server that ends cancels what grows, and so does one that was asked nothing for long.
            if (state === "cancelled" && !this.isStopped) return void this.reconnect();
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
            // The server ends the stream when there will be nothing more.
            events.close();
            if (!this.isOver) void this.reconnect();
        };
    }

    /** Watches again when the server is there; where it forgot the ascent, begins that again. */
    private async reconnect(): Promise<void> {
        if (this.isReconnecting) return;
        this.isReconnecting = true;
        this.events?.close();
        try {
            await untilItAnswers();
            if (!this.id || this.isStopped) return;
            const info = await api.ascent(this.id);
            this.learn(info);
            if (info.state === "cancelled" || info.state === "failed") {
                this.state = info.state;
                this.message = info.message ?? "";
                this.changed();
            } else this.listen();
        } catch (error) {
            if (isForgotten(error)) await this.restart();
            else this.fail(error);
        } finally {
            this.isReconnecting = false;
        }
    }

    /** Begins the ascent again. It is the same again, but where something was changed on the way. */
    private async restart(): Promise<void> {
        if (this.isStopped || this.id === undefined) return;
        this.id = undefined;
        this.pausesAt = this.state === "paused" ? this.last?.iteration : undefined;
        this.state = "waiting";
        this.message = "";
        this.remark = FORGOTTEN;
        await this.begin();
        this.changed();
    }

    private take(frame: FrameEvent): void {
        // After a rewind, and when the stream begins again, steps that are known come once more.
        while (this.frames.length && this.frames.at(-1)!.iteration >= frame.iteration) this.frames.pop();
        this.frames.push(frame);
        if (this.state === "waiting") this.state = "running";
        if (this.pausesAt !== undefined && frame.iteration >= this.pausesAt) {
            this.pausesAt = undefined;
            void this.pause();
        }
        const now = performance.now();
        clearTimeout(this.stale);
        this.stale = setTimeout(this.changed, STALE + 100);
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

    private learn(info: ClassModelInfo): void {
        this.command = info.command;
        this.turns = info.timeline;
        this.notes = this.remark ? [this.remark, ...info.notes] : [...info.notes];
    }

    private async try(action: () => Promise<ClassModelInfo>): Promise<void> {
        try {
            this.learn(await action());
            this.message = "";
        } catch (error) {
            if (isForgotten(error)) await this.restart();
            else this.message = sentence(error);
        }
        this.changed();
    }

    /** Changes the recipe. While one change is on its way, others are gathered, since a slider moves faster than they travel. */
    async change(changes: Readonly<Record<string, number>>): Promise<void> {
        this.pending = { ...this.pending, ...changes };
        this.made = { ...this.made, ...changes };
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

    /** Goes on from an earlier step and forgets what came after, also where the ascent was paused. */
    async rewind(iteration: number): Promise<void> {
        const id = this.id;
        if (!id) return;
        await this.try(async () => {
            let info = await api.rewindAscent(id, iteration);
            this.frames = this.frames.filter((frame) => frame.iteration <= iteration);
            if (info.state === "paused") info = await api.steerAscent(id, "resume");
            if (this.events?.readyState === EventSource.CLOSED) this.listen();
            return info;
        });
    }

    async cancel(): Promise<void> {
        this.isStopped = true;
        const id = this.id;
        const wasOver = this.isOver;
        this.events?.close();
        if (!wasOver) this.state = "cancelled";
        this.changed();
        // Where the server is gone, so is what grew there.
        if (id && this.state !== "failed") await api.cancelAscent(id).catch(() => undefined);
    }
}

function isForgotten(error: unknown): boolean {
    return error instanceof Refusal && error.status === 404;
}

// The live camera: at most one picture is on its way to the server, and the next one sent is always the newest the camera has, so
// that old ones are dropped and never queued.

import { Refusal, request } from "./api";
import type { ClassScore } from "./api-types";

export interface LiveAnswer {
    readonly map: Uint8Array;
    readonly top: readonly ClassScore[];
    /** From reading the picture off the camera to its map being here, in milliseconds. */
    readonly latency: number;
}

export interface CameraLoop {
    readonly stop: () => void;
}

interface LoopOptions {
    readonly video: HTMLVideoElement;
    readonly width: number;
    readonly height: number;
    /** The address for the next picture; it may change on the way. */
    readonly path: () => string;
    readonly onAnswer: (answer: LiveAnswer) => void;
    readonly onError: (error: unknown) => void;
}

/**
 * Waits until the camera has a picture that was not read yet. A request for the next picture's arrival makes the browser lay the whole
 * page out anew, so one is made only where there is nothing new to read.
 */
class Pictures {
    private read = -1;

    constructor(private readonly video: HTMLVideoElement) {}

    async next(): Promise<void> {
        const { video } = this;
        // Where the browser does not count pictures, every one that it paints itself may be new.
        if (this.count() === this.read || this.count() === 0) {
            await new Promise<void>((resolve) => {
                if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(() => resolve());
                else requestAnimationFrame(() => resolve());
            });
        }
        this.read = this.count();
    }

    /** How many pictures the camera has given so far. */
    private count(): number {
        return this.video.getVideoPlaybackQuality?.().totalVideoFrames ?? 0;
    }
}

/** The largest part in the middle of `from` with the sides' ratio of `to`, as left, top, width, height. */
export function middle(fromWidth: number, fromHeight: number, toWidth: number, toHeight: number): readonly [number, number, number, number] {
    const scale = Math.min(fromWidth / toWidth, fromHeight / toHeight);
    const [width, height] = [toWidth * scale, toHeight * scale];
    return [(fromWidth - width) / 2, (fromHeight - height) / 2, width, height];
}

export function runCamera({ video, width, height, path, onAnswer, onError }: LoopOptions): CameraLoop {
    const controller = new AbortController();
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const pixels = new Uint8Array(width * height * 3);

    const analyse = async () => {
        if (!context) throw new Error("This browser gives no canvas to read the camera's pictures with.");
        const captured = performance.now();
        context.drawImage(video, ...middle(video.videoWidth, video.videoHeight, width, height), 0, 0, width, height);
        const { data } = context.getImageData(0, 0, width, height);
        for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
            pixels[to] = data[from]!;
            pixels[to + 1] = data[from + 1]!;
            pixels[to + 2] = data[from + 2]!;
        }
        const read = async (response: Response) => ({
            map: new Uint8Array(await response.arrayBuffer()),
            top: JSON.parse(response.headers.get("X-Top") ?? "[]") as ClassScore[],
        });
        const init = { method: "POST", body: new Blob([pixels]), signal: controller.signal, headers: { "Content-Type": "application/octet-stream" }, attempts: 0 };
        onAnswer({ ...(await request(path(), read, init)), latency: performance.now() - captured });
    };
    const loop = async () => {
        const pictures = new Pictures(video);
        while (!controller.signal.aborted) {
            await pictures.next();
            if (controller.signal.aborted) return;
            try {
                await analyse();
            } catch (error) {
                // A picture that the server had no time for is dropped; the next one is newer anyway.
                if (!(error instanceof Refusal && error.status === 429)) throw error;
            }
        }
    };
    loop().catch((error: unknown) => {
        if (!controller.signal.aborted) onError(error);
    });
    return { stop: () => controller.abort() };
}

/** Why a camera cannot be had, in words. */
export function cameraProblem(error: unknown): string {
    const name = error instanceof DOMException ? error.name : "";
    if (name === "NotAllowedError") return "The browser was not allowed to use the camera: allow it in the address bar's settings for this page, then try again.";
    if (name === "NotFoundError" || name === "OverconstrainedError") return "This machine has no camera that the browser can see.";
    if (name === "NotReadableError") return "The camera is there but gives no pictures: another program may be using it.";
    return error instanceof Error ? error.message : String(error);
}

export async function openCamera(): Promise<MediaStream> {
    // Browsers give the camera to secure origins only: this machine, or https.
    if (!navigator.mediaDevices) throw new Error("The browser gives the camera only to pages of this machine (http://127.0.0.1 or localhost) or over https.");
    return navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } }, audio: false });
}

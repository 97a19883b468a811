// What the network looks at in what the camera sees, as it moves.

import { useEffect, useRef, useState } from "preact/hooks";
import { api, type OpenModel } from "../api";
import type { ClassScore } from "../api-types";
import { cameraProblem, middle, openCamera, runCamera } from "../camera";
import { paint, type ColourMap, COLOUR_MAPS } from "../colour-maps";
import { useIsThere } from "../connection";
import { useSettings } from "../route";
import { ClassPicker } from "./class-picker";
import { CommandLine, flagged } from "./command-line";
import { Group, Select, Slider, Toggle } from "./controls";
import { ErrorNote, isAbort } from "./error-note";
import { ScoreBars } from "./score-bars";

interface LiveCameraProps {
    readonly model: OpenModel | undefined;
    readonly onClose: () => void;
    readonly onTake: (file: Blob) => Promise<void>;
}

/** This page's camera among all that a server sees. */
const STREAM = Math.random().toString(36).slice(2);

interface Pace {
    readonly perSecond: number;
    readonly latency: number;
}

function median(numbers: readonly number[]): number {
    return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0;
}

export function LiveCamera({ model, onClose, onTake }: LiveCameraProps) {
    const [settings, set] = useSettings({ classes: [] as readonly number[], follow: true, colours: "inferno", opacity: 0.85 });
    const video = useRef<HTMLVideoElement>(null);
    const overlay = useRef<HTMLCanvasElement>(null);
    const [stream, setStream] = useState<MediaStream>();
    const [size, setSize] = useState<readonly [number, number]>([4, 3]);
    const [problem, setProblem] = useState<string>();
    const [attempt, setAttempt] = useState(0);
    const [top, setTop] = useState<readonly ClassScore[]>([]);
    const [pace, setPace] = useState<Pace>();
    const isThere = useIsThere();
    // The loop reads what is set now, without beginning anew.
    const now = useRef({ settings, model });
    now.current = { settings, model };

    useEffect(() => {
        let opened: MediaStream | undefined;
        let isGone = false;
        setProblem(undefined);
        openCamera().then(
            (given) => {
                opened = given;
                if (isGone) given.getTracks().forEach((track) => track.stop());
                else setStream(given);
            },
            (error: unknown) => setProblem(cameraProblem(error)),
        );
        return () => {
            isGone = true;
            opened?.getTracks().forEach((track) => track.stop());
        };
    }, [attempt]);

    useEffect(() => {
        const element = video.current;
        if (!element || !stream || !model) return undefined;
        const { height, width } = model.input;
        const times: number[] = [];
        const latencies: number[] = [];
        let shownAt = 0;
        // A pace that was true is not any more when maps stay away.
        let stale: ReturnType<typeof setTimeout> | undefined;
        element.srcObject = stream;
        let loop: { stop: () => void } | undefined;
        const begin = () => {
            setSize([element.videoWidth, element.videoHeight]);
            loop = runCamera({
                video: element,
                width,
                height,
                path: () => {
                    const { settings: current, model: network } = now.current;
                    return api.livePath(STREAM, network?.id, current.follow ? undefined : current.classes[0]);
                },
                onAnswer: ({ map, top: best, latency }) => {
                    const { colours } = now.current.settings;
                    if (overlay.current) paint(overlay.current, { height, width, data: map }, { colours: colours as ColourMap, range: { low: 0, high: 255 }, fades: true });
                    const time = performance.now();
                    clearTimeout(stale);
                    stale = setTimeout(() => {
                        times.length = latencies.length = 0;
                        setPace(undefined);
                    }, 1500);
                    times.push(time);
                    latencies.push(latency);
                    while (times.length > 1 && time - times[0]! > 2000) {
                        times.shift();
                        latencies.shift();
                    }
                    // Text that changes more often than this cannot be read, and costs time.
                    if (time - shownAt > 250) {
                        shownAt = time;
                        setTop(best);
                        setPace({ perSecond: times.length > 1 ? ((times.length - 1) * 1000) / (time - times[0]!) : 0, latency: median(latencies) });
                    }
                },
                onError: (error) => setProblem(cameraProblem(error)),
            });
        };
        element.addEventListener("loadedmetadata", begin, { once: true });
        void element.play().catch(() => undefined);
        return () => {
            element.removeEventListener("loadedmetadata", begin);
            clearTimeout(stale);
            loop?.stop();
        };
    }, [stream, model?.id, attempt]);

    const take = () => {
        const element = video.current;
        if (!element) return;
        const canvas = document.createElement("canvas");
        canvas.width = element.videoWidth;
        canvas.height = element.videoHeight;
        canvas.getContext("2d")?.drawImage(element, 0, 0);
        canvas.toBlob((blob) => blob && onTake(blob).catch((error: unknown) => !isAbort(error) && setProblem(cameraProblem(error))), "image/png");
    };
    const [width, height] = size;
    const [left, upper, partWidth, partHeight] = model ? middle(width, height, model.input.width, model.input.height) : [0, 0, width, height];
    return (
        <div class="view">
            <section class="view-main" aria-label="The camera">
                {problem && <ErrorNote error={problem} retry={() => setAttempt((count) => count + 1)} />}
                <div class="stage">
                    <div class="stage-pictures">
                        <div class="stage-frame camera-frame" style={{ "--ratio": width / height }}>
                            <video ref={video} class="stage-photograph" muted playsInline aria-label="What the camera sees" />
                            <canvas
                                ref={overlay}
                                class="stage-map camera-map"
                                aria-hidden="true"
                                style={{ left: `${(left / width) * 100}%`, top: `${(upper / height) * 100}%`, width: `${(partWidth / width) * 100}%`, height: `${(partHeight / height) * 100}%`, opacity: isThere ? settings.opacity : 0 }}
                            />
                        </div>
                    </div>
                    <p class="readout pace">
                        {!isThere ? (
                            "Waiting for the server …"
                        ) : pace ? (
                            <>
                                <strong>{pace.perSecond.toFixed(1)}</strong> maps per second, <strong>{pace.latency.toFixed(0)}</strong> ms from picture to map
                            </>
                        ) : (
                            "Waiting for the next map …"
                        )}
                    </p>
                </div>
                <div class="drop-line">
                    <button type="button" class="button button-main" disabled={!stream} onClick={take}>
                        Take this picture
                    </button>
                    <button type="button" class="button" onClick={onClose}>
                        Close the camera
                    </button>
                    <span class="hint">Pictures go to this page's own server and are not kept.</span>
                </div>
            </section>
            <aside class="panel" aria-label="What the network thinks">
                <Group title="Best classes now">
                    <ScoreBars top={top} moves={false} />
                </Group>
                <Group title="Which class">
                    <Toggle label="Follow the best class" isOn={settings.follow} onChange={(follow) => set({ follow })} />
                    {!settings.follow && <ClassPicker model={model?.id} label="Class" isSingle selected={settings.classes.slice(0, 1)} onChange={(classes) => set({ classes })} />}
                </Group>
                <Group title="Display">
                    <Slider label="Opacity" value={settings.opacity} minimum={0} maximum={1} onChange={(opacity) => set({ opacity })} />
                    <Select label="Colours" value={settings.colours} options={COLOUR_MAPS.map((name) => [name, name] as const)} onChange={(colours) => set({ colours })} />
                </Group>
            </aside>
            <CommandLine command={["deepinside saliency picture.png", ...flagged(model), ...(settings.follow || settings.classes[0] === undefined ? [] : [`--class ${settings.classes[0]}`]), `--view overlay --colour-map ${settings.colours}`].join(" ")} />
        </div>
    );
}

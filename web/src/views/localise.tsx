// Where the object is, from saliency alone (Simonyan, Vedaldi and Zisserman 2013, §3.2).

import { useMemo, useState } from "preact/hooks";
import { api, word } from "../api";
import type { Localised, MethodName } from "../api-types";
import { decode, decodeMap, npy, percent, plane, quantile, rank, readable, sizes, sorted } from "../arrays";
import { paint as paintMap } from "../colour-maps";
import { ClassPicker, remember } from "../components/class-picker";
import { CommandLine } from "../components/command-line";
import { Busy, Group, Segments, Select, Slider, Toggle, type Option } from "../components/controls";
import { ErrorNote } from "../components/error-note";
import { OtherChoice } from "../components/notes";
import { PhotographStrip } from "../components/photograph-strip";
import { Stage } from "../components/stage";
import { JobWorking } from "../components/working";
import { useCurrent } from "../current";
import { download, downloadCanvas, fileName } from "../download";
import { useJob } from "../hooks";
import { firstName, placeLabels } from "../label-places";
import { paintMarkers, paintMask } from "../masks";
import { change, useSettings } from "../route";
import { withPhotograph } from "../uploads";

const METHODS: readonly Option[] = [
    ["default", "Default: largest expected overlap"],
    ["paper", "Paper: graph cut from quantiles"],
    ["paper-literal", "Paper, to the letter"],
    ["energy", "Threshold: share of energy"],
    ["mean", "Threshold: multiple of the mean"],
    ["value", "Threshold: share of the range"],
    ["guided-energy", "Guided, share of energy"],
    ["layer-cam", "LayerCAM, largest expected overlap"],
    ["grad-cam", "Grad-CAM, share of the range"],
    ["grad-cam-mean", "Grad-CAM, multiple of the mean"],
];
const CUTS = new Set(["paper", "paper-literal"]);
const SHOWS: readonly Option[] = [
    ["mask", "Mask"],
    ["markers", "Seeds"],
    ["map", "Map"],
];
/** Colours of the boxes, readable on photographs and apart for colour-blind eyes (after Okabe and Ito). */
const BOX_COLOURS = ["#f0e442", "#56b4e9", "#ff8a3d", "#6fe0b6", "#e59bd0"];
const colourOf = (place: number) => BOX_COLOURS[place % BOX_COLOURS.length]!;

const DEFAULTS = {
    classes: [] as readonly number[],
    top: 1,
    method: "default",
    foreground: 0.95,
    background: 0.3,
    refinements: -1,
    show: "mask",
    boxes: true,
};

export function LocaliseView() {
    const { modelId, model, photographId, photograph } = useCurrent();
    const [settings, set] = useSettings(DEFAULTS);
    const [isOnly, setOnly] = useState<number>();
    const isCut = CUTS.has(settings.method);
    const asked = {
        ...(settings.classes.length ? { classes: settings.classes } : { top: settings.top }),
        method: word<MethodName>(settings.method),
        ...(isCut ? { foreground_quantile: settings.foreground, background_quantile: settings.background } : {}),
        ...(isCut && settings.refinements >= 0 ? { refinements: settings.refinements } : {}),
    };
    const key = photographId ? JSON.stringify([modelId, photographId, asked]) : undefined;
    const answer = useJob(
        key,
        (signal) => withPhotograph(photographId, () => api.localise({ model: modelId, photograph: photographId, ...asked }, signal)),
        60,
    );
    const best = useJob(photographId ? JSON.stringify([modelId, photographId]) : undefined, (signal) =>
        withPhotograph(photographId, () => api.classify({ model: modelId, photograph: photographId, top: 5 }, signal)),
    );
    const decoded = useMemo(() => {
        const result = answer.result;
        if (!result) return undefined;
        const map = decodeMap(result.map);
        return { mask: plane(decode(result.mask)), markers: result.markers ? plane(decode(result.markers)) : undefined, map, ascending: sorted(map.data), brightest: quantile(sizes(map.data), 0.995) };
    }, [answer.result]);
    const objects = answer.result?.objects ?? NONE;
    remember(model?.id, objects);
    const asks = settings.show === "markers" && !isCut ? "mask" : settings.show;
    // Until seeds that were asked for are there, the mask stays.
    const show = asks === "markers" && !decoded?.markers ? "mask" : asks;
    const paint = decoded
        ? (canvas: HTMLCanvasElement) => {
              if (show === "map") paintMap(canvas, decoded.map, { colours: "inferno", range: { low: 0, high: decoded.brightest }, fades: true });
              else if (show === "markers" && decoded.markers) paintMarkers(canvas, decoded.markers);
              else paintMask(canvas, decoded.mask);
          }
        : undefined;
    const covered = useMemo(() => (decoded ? share(decoded.mask.data) : 0), [decoded]);
    // Only the paper's methods have quantiles and seeds.
    const cut = (changes: { foreground?: number; background?: number; refinements?: number }, next = settings.show) => set({ ...changes, show: next, ...(isCut ? {} : { method: "paper" }) });

    const { width, height } = photograph.result ?? { width: 1, height: 1 };
    const stroke = Math.max(width, height) / 260;
    const labels = useMemo(() => placeLabels(objects.map(({ box }) => box), objects.map(({ name }) => textWidth(firstName(name))), width, height), [objects, width, height]);
    const isFaint = (index: number) => isOnly !== undefined && isOnly !== index;
    // The names come last, so that no line crosses them.
    const shapes = settings.boxes && photograph.result && (
        <>
            {objects.map(({ index, box: [left, top, right, bottom] }, place) => (
                <g key={index} opacity={isFaint(index) ? 0.2 : 1} fill="none">
                    <rect x={left} y={top} width={right - left} height={bottom - top} stroke="#000" stroke-opacity="0.55" stroke-width={stroke * 2} />
                    <rect x={left} y={top} width={right - left} height={bottom - top} stroke={colourOf(place)} stroke-width={stroke} />
                </g>
            ))}
            {objects.map(({ index, name }, place) => {
                const { x, y, size } = labels[place]!;
                return (
                    <text key={index} x={x} y={y + size} font-size={size} font-weight="600" opacity={isFaint(index) ? 0.2 : 1} fill={colourOf(place)} stroke="#000" stroke-opacity="0.75" stroke-width={size / 6} paint-order="stroke">
                        {firstName(name)}
                    </text>
                );
            })}
        </>
    );
    const read = (x: number, y: number): string => {
        const place = `x ${Math.round(x)}, y ${Math.round(y)}`;
        if (!decoded) return place;
        const value = at(decoded.map, x / width, y / height);
        const side = at(decoded.mask, x / width, y / height) ? "object" : "background";
        const marker = decoded.markers ? ["no seed", "a seed of the background", "a seed of the object"][at(decoded.markers, x / width, y / height)] : undefined;
        return [place, `saliency ${readable(value)}, above ${percent(rank(decoded.ascending, value))}`, side, marker].filter(Boolean).join(" · ");
    };
    const stem = fileName("localise", objects[0]?.name ?? "object");

    return (
        <div class="view">
            <section class="view-main" aria-label="The photograph and what was found">
                <Busy isBusy={answer.isRunning} label="Localising" />
                <JobWorking job={answer} label="Localising" />
                <ErrorNote error={photograph.error ?? answer.error} retry={photograph.error ? photograph.retry : answer.retry} />
                {photograph.result && (
                    <Stage
                        photograph={photograph.result}
                        label={objects.length ? `The photograph with ${objects.map(({ name, box }) => `${name} between x ${Math.round(box[0])} and ${Math.round(box[2])}, y ${Math.round(box[1])} and ${Math.round(box[3])}`).join("; ")}` : "The photograph"}
                        paint={paint}
                        paintedFrom={[decoded, show]}
                        brightness={show === "map" ? 0.6 : 1}
                        read={read}
                        shapes={shapes}
                        isBusy={answer.isRunning}
                    />
                )}
                {objects.length > 0 && (
                    <table class="table">
                        <caption class="visually-hidden">Objects found</caption>
                        <thead>
                            <tr>
                                <th scope="col">Class</th>
                                <th scope="col" class="number">Score</th>
                                <th scope="col" class="number">Left, top</th>
                                <th scope="col" class="number">Width × height</th>
                            </tr>
                        </thead>
                        <tbody>
                            {objects.map(({ index, name, score, box: [left, top, right, bottom] }, place) => (
                                <tr key={index} onPointerEnter={() => setOnly(index)} onPointerLeave={() => setOnly(undefined)}>
                                    <th scope="row">
                                        <span class="swatch" style={{ background: colourOf(place) }} aria-hidden="true" />
                                        {name}
                                    </th>
                                    <td class="number">{score.toFixed(2)}</td>
                                    <td class="number">
                                        {Math.round(left)}, {Math.round(top)}
                                    </td>
                                    <td class="number">
                                        {Math.round(right - left)} × {Math.round(bottom - top)}
                                    </td>
                                </tr>
                            ))}
                        </tbody>
                    </table>
                )}
                <OtherChoice other={answer.result?.other_choice} parts="The crops of the map" />
                {decoded && covered === 0 && <p class="notice">No pixel was chosen: the map speaks for no region with these settings.</p>}
            </section>
            <aside class="panel" aria-label="Settings">
                <PhotographStrip chosen={photographId} onChoose={(id) => change({ photograph: id })} />
                <Group title="Display">
                    <Segments label="Over the photograph" value={asks} options={SHOWS} onChange={(next) => (next === "markers" ? cut({}, next) : set({ show: next }))} />
                    {show === "markers" && (
                        <p class="legend">
                            <span class="swatch swatch-object" /> object <span class="swatch swatch-background" /> background <span class="swatch swatch-unknown" /> left to the cut
                        </p>
                    )}
                    <Toggle label="Boxes" isOn={settings.boxes} onChange={(boxes) => set({ boxes })} />
                </Group>
                <Group title="Method">
                    <Select label="Method" value={settings.method} options={METHODS} onChange={(method) => set({ method })} />
                    <Slider
                        label="Object: saliency above quantile"
                        value={settings.foreground}
                        minimum={0.5}
                        maximum={0.995}
                        step={0.005}
                        show={(value) => value.toFixed(3)}
                        onChange={(foreground) => cut({ foreground, background: Math.min(settings.background, foreground) })}
                    />
                    <Slider
                        label="Background: below quantile"
                        value={settings.background}
                        minimum={0.02}
                        maximum={0.9}
                        step={0.01}
                        show={(value) => value.toFixed(2)}
                        onChange={(background) => cut({ background, foreground: Math.max(settings.foreground, background) })}
                        hint={isCut ? "What lies between is left to the graph cut." : "Moving a quantile, or asking for the seeds, changes to the paper's method."}
                    />
                    {isCut && (
                        <Slider
                            label="Colour models learnt again"
                            value={settings.refinements}
                            minimum={-1}
                            maximum={10}
                            step={1}
                            show={(value) => (value < 0 ? "as the method" : `${value} times`)}
                            onChange={(refinements) => cut({ refinements })}
                        />
                    )}
                </Group>
                <Group title="Classes">
                    {settings.classes.length === 0 && <Slider label="How many of the best" value={settings.top} minimum={1} maximum={5} step={1} onChange={(top) => set({ top })} />}
                    <ClassPicker
                        model={model?.id}
                        most={5}
                        selected={settings.classes.length ? settings.classes : objects.map(({ index }) => index)}
                        top={best.result?.top ?? []}
                        onChange={(classes) => set({ classes })}
                    />
                </Group>
                <div class="button-row">
                    <button
                        type="button"
                        class="button"
                        disabled={!decoded}
                        onClick={() => {
                            if (!decoded) return;
                            const canvas = document.createElement("canvas");
                            paintMap(canvas, decoded.mask, { colours: "grey", range: { low: 0, high: 1 } });
                            downloadCanvas(canvas, `${stem}-mask.png`);
                        }}
                    >
                        Save mask
                    </button>
                    <button type="button" class="button" disabled={!decoded} onClick={() => decoded && download(npy({ shape: [decoded.map.height, decoded.map.width], data: decoded.map.data }), `${stem}.npy`)}>
                        Save .npy
                    </button>
                    {answer.result && !answer.isRunning && (
                        <small class="seconds">
                            {percent(covered)} covered · {(answer.result.seconds * 1000).toFixed(0)} ms
                        </small>
                    )}
                </div>
            </aside>
            <CommandLine command={answer.result?.command} />
        </div>
    );
}

const NONE: Localised["objects"] = [];

/** The width of a text in letters of size 1, as it is written over the photograph. */
function textWidth(text: string): number {
    const context = document.createElement("canvas").getContext("2d");
    if (!context) return 0.6 * text.length;
    context.font = `600 100px ${getComputedStyle(document.body).fontFamily}`;
    return context.measureText(text).width / 100;
}

/** Which share of the numbers is not zero. */
function share(data: ArrayLike<number>): number {
    let count = 0;
    for (let index = 0; index < data.length; index++) if (data[index]) count++;
    return data.length ? count / data.length : 0;
}

/** The value of a map that spans the photograph, at shares of its width and height. */
function at({ width, height, data }: { readonly width: number; readonly height: number; readonly data: ArrayLike<number> }, across: number, down: number): number {
    const column = Math.min(Math.floor(across * width), width - 1);
    const row = Math.min(Math.floor(down * height), height - 1);
    return data[row * width + column] ?? 0;
}

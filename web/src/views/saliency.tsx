// Which pixels the scores of classes depend on (Simonyan, Vedaldi and Zisserman 2013, §3.1).

import { useMemo } from "preact/hooks";
import { api } from "../api";
import { decodeMap, npy, percent, quantile, rank, readable, sizes, sorted, type Range } from "../arrays";
import { COLOUR_MAPS, paint as paintMap, type ColourMap } from "../colour-maps";
import { ClassPicker, ClassSearch, useClassNames } from "../components/class-picker";
import { CommandLine } from "../components/command-line";
import { Busy, Group, Segments, Select, Slider, Toggle, type Option } from "../components/controls";
import { ErrorNote } from "../components/error-note";
import { MapCanvas } from "../components/map-canvas";
import { Notes, OtherChoice } from "../components/notes";
import { PhotographStrip } from "../components/photograph-strip";
import { LAYOUTS, Stage, type Layout } from "../components/stage";
import { JobWorking } from "../components/working";
import { useCurrent } from "../current";
import { download, downloadCanvas, fileName } from "../download";
import { leavesOut, paintHatch } from "../hatch";
import { useJob } from "../hooks";
import { CROPS, RULES } from "../methods";
import { change, useSettings } from "../route";
import { withPhotograph } from "../uploads";

const DEFAULTS = {
    classes: [] as readonly number[],
    shown: 0,
    minus: -1,
    map: "paper",
    rule: "gradient",
    crops: "",
    samples: 0,
    noise: 0.15,
    smoothing: 0,
    signed: false,
    colours: "inferno",
    opacity: 1,
    brightness: 0.6,
    fades: true,
    brightest: 0.995,
    layout: "over",
    divider: 0.5,
};

const MAPS: readonly Option[] = [
    ["paper", "The gradient"],
    ["readable", "Readable"],
];

const READABLE = "Guided backpropagation times LayerCAM of the last layer, the mean of four noisy copies of the whole photograph, smoothed a little: easier to read than the gradient, and not the paper's map.";

export function SaliencyView() {
    const { modelId, model, photographId, photograph } = useCurrent();
    const [settings, set] = useSettings(DEFAULTS);
    // Maps that are averaged in the photograph's own frame have no sign.
    const isReadable = settings.map === "readable";
    const isAveraged = isReadable || settings.crops === "ten" || settings.samples > 0 || settings.smoothing > 0;
    const isSigned = settings.signed && !isAveraged;
    const asked = isReadable ? { classes: settings.classes, minus: settings.minus, readable: true } : { classes: settings.classes, minus: settings.minus, rule: settings.rule, crops: settings.crops, samples: settings.samples, noise: settings.samples ? settings.noise : 0, smoothing: settings.smoothing, signed: isSigned };
    const key = photographId ? JSON.stringify([modelId, photographId, asked]) : undefined;
    const answer = useJob(
        key,
        (signal) =>
            withPhotograph(photographId, () =>
                api.saliency(
                    {
                        model: modelId,
                        photograph: photographId,
                        ...(settings.classes.length ? { classes: settings.classes } : {}),
                        ...(settings.minus >= 0 ? { minus: settings.minus } : {}),
                        ...(isReadable
                            ? { readable: true }
                            : {
                                  rule: settings.rule,
                                  ...(settings.crops ? { crops: settings.crops } : {}),
                                  ...(settings.samples ? { smooth_grad: { samples: settings.samples, noise: settings.noise } } : {}),
                                  ...(settings.smoothing ? { smoothing: settings.smoothing } : {}),
                                  ...(isSigned ? { signed: true } : {}),
                              }),
                    },
                    signal,
                ),
            ),
        isReadable || settings.samples || settings.smoothing ? 120 : 0,
    );
    const maps = useMemo(
        () =>
            (answer.result?.maps ?? []).map((entry) => {
                const map = decodeMap(entry.signed ?? entry.map);
                return { ...entry, isSigned: Boolean(entry.signed), numbers: map, ascending: sorted(map.data), sizes: sizes(map.data) };
            }),
        [answer.result],
    );
    const nameOf = useClassNames(model?.id, settings.minus >= 0 ? [settings.minus] : []);
    const chosen = maps[Math.min(settings.shown, maps.length - 1)];
    const region = answer.result?.region;
    const colours: ColourMap = chosen?.isSigned ? "blue-white-red" : (COLOUR_MAPS.find((name) => name === settings.colours) ?? "inferno");
    const layout = (LAYOUTS.find(([name]) => name === settings.layout)?.[0] ?? "over") as Layout;
    const rangeOf = (entry: (typeof maps)[number]): Range => {
        const high = quantile(entry.sizes, settings.brightest);
        return { low: entry.isSigned ? -high : 0, high };
    };
    const range = useMemo(() => (chosen ? rangeOf(chosen) : { low: 0, high: 1 }), [chosen, settings.brightest]);
    const look = { colours, range, fades: layout === "over" && settings.fades };
    const paint = chosen ? (canvas: HTMLCanvasElement) => paintMap(canvas, chosen.numbers, look) : undefined;

    const read = (x: number, y: number): string => {
        const place = `x ${Math.round(x)}, y ${Math.round(y)}`;
        if (!chosen || !region) return place;
        const [left, top, right, bottom] = region;
        const { width, height, data } = chosen.numbers;
        const column = Math.floor(((x - left) / (right - left)) * width);
        const row = Math.floor(((y - top) / (bottom - top)) * height);
        const isSeen = answer.result?.seen.some((part) => x >= part[0] && x < part[2] && y >= part[1] && y < part[3]) ?? true;
        if (!isSeen || column < 0 || row < 0 || column >= width || row >= height) return `${place} · outside the part that the network saw`;
        const value = data[row * width + column]!;
        return `${place} · ${readable(value)} · above ${percent(rank(chosen.ascending, value))} of the map`;
    };
    const stem = chosen ? fileName("saliency", chosen.class.name, ...(settings.minus >= 0 ? ["minus", nameOf(settings.minus)] : []), settings.rule) : "saliency";
    const savePicture = () => {
        if (!chosen || !photograph.result || !region) return;
        const canvas = document.createElement("canvas");
        const { image, width } = photograph.result;
        canvas.width = image.naturalWidth;
        canvas.height = image.naturalHeight;
        const context = canvas.getContext("2d");
        const layer = document.createElement("canvas");
        paintMap(layer, chosen.numbers, look);
        const scale = image.naturalWidth / width;
        const [left, top, right, bottom] = region;
        if (layout === "over") {
            if (context) context.filter = `brightness(${settings.brightness}) saturate(${settings.brightness})`;
            context?.drawImage(image, 0, 0);
            if (context) context.filter = "none";
            if (context) context.globalAlpha = settings.opacity;
            context?.drawImage(layer, left * scale, top * scale, (right - left) * scale, (bottom - top) * scale);
            if (context) context.globalAlpha = 1;
            const { width: across, height: down } = photograph.result;
            const hatch = document.createElement("canvas");
            if (leavesOut(answer.result?.seen ?? [], across, down)) {
                paintHatch(hatch, answer.result?.seen ?? [], across, down, [canvas.width, canvas.height]);
                context?.drawImage(hatch, 0, 0);
            }
            downloadCanvas(canvas, `${stem}.png`);
        } else downloadCanvas(layer, `${stem}.png`);
    };

    return (
        <div class="view">
            <section class="view-main" aria-label="The photograph and its map">
                <Busy isBusy={answer.isRunning} label="Computing the map" />
                <JobWorking job={answer} label="Computing the map" />
                <ErrorNote error={photograph.error ?? answer.error} retry={photograph.error ? photograph.retry : answer.retry} />
                {photograph.result && (
                    <Stage
                        photograph={photograph.result}
                        label={chosen ? `Saliency of ${chosen.class.name} over the photograph` : "The photograph"}
                        paint={paint}
                        paintedFrom={[chosen, colours, range, look.fades]}
                        region={region}
                        seen={answer.result?.seen}
                        layout={layout}
                        opacity={settings.opacity}
                        brightness={layout === "over" ? settings.brightness : 1}
                        divider={settings.divider}
                        onDivider={(divider) => set({ divider: Math.round(divider * 200) / 200 })}
                        read={read}
                        isBusy={answer.isRunning}
                    />
                )}
                {(answer.result?.unseen ?? 0) > 0 && <p class="notice">The network saw nothing of {percent(answer.result?.unseen ?? 0)} of this photograph by these crops: it is hatched.</p>}
                <OtherChoice other={answer.result?.other_choice} parts="These parts of the photograph" />
                <Notes notes={answer.result?.notes} />
                {chosen?.is_constant && <p class="notice">The map is the same everywhere: the score of this class does not depend on any pixel here.</p>}
                {maps.length > 1 && (
                    <div class="multiples" role="group" aria-label="The classes' maps">
                        {maps.map((entry, index) => (
                            <button key={entry.class.index} type="button" class="multiple" aria-pressed={entry === chosen} onClick={() => set({ shown: index })}>
                                <MapCanvas
                                    map={entry.numbers}
                                    colours={entry.isSigned ? "blue-white-red" : colours}
                                    range={rangeOf(entry)}
                                />
                                <span>{entry.class.name}</span>
                                <small>{percent(entry.class.probability)}</small>
                            </button>
                        ))}
                    </div>
                )}
            </section>
            <aside class="panel" aria-label="Settings">
                <PhotographStrip chosen={photographId} onChoose={(id) => change({ photograph: id })} />
                <Group title="Classes">
                    <ClassPicker
                        model={model?.id}
                        selected={settings.classes.length ? settings.classes : maps.map((entry) => entry.class.index)}
                        top={answer.result?.top ?? []}
                        onChange={(classes, picked) => set({ classes, shown: Math.max(classes.includes(picked) ? classes.indexOf(picked) : classes.length - 1, 0) })}
                    />
                    {settings.minus < 0 ? (
                        <ClassSearch model={model?.id} label="Subtract a class" onPick={({ index }) => set({ minus: index })} />
                    ) : (
                        <div class="chips" role="group" aria-label="The subtracted class">
                            <button type="button" class="chip" aria-pressed="true" aria-label={`Minus ${nameOf(settings.minus)}: subtract nothing`} onClick={() => set({ minus: -1 })}>
                                minus {nameOf(settings.minus)} <span aria-hidden="true">×</span>
                            </button>
                        </div>
                    )}
                    {settings.minus >= 0 && <p class="hint">What speaks for the class and against {nameOf(settings.minus)}.</p>}
                </Group>
                <Group title="Method">
                    <Segments label="Map" value={settings.map} options={MAPS} onChange={(map) => set({ map })} />
                    {isReadable ? <p class="hint">{READABLE}</p> : <>
                    <Select label="Rectifiers on the way back" value={settings.rule} options={RULES} onChange={(rule) => set({ rule })} />
                    <Select label="Crops" value={settings.crops} options={CROPS} onChange={(crops) => set({ crops })} />
                    <Slider label="SmoothGrad copies" value={settings.samples} minimum={0} maximum={50} step={5} show={(value) => (value ? String(value) : "none")} onChange={(samples) => set({ samples })} />
                    {settings.samples > 0 && <Slider label="Their noise" value={settings.noise} minimum={0.02} maximum={0.5} show={percent} onChange={(noise) => set({ noise })} />}
                    <Slider label="Smoothing" value={settings.smoothing} minimum={0} maximum={0.05} step={0.0025} show={(value) => (value ? `${(value * 100).toFixed(2)} %` : "none")} onChange={(smoothing) => set({ smoothing })} />
                    <Toggle label={isAveraged ? "Signed gradient (of one crop only)" : "Signed gradient"} isOn={isSigned} isDisabled={isAveraged} onChange={(signed) => set({ signed })} />
                    </>}
                </Group>
                <Group title="Display">
                    <Segments label="Map and photograph" value={layout} options={LAYOUTS} onChange={(next) => set({ layout: next })} />
                    {layout === "wipe" && <Slider label="Divider" value={settings.divider} minimum={0} maximum={1} step={0.005} show={percent} onChange={(divider) => set({ divider })} />}
                    {layout === "over" && (
                        <>
                            <Slider label="Opacity" value={settings.opacity} minimum={0} maximum={1} show={percent} onChange={(opacity) => set({ opacity })} />
                            <Slider label="Photograph's brightness" value={settings.brightness} minimum={0} maximum={1} show={percent} onChange={(brightness) => set({ brightness })} />
                            <Toggle label="Small values let the photograph through" isOn={settings.fades} onChange={(fades) => set({ fades })} />
                        </>
                    )}
                    <Select label="Colours" value={colours} options={COLOUR_MAPS.map((name) => [name, name] as const)} isDisabled={Boolean(chosen?.isSigned)} hint={chosen?.isSigned ? "Signed values are blue below zero and red above." : undefined} onChange={(name) => set({ colours: name })} />
                    <Slider label="Brightest at quantile" value={settings.brightest} minimum={0.9} maximum={1} step={0.001} show={(value) => (value === 1 ? "the maximum" : value.toFixed(3))} onChange={(brightest) => set({ brightest })} />
                    {chosen && <ColourBar colours={colours} low={range.low} high={range.high} />}
                </Group>
                <div class="button-row">
                    <button type="button" class="button" disabled={!chosen} onClick={savePicture}>
                        Save PNG
                    </button>
                    <button
                        type="button"
                        class="button"
                        disabled={!chosen}
                        onClick={() => chosen && download(npy({ shape: [chosen.numbers.height, chosen.numbers.width], data: chosen.numbers.data }), `${stem}.npy`)}
                    >
                        Save .npy
                    </button>
                    {answer.result && !answer.isRunning && <small class="seconds">{(answer.result.seconds * 1000).toFixed(0)} ms</small>}
                </div>
            </aside>
            <CommandLine command={answer.result?.command} />
        </div>
    );
}

const RAMP = { height: 1, width: 256, data: Float32Array.from({ length: 256 }, (_, index) => index) };

function ColourBar({ colours, low, high }: { readonly colours: ColourMap; readonly low: number; readonly high: number }) {
    return (
        <figure class="colour-bar">
            <MapCanvas map={RAMP} colours={colours} label={`Colours from ${readable(low)} to ${readable(high)}`} />
            <figcaption>
                <span>{readable(low)}</span>
                <span>{readable(high)}</span>
            </figcaption>
        </figure>
    );
}

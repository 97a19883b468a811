// A map on its photograph: how it is shown, read off and saved. Every view whose answer is a map shows it with this.

import { useMemo } from "preact/hooks";
import type { Box } from "../api";
import { decodeMap, npy, percent, rank, readable, shownRange, sizes, sorted, type NumberMap, type Range } from "../arrays";
import type { Numbers } from "../api-types";
import { COLOUR_MAPS, paint as paintMap, type ColourMap } from "../colour-maps";
import { download, downloadCanvas } from "../download";
import { leavesOut, paintHatch } from "../hatch";
import type { ShownPhotograph } from "../hooks";
import { Group, Segments, Select, Slider, Toggle } from "./controls";
import { MapCanvas } from "./map-canvas";
import { LAYOUTS, Stage, type Layout } from "./stage";

/** The settings of the display, as they stand in the address. */
export const DISPLAY = {
    colours: "inferno",
    opacity: 1,
    brightness: 0.6,
    fades: true,
    brightest: 0.995,
    layout: "over",
    divider: 0.5,
};

type Display = typeof DISPLAY;

/** A map that is there, ready to be shown. */
export interface ShownMap {
    readonly title: string;
    readonly numbers: NumberMap;
    readonly isSigned: boolean;
    readonly ascending: Float32Array;
    readonly sizes: Float32Array;
}

export function shownMap(title: string, map: Numbers, isSigned: boolean): ShownMap {
    const numbers = decodeMap(map);
    return { title, numbers, isSigned, ascending: sorted(numbers.data), sizes: sizes(numbers.data) };
}

/** How a map is looked at: its colours, what is darkest and brightest, and whether small values let the photograph through. */
export function lookOf(map: ShownMap, { colours, brightest, layout, fades }: Display): { readonly colours: ColourMap; readonly range: Range; readonly fades: boolean } {
    const range = shownRange(map.numbers.data, map.sizes, brightest);
    return {
        colours: map.isSigned ? "blue-white-red" : (COLOUR_MAPS.find((name) => name === colours) ?? "inferno"),
        range: map.isSigned ? { low: -range.high, high: range.high } : range,
        fades: layout === "over" && fades,
    };
}

interface MapStageProps {
    readonly photograph: ShownPhotograph;
    readonly map: ShownMap | undefined;
    /** What a person who does not see it is told that it is. */
    readonly label: string;
    readonly region: Box | undefined;
    /** The parts of the photograph that the network saw; all of it by default. */
    readonly seen: readonly Box[] | undefined;
    readonly display: Display;
    readonly onChange: (changes: Partial<Display>) => void;
    readonly isBusy: boolean;
}

/** The photograph with the map on it; pointing reads values. */
export function MapStage({ photograph, map, label, region, seen, display, onChange, isBusy }: MapStageProps) {
    const look = useMemo(() => map && lookOf(map, display), [map, display.colours, display.brightest, display.layout, display.fades]);
    const layout = (LAYOUTS.find(([name]) => name === display.layout)?.[0] ?? "over") as Layout;
    const read = (x: number, y: number): string => {
        const place = `x ${Math.round(x)}, y ${Math.round(y)}`;
        if (!map || !region) return place;
        const [left, top, right, bottom] = region;
        const { width, height, data } = map.numbers;
        const column = Math.floor(((x - left) / (right - left)) * width);
        const row = Math.floor(((y - top) / (bottom - top)) * height);
        const isSeen = seen?.some((part) => x >= part[0] && x < part[2] && y >= part[1] && y < part[3]) ?? true;
        if (!isSeen || column < 0 || row < 0 || column >= width || row >= height) return `${place} · outside the part that the network saw`;
        const value = data[row * width + column]!;
        return `${place} · ${readable(value)} · above ${percent(rank(map.ascending, value))} of the map`;
    };
    return (
        <Stage
            photograph={photograph}
            label={label}
            paint={map && look ? (canvas: HTMLCanvasElement) => paintMap(canvas, map.numbers, look) : undefined}
            paintedFrom={[map, look]}
            region={region}
            seen={seen}
            layout={layout}
            opacity={display.opacity}
            brightness={layout === "over" ? display.brightness : 1}
            divider={display.divider}
            onDivider={(divider) => onChange({ divider: Math.round(divider * 200) / 200 })}
            read={read}
            isBusy={isBusy}
        />
    );
}

/** The settings of the display. */
export function DisplayControls({ map, display, onChange }: { readonly map: ShownMap | undefined; readonly display: Display; readonly onChange: (changes: Partial<Display>) => void }) {
    const look = map && lookOf(map, display);
    return (
        <Group title="Display">
            <Segments label="Map and photograph" value={display.layout} options={LAYOUTS} onChange={(layout) => onChange({ layout })} />
            {display.layout === "wipe" && <Slider label="Divider" value={display.divider} minimum={0} maximum={1} step={0.005} show={percent} onChange={(divider) => onChange({ divider })} />}
            {display.layout === "over" && (
                <>
                    <Slider label="Opacity" value={display.opacity} minimum={0} maximum={1} show={percent} onChange={(opacity) => onChange({ opacity })} />
                    <Slider label="Photograph's brightness" value={display.brightness} minimum={0} maximum={1} show={percent} onChange={(brightness) => onChange({ brightness })} />
                    <Toggle label="Small values let the photograph through" isOn={display.fades} onChange={(fades) => onChange({ fades })} />
                </>
            )}
            <Select
                label="Colours"
                value={look?.colours ?? display.colours}
                options={COLOUR_MAPS.map((name) => [name, name] as const)}
                isDisabled={Boolean(map?.isSigned)}
                hint={map?.isSigned ? "Signed values are blue below zero and red above." : undefined}
                onChange={(colours) => onChange({ colours })}
            />
            <Slider label="Brightest at quantile" value={display.brightest} minimum={0.9} maximum={1} step={0.001} show={(value) => (value === 1 ? "the maximum" : value.toFixed(3))} onChange={(brightest) => onChange({ brightest })} />
            {look && <ColourBar colours={look.colours} low={look.range.low} high={look.range.high} />}
        </Group>
    );
}

interface SaveButtonsProps {
    readonly photograph: ShownPhotograph | undefined;
    readonly map: ShownMap | undefined;
    readonly region: Box | undefined;
    readonly seen: readonly Box[] | undefined;
    readonly display: Display;
    /** The files' name without its ending. */
    readonly stem: string;
    /** How long the computation took, once it is done. */
    readonly seconds: number | undefined;
}

/** Buttons that save what is shown, and its numbers. */
export function SaveButtons({ photograph, map, region, seen, display, stem, seconds }: SaveButtonsProps) {
    const savePicture = () => {
        if (!map || !photograph || !region) return;
        const layer = document.createElement("canvas");
        paintMap(layer, map.numbers, lookOf(map, display));
        if (display.layout !== "over") {
            downloadCanvas(layer, `${stem}.png`);
            return;
        }
        const canvas = document.createElement("canvas");
        const { image, width: across, height: down } = photograph;
        canvas.width = image.naturalWidth;
        canvas.height = image.naturalHeight;
        const context = canvas.getContext("2d");
        const scale = image.naturalWidth / across;
        const [left, top, right, bottom] = region;
        if (context) context.filter = `brightness(${display.brightness}) saturate(${display.brightness})`;
        context?.drawImage(image, 0, 0);
        if (context) context.filter = "none";
        if (context) context.globalAlpha = display.opacity;
        context?.drawImage(layer, left * scale, top * scale, (right - left) * scale, (bottom - top) * scale);
        if (context) context.globalAlpha = 1;
        const hatch = document.createElement("canvas");
        if (leavesOut(seen ?? [], across, down)) {
            paintHatch(hatch, seen ?? [], across, down, [canvas.width, canvas.height]);
            context?.drawImage(hatch, 0, 0);
        }
        downloadCanvas(canvas, `${stem}.png`);
    };
    return (
        <div class="button-row">
            <button type="button" class="button" disabled={!map} onClick={savePicture}>
                Save PNG
            </button>
            <button type="button" class="button" disabled={!map} onClick={() => map && download(npy({ shape: [map.numbers.height, map.numbers.width], data: map.numbers.data }), `${stem}.npy`)}>
                Save .npy
            </button>
            {seconds !== undefined && <small class="seconds">{(seconds * 1000).toFixed(0)} ms</small>}
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

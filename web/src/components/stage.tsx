// The photograph with a map on it: over it, beside it, or as two halves with a divider that moves. Pointing reads values; so do the
// arrow keys.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Box } from "../api";
import { leavesOut, paintHatch } from "../hatch";
import type { ShownPhotograph } from "../hooks";

export const LAYOUTS = [
    ["over", "Over"],
    ["wipe", "Wipe"],
    ["beside", "Beside"],
] as const;
export type Layout = (typeof LAYOUTS)[number][0];

interface StageProps {
    readonly photograph: ShownPhotograph;
    readonly label: string;
    /** Paints the map into the canvas that lies over `region` of the photograph. */
    readonly paint?: ((canvas: HTMLCanvasElement) => void) | undefined;
    /** Painted again when one of these changes. */
    readonly paintedFrom?: readonly unknown[];
    readonly region?: Box | undefined;
    /** The parts of the photograph that the network saw; what else there is is hatched. By default all of it. */
    readonly seen?: readonly Box[] | undefined;
    readonly layout?: Layout;
    readonly opacity?: number;
    /** How bright the photograph is under the map, 0 to 1. */
    readonly brightness?: number;
    /** Where the divider stands, 0 to 1. */
    readonly divider?: number;
    readonly onDivider?: (place: number) => void;
    /** What to say about a place, given in pixels of the photograph. */
    readonly read?: (x: number, y: number) => string;
    /** Shapes over the photograph, as SVG in its pixels. */
    readonly shapes?: ComponentChildren;
    readonly isBusy?: boolean;
    readonly hidesPhotograph?: boolean;
}

const asPercent = (share: number) => `${share * 100}%`;

export function Stage(props: StageProps) {
    const { photograph, label, region, layout = "over", opacity = 1, brightness = 1, divider = 0.5, onDivider, read, shapes, isBusy = false, hidesPhotograph = false } = props;
    const { width, height } = photograph;
    const canvas = useRef<HTMLCanvasElement>(null);
    const [place, setPlace] = useState<readonly [x: number, y: number] | null>(null);
    const isBeside = layout === "beside";
    useLayoutEffect(() => {
        if (canvas.current && props.paint) props.paint(canvas.current);
    }, [...(props.paintedFrom ?? []), layout]);

    const [left, top, right, bottom] = region ?? [0, 0, width, height];
    const placement = {
        left: asPercent(left / width),
        top: asPercent(top / height),
        width: asPercent((right - left) / width),
        height: asPercent((bottom - top) / height),
    };
    // The divider's place within the map, for only the map is cut.
    const cut = Math.min(Math.max((divider * width - left) / Math.max(right - left, 1), 0), 1);

    const locate = (event: PointerEvent): readonly [number, number] => {
        const frame = (event.currentTarget as HTMLElement).getBoundingClientRect();
        return [((event.clientX - frame.left) / frame.width) * width, ((event.clientY - frame.top) / frame.height) * height];
    };
    const onPointer = (event: PointerEvent) => {
        const [x, y] = locate(event);
        setPlace([Math.min(Math.max(x, 0), width - 1), Math.min(Math.max(y, 0), height - 1)]);
        if (layout === "wipe" && onDivider && (event.buttons & 1 || event.type === "pointerdown")) onDivider(Math.min(Math.max(x / width, 0), 1));
    };
    const onKeyDown = (event: KeyboardEvent) => {
        const step = event.shiftKey ? 1 : Math.max(width, height) / 50;
        const [x, y] = place ?? [width / 2, height / 2];
        const moves: Record<string, readonly [number, number]> = {
            ArrowLeft: [-step, 0],
            ArrowRight: [step, 0],
            ArrowUp: [0, -step],
            ArrowDown: [0, step],
        };
        const move = moves[event.key];
        if (event.key === "Escape") setPlace(null);
        if (!move || !read) return;
        event.preventDefault();
        setPlace([Math.min(Math.max(x + move[0], 0), width - 1), Math.min(Math.max(y + move[1], 0), height - 1)]);
    };

    const pointer = place && read && <div class="crosshair" style={{ left: asPercent(place[0] / width), top: asPercent(place[1] / height) }} aria-hidden="true" />;
    const drawing = shapes && (
        <svg class="stage-shapes" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
            {shapes}
        </svg>
    );
    const hidden = props.seen && leavesOut(props.seen, width, height) ? <Hatch photograph={photograph} seen={props.seen} /> : null;
    const map = props.paint && (
        <canvas
            ref={canvas}
            class="stage-map"
            aria-hidden="true"
            style={{ ...placement, opacity: layout === "over" ? opacity : 1, clipPath: layout === "wipe" ? `inset(0 0 0 ${asPercent(cut)})` : "none" }}
        />
    );
    const frame = (content: ComponentChildren, isFirst: boolean) => (
        <div
            class="stage-frame"
            style={{ "--ratio": width / height }}
            {...(isFirst && read
                ? { tabIndex: 0, role: "application", "aria-roledescription": "picture", "aria-label": `${label}. The arrow keys move the point that is read.`, onKeyDown }
                : isFirst
                  ? { role: "img", "aria-label": label }
                  : {})}
            onPointerMove={onPointer}
            onPointerDown={onPointer}
            onPointerLeave={(event) => event.pointerType === "mouse" && setPlace(null)}
        >
            {content}
            {pointer}
        </div>
    );
    const photo = <img class={`stage-photograph ${hidesPhotograph ? "stage-photograph-hidden" : ""}`} src={photograph.image.src} alt="" draggable={false} style={{ filter: brightness < 1 ? `brightness(${brightness}) saturate(${brightness})` : "none" }} />;

    return (
        <div class={`stage ${isBeside ? "stage-beside" : ""} ${layout === "wipe" ? "stage-wipe" : ""} ${isBusy ? "stage-busy" : ""}`}>
            <div class="stage-pictures">
                {isBeside ? (
                    <>
                        {frame(<>{photo}{drawing}</>, true)}
                        {frame(<>{map}{hidden}{drawing}</>, false)}
                    </>
                ) : (
                    frame(
                        <>
                            {photo}
                            {map}
                            {hidden}
                            {layout === "wipe" && <div class="divider" style={{ left: asPercent(divider) }} aria-hidden="true" />}
                            {drawing}
                        </>,
                        true,
                    )
                )}
            </div>
            {read && (
                <output class="readout" aria-live="polite">
                    {place ? read(place[0], place[1]) : matchMedia("(hover: none)").matches ? "Touch the picture to read values." : "Point at the picture, or press the arrow keys on it, to read values."}
                </output>
            )}
        </div>
    );
}

/** What the network did not see. */
function Hatch({ photograph, seen }: { readonly photograph: ShownPhotograph; readonly seen: readonly Box[] }) {
    const canvas = useRef<HTMLCanvasElement>(null);
    const { width, height } = photograph;
    useLayoutEffect(() => {
        // In pixels of the page, so that the lines are as far apart on every photograph.
        const shown = canvas.current?.getBoundingClientRect();
        if (canvas.current && shown) paintHatch(canvas.current, seen, width, height, [Math.max(shown.width, 1), Math.max(shown.height, 1)]);
    }, [photograph, seen]);
    return <canvas ref={canvas} class="stage-hatch" aria-hidden="true" />;
}

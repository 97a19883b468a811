// A map of numbers as a small picture.

import { useLayoutEffect, useRef } from "preact/hooks";
import { extremes, type NumberMap, type Range } from "../arrays";
import { paint, type ColourMap } from "../colour-maps";

interface MapCanvasProps {
    readonly map: NumberMap;
    readonly colours: ColourMap;
    /** Which values have the first and the last colour; by default the map's own extremes. */
    readonly range?: Range;
    readonly label?: string;
    readonly class?: string;
}

export function MapCanvas({ map, colours, range, label, class: className }: MapCanvasProps) {
    const canvas = useRef<HTMLCanvasElement>(null);
    useLayoutEffect(() => {
        if (canvas.current) paint(canvas.current, map, { colours, range: range ?? extremes(map.data) });
    }, [map, colours, range?.low, range?.high]);
    return <canvas ref={canvas} class={className} {...(label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" })} />;
}

/** The range of a signed map: as far to the one side as to the other, so that zero has the middle colour. */
export function symmetric(map: NumberMap): Range {
    const { low, high } = extremes(map.data);
    const reach = Math.max(-low, high);
    return { low: -reach, high: reach };
}

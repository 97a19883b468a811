// A map in the frame of its photograph, small enough for a table of them.

import { useLayoutEffect, useRef } from "preact/hooks";
import type { Box } from "../api";
import type { NumberMap, Range } from "../arrays";
import { paint as paintMap, type ColourMap } from "../colour-maps";
import { leavesOut, paintHatch } from "../hatch";
import type { ShownPhotograph } from "../hooks";

export interface Cell {
    readonly map: NumberMap;
    readonly region: Box;
    readonly seen: readonly Box[];
    readonly range: Range;
}

interface CellPictureProps {
    readonly photograph: ShownPhotograph;
    readonly cell: Cell;
    readonly colours: ColourMap;
    readonly isOver: boolean;
}

/** A map in the frame of the photograph, so that all of them show the same places. */
export function CellPicture({ photograph, cell, colours, isOver }: CellPictureProps) {
    const canvas = useRef<HTMLCanvasElement>(null);
    useLayoutEffect(() => {
        if (!canvas.current) return;
        const scale = 320 / Math.max(photograph.width, photograph.height);
        [canvas.current.width, canvas.current.height] = [photograph.width * scale, photograph.height * scale];
        const context = canvas.current.getContext("2d");
        if (context) drawCell(context, photograph, cell, colours, isOver, 0, 0, canvas.current.width, canvas.current.height);
    }, [photograph, cell, colours, isOver]);
    return <canvas ref={canvas} class="matrix-map" aria-hidden="true" />;
}

export function drawCell(context: CanvasRenderingContext2D, photograph: ShownPhotograph, cell: Cell, colours: ColourMap, isOver: boolean, x: number, y: number, width: number, height: number): void {
    const layer = document.createElement("canvas");
    paintMap(layer, cell.map, { colours, range: cell.range, fades: isOver });
    if (isOver) {
        context.filter = "brightness(0.55) saturate(0.55)";
        context.drawImage(photograph.image, x, y, width, height);
        context.filter = "none";
    }
    const [left, top, right, bottom] = cell.region;
    const [across, down] = [width / photograph.width, height / photograph.height];
    context.drawImage(layer, x + left * across, y + top * down, (right - left) * across, (bottom - top) * down);
    if (!leavesOut(cell.seen, photograph.width, photograph.height)) return;
    const hatch = document.createElement("canvas");
    paintHatch(hatch, cell.seen, photograph.width, photograph.height, [width, height]);
    context.drawImage(hatch, x, y, width, height);
}

// Where the names of boxes are written: within the picture, and not over each other.

import type { Box } from "./api";

/** A name's place: its left end, its upper edge and the size of its letters, in pixels of the photograph. */
export interface LabelPlace {
    readonly x: number;
    readonly y: number;
    readonly size: number;
}

/** The first of a class's several names. */
export function firstName(name: string): string {
    return name.split(",", 1)[0]!.trim();
}

const overlap = (a: Box, b: Box): boolean => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

/**
 * A place for the name of every box. `widths` are those of the names in letters of size 1. Each stands in a corner of its box, else
 * above or below it, else at the nearest height where nothing stands yet; where that is nowhere, all letters become smaller.
 */
export function placeLabels(boxes: readonly Box[], widths: readonly number[], width: number, height: number): LabelPlace[] {
    for (let usual = Math.max(width, height) / 30; ; usual *= 0.85) {
        const places = placeAll(boxes, widths, width, height, usual);
        if (places) return places;
    }
}

function placeAll(boxes: readonly Box[], widths: readonly number[], width: number, height: number, usual: number): LabelPlace[] | undefined {
    const taken: Box[] = [];
    const places: LabelPlace[] = [];
    for (const [index, [left, top, right, bottom]] of boxes.entries()) {
        // One that is wider than the picture has smaller letters.
        const size = Math.min(usual, width / (widths[index]! + 0.8), height / 1.6);
        const [across, down] = [size * (widths[index]! + 0.7), size * 1.35];
        const at = (x: number, y: number): Box => {
            const [from, above] = [Math.min(Math.max(x, 0), width - across), Math.min(Math.max(y, 0), height - down)];
            return [from, above, from + across, above + down];
        };
        const corners = [at(left, top), at(left, bottom - down), at(right - across, top), at(right - across, bottom - down), at(left, top - down), at(left, bottom)];
        const rows = Array.from({ length: 2 * Math.ceil(height / down) }, (_, row) => top + (row % 2 ? 1 : -1) * Math.ceil(row / 2) * down);
        const candidates = [...corners, ...rows.flatMap((y) => [left, right - across, 0, width].map((x) => at(x, y)))];
        const free = candidates.find((candidate) => !taken.some((other) => overlap(candidate, other)));
        if (!free) return undefined;
        taken.push(free);
        places.push({ x: free[0] + size * 0.35, y: free[1], size });
    }
    return places;
}

// What can be said in numbers of several methods' maps for several classes.

import type { Box } from "./api";
import type { NumberMap } from "./arrays";

export interface PlacedMap {
    readonly map: NumberMap;
    /** Where it lies, in pixels of the photograph. */
    readonly region: Box;
    /** The parts of the photograph that the network saw for it; by default all that the map covers. */
    readonly seen?: readonly Box[];
}

/** How many cells a side of the common grid has, on which maps of different sizes are compared. */
const GRID = 48;

/** The part of the photograph that all maps cover. */
export function common(maps: readonly PlacedMap[]): Box {
    return [
        Math.max(...maps.map(({ region }) => region[0])),
        Math.max(...maps.map(({ region }) => region[1])),
        Math.min(...maps.map(({ region }) => region[2])),
        Math.min(...maps.map(({ region }) => region[3])),
    ];
}

/** The part of a photograph on which maps are compared. */
export interface Area {
    readonly part: Box;
    /** Lists of places: a point belongs to the area where it lies in one of every list. */
    readonly seen: readonly (readonly Box[])[];
}

const holds = ([left, top, right, bottom]: Box, x: number, y: number): boolean => x >= left && x < right && y >= top && y < bottom;

function belongs({ part, seen }: Area, x: number, y: number): boolean {
    return holds(part, x, y) && seen.every((places) => places.some((place) => holds(place, x, y)));
}

/** What all maps cover and the network saw for each of them. */
export function commonArea(maps: readonly PlacedMap[]): Area {
    const seen = new Map(maps.map((placed) => [JSON.stringify(placed.seen ?? [placed.region]), placed.seen ?? [placed.region]]));
    return { part: common(maps), seen: [...seen.values()] };
}

/** The means of a map over the cells of a grid that spans a part of the photograph. */
export function resample({ map, region }: PlacedMap, part: Box, grid = GRID): Float64Array {
    const cells = new Float64Array(grid * grid);
    const across = map.width / (region[2] - region[0]);
    const down = map.height / (region[3] - region[1]);
    for (let row = 0; row < grid; row++) {
        const [top, bottom] = span(part[1], part[3], row, grid, region[1], down, map.height);
        for (let column = 0; column < grid; column++) {
            const [left, right] = span(part[0], part[2], column, grid, region[0], across, map.width);
            let sum = 0;
            for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) sum += map.data[y * map.width + x]!;
            cells[row * grid + column] = sum / ((bottom - top) * (right - left));
        }
    }
    return cells;
}

/** The first and the end index of a map's pixels in one cell: at least one. */
function span(from: number, to: number, cell: number, cells: number, offset: number, scale: number, extent: number): readonly [number, number] {
    const at = (index: number) => (from + ((to - from) * index) / cells - offset) * scale;
    const first = Math.min(Math.max(Math.floor(at(cell)), 0), extent - 1);
    return [first, Math.min(Math.max(Math.floor(at(cell + 1)), first + 1), extent)];
}

/** Ranks from 1, equal values share the mean of theirs. */
function ranks(values: Float64Array): Float64Array {
    const order = Array.from(values.keys()).sort((a, b) => values[a]! - values[b]!);
    const result = new Float64Array(values.length);
    for (let first = 0; first < order.length; ) {
        let end = first + 1;
        while (end < order.length && values[order[end]!] === values[order[first]!]) end++;
        for (let index = first; index < end; index++) result[order[index]!] = (first + end + 1) / 2;
        first = end;
    }
    return result;
}

/** Spearman's rank correlation; undefined where one side is constant. */
export function rankCorrelation(left: Float64Array, right: Float64Array): number | undefined {
    const [a, b] = [ranks(left), ranks(right)];
    const mean = (a.length + 1) / 2;
    let [covariance, first, second] = [0, 0, 0];
    for (let index = 0; index < a.length; index++) {
        const [x, y] = [a[index]! - mean, b[index]! - mean];
        covariance += x * y;
        first += x * x;
        second += y * y;
    }
    return first > 0 && second > 0 ? covariance / Math.sqrt(first * second) : undefined;
}

/** Takes the values of a map's pixels whose centres lie in an area, with those centres. */
function within({ map, region }: PlacedMap, area: Area, take: (value: number, x: number, y: number) => void): void {
    for (let row = 0; row < map.height; row++) {
        const y = region[1] + ((row + 0.5) * (region[3] - region[1])) / map.height;
        if (y < area.part[1] || y >= area.part[3]) continue;
        for (let column = 0; column < map.width; column++) {
            const x = region[0] + ((column + 0.5) * (region[2] - region[0])) / map.width;
            if (belongs(area, x, y)) take(map.data[row * map.width + column]!, x, y);
        }
    }
}

/**
 * Which share of the map's sum in an area the strongest `share` of its pixels there hold: near `share` for an even
 * map, 1 for a few points.
 */
export function concentration(placed: PlacedMap, area = commonArea([placed]), share = 0.05): number {
    const all = new Float32Array(placed.map.data.length);
    let count = 0;
    within(placed, area, (value) => (all[count++] = value));
    const values = all.subarray(0, count).sort();
    let [total, strongest] = [0, 0];
    const from = Math.floor(values.length * (1 - share));
    values.forEach((value, index) => {
        total += value;
        if (index >= from) strongest += value;
    });
    return total > 0 ? strongest / total : 0;
}

/** Which share of the map's sum in an area lies inside a box; undefined where the box has no pixel there. */
export function inside(placed: PlacedMap, box: Box, area = commonArea([placed])): number | undefined {
    let [total, sum, count] = [0, 0, 0];
    within(placed, area, (value, x, y) => {
        total += value;
        if (x < box[0] || x >= box[2] || y < box[1] || y >= box[3]) return;
        sum += value;
        count++;
    });
    return count === 0 ? undefined : total > 0 ? sum / total : 0;
}

export interface Marks {
    /** The mean correlation of this method's maps with the first method's, class by class. */
    readonly agreement: number | undefined;
    /** The mean correlation between its maps of different classes: 1 means that it does not see the class. */
    readonly likeness: number | undefined;
    readonly concentration: number;
    /** The mean share inside the boxes that were found, where there are any. */
    readonly inside: number | undefined;
}

function mean(numbers: readonly (number | undefined)[]): number | undefined {
    const known = numbers.filter((number) => number !== undefined);
    return known.length ? known.reduce((sum, number) => sum + number, 0) / known.length : undefined;
}

/**
 * The marks of every method, all on the part of the photograph that was seen for every map: a map of the middle alone would else hold more of
 * its sum in an object there than one of the whole photograph. `cells` has a row for each method and a column for each class.
 */
export function marks(cells: readonly (readonly PlacedMap[])[], boxes: readonly (Box | undefined)[]): Marks[] {
    const area = commonArea(cells.flat());
    const { part } = area;
    const isCommon = Array.from({ length: GRID * GRID }, (_, cell) => {
        const at = (index: number, from: number, to: number) => from + ((index + 0.5) / GRID) * (to - from);
        return belongs(area, at(cell % GRID, part[0], part[2]), at(Math.floor(cell / GRID), part[1], part[3]));
    });
    const grids = cells.map((row) => row.map((cell) => resample(cell, part).filter((_, index) => isCommon[index])));
    return cells.map((row, method) => ({
        agreement: mean(row.map((_, column) => rankCorrelation(grids[method]![column]!, grids[0]![column]!))),
        likeness: mean(row.flatMap((_, left) => row.slice(left + 1).map((__, offset) => rankCorrelation(grids[method]![left]!, grids[method]![left + 1 + offset]!)))),
        concentration: mean(row.map((cell) => concentration(cell, area))) ?? 0,
        inside: mean(row.map((cell, column) => (boxes[column] ? inside(cell, boxes[column], area) : undefined))),
    }));
}

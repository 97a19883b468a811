// Colours for numbers, the same as `deepinside saliency --colour-map`: grey and hot are their usual piecewise linear formulas,
// viridis and inferno (S. van der Walt and N. Smith, 2015, dedicated to the public domain) tables of 33 colours mixed linearly,
// and blue-white-red is for signed values, its middle exactly white.

import type { NumberMap, Range } from "./arrays";

export const COLOUR_MAPS = ["grey", "hot", "viridis", "inferno", "blue-white-red"] as const;
export type ColourMap = (typeof COLOUR_MAPS)[number];

const BLUE_WHITE_RED = [0x053061, 0x4393c3, 0xffffff, 0xd6604d, 0x67001f];

const VIRIDIS = [
    0x440154, 0x470d60, 0x48186a, 0x482374, 0x472d7b, 0x453681, 0x424086, 0x3f4989, 0x3b528b, 0x375a8d, 0x33638d, 0x2f6a8e, 0x2c728e,
    0x297a8e, 0x26818e, 0x23898e, 0x21908c, 0x1f988b, 0x1f9f88, 0x21a685, 0x28ae80, 0x31b57b, 0x3ebc74, 0x4cc26c, 0x5dc963, 0x6ece58,
    0x82d34c, 0x96d83f, 0xabdc32, 0xc0df24, 0xd5e21a, 0xeae51a, 0xfde725,
];

const INFERNO = [
    0x000004, 0x040312, 0x0b0724, 0x150b37, 0x210c4a, 0x2e0a5a, 0x3c0965, 0x4a0c6b, 0x57106d, 0x63146e, 0x70196e, 0x7d1e6d, 0x89226a,
    0x962766, 0xa32b61, 0xaf315c, 0xbb3755, 0xc63e4d, 0xd14644, 0xdb4f3b, 0xe35932, 0xeb6528, 0xf1711e, 0xf67f14, 0xf98d0a, 0xfb9c06,
    0xfcab0f, 0xfbba1f, 0xf9ca32, 0xf5d949, 0xf2e865, 0xf3f586, 0xfcffa4,
];

type Colour = readonly [red: number, green: number, blue: number];

function mixTable(table: readonly number[], value: number): Colour {
    const position = value * (table.length - 1);
    const left = Math.min(Math.floor(position), table.length - 2);
    const share = position - left;
    const level = (shift: number) => Math.round((1 - share) * ((table[left]! >> shift) & 255) + share * ((table[left + 1]! >> shift) & 255));
    return [level(16), level(8), level(0)];
}

const level = (value: number) => Math.round(Math.min(Math.max(value, 0), 1) * 255);

/** The colour of a value between 0 and 1. */
export function colour(map: ColourMap, value: number): Colour {
    switch (map) {
        case "grey":
            return [level(value), level(value), level(value)];
        case "hot":
            return [level(0.0416 + (value * (1 - 0.0416)) / 0.365079), level((value - 0.365079) / (0.746032 - 0.365079)), level((value - 0.746032) / (1 - 0.746032))];
        case "viridis":
            return mixTable(VIRIDIS, value);
        case "inferno":
            return mixTable(INFERNO, value);
        case "blue-white-red":
            return mixTable(BLUE_WHITE_RED, value);
    }
}

const tables = new Map<ColourMap, Uint32Array>();

/** 256 colours as pixels of a canvas, without their opacity. */
function table(map: ColourMap): Uint32Array {
    let pixels = tables.get(map);
    if (!pixels) {
        pixels = Uint32Array.from({ length: 256 }, (_, index) => {
            const [red, green, blue] = colour(map, index / 255);
            return (blue << 16) | (green << 8) | red;
        });
        tables.set(map, pixels);
    }
    return pixels;
}

export interface Paint {
    readonly colours: ColourMap;
    readonly range: Range;
    /** Whether small values are let through: opacity grows with the value (with its size, for blue-white-red). */
    readonly fades?: boolean;
}

/** Paints a map, one pixel a value. */
export function paint(canvas: HTMLCanvasElement | OffscreenCanvas, map: NumberMap, { colours, range, fades = false }: Paint): void {
    const { width, height, data } = map;
    // Even the same size set again makes a browser lay the page out anew.
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const context = canvas.getContext("2d") as CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D | null;
    if (!context || width === 0 || height === 0) return;
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const colourOf = table(colours);
    const scale = range.high > range.low ? 255 / (range.high - range.low) : 0;
    const isDiverging = colours === "blue-white-red";
    for (let index = 0; index < pixels.length; index++) {
        const step = Math.min(Math.max((data[index]! - range.low) * scale, 0), 255) | 0;
        const opacity = !fades ? 255 : isDiverging ? Math.min(Math.abs(step - 127.5) * 2, 255) | 0 : step;
        pixels[index] = colourOf[step]! | (opacity << 24);
    }
    context.putImageData(image, 0, 0);
}

/** Paints height × width × 3 numbers around zero as a colour picture: grey where they are zero. */
export function paintSigned(canvas: HTMLCanvasElement, height: number, width: number, data: ArrayLike<number>, reach: number): void {
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    if (!context) return;
    const image = context.createImageData(width, height);
    const scale = reach > 0 ? 127.5 / reach : 0;
    for (let pixel = 0; pixel < width * height; pixel++) {
        for (let channel = 0; channel < 3; channel++) image.data[4 * pixel + channel] = 127.5 + scale * data[3 * pixel + channel]!;
        image.data[4 * pixel + 3] = 255;
    }
    context.putImageData(image, 0, 0);
}

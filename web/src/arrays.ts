// Arrays of numbers as the server sends them, and what the views need to know of them.

import type { Numbers } from "./api-types";

/** An array in C order. */
export interface NumberArray {
    readonly shape: readonly number[];
    readonly data: Float32Array | Uint8Array;
}

/** A map of height × width. */
export interface NumberMap {
    readonly height: number;
    readonly width: number;
    readonly data: Float32Array | Uint8Array;
}

export function decode({ shape, type, data }: Numbers): NumberArray {
    const text = atob(data);
    const bytes = new Uint8Array(text.length);
    for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
    const numbers = type === "uint8" ? bytes : new Float32Array(bytes.buffer);
    const expected = shape.reduce((product, extent) => product * extent, 1);
    if (numbers.length !== expected) throw new Error(`An array of ${shape.join(" × ")} arrived with ${numbers.length} numbers instead of ${expected}.`);
    return { shape, data: numbers };
}

/** The last two axes at one place of those before. */
export function plane(array: NumberArray, index = 0): NumberMap {
    const [height, width] = [array.shape.at(-2) ?? 1, array.shape.at(-1) ?? 1];
    return { height, width, data: array.data.subarray(index * height * width, (index + 1) * height * width) };
}

/** As channels × height × width: a vector is so many channels of one number. */
export function channels({ shape, data }: NumberArray): NumberArray {
    const [count = 1, ...rest] = shape;
    const width = rest.at(-1) ?? 1;
    return { shape: [count, rest.reduce((product, extent) => product * extent, 1) / Math.max(width, 1), width], data };
}

export function decodeMap(encoded: Numbers): NumberMap {
    return plane(decode(encoded));
}

export interface Range {
    readonly low: number;
    readonly high: number;
}

/** The smallest and the largest number; not-a-numbers do not count. */
export function extremes(data: ArrayLike<number>): Range {
    let [low, high] = [Infinity, -Infinity];
    for (let index = 0; index < data.length; index++) {
        const value = data[index]!;
        if (value < low) low = value;
        if (value > high) high = value;
    }
    return low <= high ? { low, high } : { low: 0, high: 0 };
}

/** The numbers in ascending order, of which quantiles are read. */
export function sorted(data: Float32Array | Uint8Array): Float32Array {
    return Float32Array.from(data).sort();
}

/** The value at a quantile between 0 and 1 of numbers in ascending order. */
export function quantile(ascending: Float32Array, share: number): number {
    const last = ascending.length - 1;
    return last < 0 ? 0 : ascending[Math.round(Math.min(Math.max(share, 0), 1) * last)]!;
}

/**
 * The sizes of the numbers that are not zero, in ascending order. Colours are scaled on their quantiles: a unit that sees three by
 * three pixels has a map whose quantiles over all pixels are zero.
 */
export function sizes(data: Float32Array | Uint8Array): Float32Array {
    const found = new Float32Array(data.length);
    let count = 0;
    for (let index = 0; index < data.length; index++) {
        const size = Math.abs(data[index]!);
        if (size > 0 && size < Infinity) found[count++] = size;
    }
    return found.subarray(0, count).sort();
}

/**
 * The darkest and the brightest of a map without signs, with the sizes of its numbers: from zero, but where the least is more than half of the
 * brightest, as in means of scores, from the least, since what varies is what tells.
 */
export function shownRange(data: Float32Array | Uint8Array, ofSizes: Float32Array, brightest: number): Range {
    const [high, { low }] = [quantile(ofSizes, brightest), extremes(data)];
    return { low: low > high / 2 && low < high ? low : 0, high };
}

/** Rows and columns: the first, and one behind the last. */
export interface Extent {
    readonly rows: readonly [number, number];
    readonly columns: readonly [number, number];
}

/** The rows and columns of a map in which something is not zero; none where all is. */
export function extent({ height, width, data }: NumberMap): Extent | undefined {
    let [top, bottom, left, right] = [height, 0, width, 0];
    for (let index = 0; index < data.length; index++) {
        if (data[index] === 0) continue;
        const [row, column] = [Math.floor(index / width), index % width];
        [top, bottom, left, right] = [Math.min(top, row), Math.max(bottom, row + 1), Math.min(left, column), Math.max(right, column + 1)];
    }
    return bottom > 0 ? { rows: [top, bottom], columns: [left, right] } : undefined;
}

/** Which share of the numbers in ascending order lies below a value. */
export function rank(ascending: Float32Array, value: number): number {
    let [low, high] = [0, ascending.length];
    while (low < high) {
        const middle = (low + high) >> 1;
        if (ascending[middle]! < value) low = middle + 1;
        else high = middle;
    }
    return ascending.length ? low / ascending.length : 0;
}

/** The bytes of a `.npy` file, format 1.0. */
export function npy({ shape, data }: NumberArray): Uint8Array<ArrayBuffer> {
    const type = data instanceof Uint8Array ? "|u1" : "<f4";
    const extents = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
    const dictionary = `{'descr': '${type}', 'fortran_order': False, 'shape': (${extents}), }`;
    // Magic, version, length and dictionary together fill a multiple of 64 bytes.
    const padded = dictionary.padEnd(Math.ceil((10 + dictionary.length + 1) / 64) * 64 - 11) + "\n";
    const file = new Uint8Array(10 + padded.length + data.byteLength);
    file.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, padded.length & 255, padded.length >> 8]);
    file.set(new TextEncoder().encode(padded), 10);
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 10 + padded.length);
    return file;
}

/** A number as a person reads it: four significant digits, a power of ten where it is very small or large. */
export function readable(value: number): string {
    if (!Number.isFinite(value)) return "no number";
    const size = Math.abs(value);
    if (value === 0 || (size >= 0.001 && size < 100_000)) return String(Number(value.toPrecision(4))).replace("-", "−");
    const [mantissa, exponent] = value.toExponential(2).split("e");
    const raised = String(Number(exponent)).replaceAll(/./g, (sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(sign)]!));
    return `${mantissa}·10${raised}`.replaceAll("-", "−");
}

export function percent(share: number): string {
    const value = share * 100;
    return `${value >= 10 || value === 0 ? value.toFixed(0) : value >= 0.1 ? value.toFixed(1) : "< 0.1"} %`;
}

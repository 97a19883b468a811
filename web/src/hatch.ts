// What the network did not see of a photograph is hatched: it is unseen, and not zero.

import type { Box } from "./api";

/** A grey and a lighter one, that are told apart on photographs and maps of any colour. */
const [GROUND, LINES] = ["rgb(96 98 102 / 62%)", "rgb(226 228 232 / 80%)"];

let tile: HTMLCanvasElement | undefined;

/** Diagonal lines that go on from tile to tile. */
function pattern(): HTMLCanvasElement {
    if (tile) return tile;
    const size = 10;
    tile = document.createElement("canvas");
    [tile.width, tile.height] = [size, size];
    const context = tile.getContext("2d");
    if (context) {
        context.fillStyle = GROUND;
        context.fillRect(0, 0, size, size);
        context.strokeStyle = LINES;
        context.lineWidth = 1.4;
        for (const offset of [-size, 0, size]) {
            context.moveTo(offset - 1, size + 1);
            context.lineTo(offset + size + 1, -1);
        }
        context.stroke();
    }
    return tile;
}

/** Whether parts of a photograph leave something of it out, a pixel at the edges aside. */
export function leavesOut(seen: readonly Box[], width: number, height: number): boolean {
    return !seen.some(([left, top, right, bottom]) => left <= 1 && top <= 1 && right >= width - 1 && bottom >= height - 1);
}

/** Hatches all but the parts that were seen, which are given in pixels of a photograph of `width` × `height`. */
export function paintHatch(canvas: HTMLCanvasElement, seen: readonly Box[], width: number, height: number, shown: readonly [number, number]): void {
    [canvas.width, canvas.height] = [Math.round(shown[0]), Math.round(shown[1])];
    const context = canvas.getContext("2d");
    if (!context) return;
    context.fillStyle = context.createPattern(pattern(), "repeat") ?? GROUND;
    context.fillRect(0, 0, canvas.width, canvas.height);
    const [across, down] = [canvas.width / width, canvas.height / height];
    for (const [left, top, right, bottom] of seen) context.clearRect(left * across, top * down, (right - left) * across, (bottom - top) * down);
}

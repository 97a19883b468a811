// Pictures of labels: which pixels are the object's, and which seeds a graph cut starts from.

import type { NumberMap } from "./arrays";

type Rgba = readonly [red: number, green: number, blue: number, opacity: number];

function paintLabels(canvas: HTMLCanvasElement, { width, height }: NumberMap, colourOf: (index: number) => Rgba): void {
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    if (!context) return;
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    for (let index = 0; index < pixels.length; index++) {
        const [red, green, blue, opacity] = colourOf(index);
        pixels[index] = (opacity << 24) | (blue << 16) | (green << 8) | red;
    }
    context.putImageData(image, 0, 0);
}

const CLEAR: Rgba = [0, 0, 0, 0];
const SHADE: Rgba = [10, 12, 14, 150];
const LINE: Rgba = [255, 255, 255, 255];

/** What is not the object is shaded, with a white line around the object. */
export function paintMask(canvas: HTMLCanvasElement, mask: NumberMap): void {
    const { width, height, data } = mask;
    const reach = Math.max(1, Math.round(Math.max(width, height) / 450));
    const isBorder = (index: number): boolean => {
        const [row, column] = [Math.floor(index / width), index % width];
        return (
            (column >= reach && !data[index - reach]) ||
            (column < width - reach && !data[index + reach]) ||
            (row >= reach && !data[index - reach * width]) ||
            (row < height - reach && !data[index + reach * width])
        );
    };
    paintLabels(canvas, mask, (index) => (!data[index] ? SHADE : isBorder(index) ? LINE : CLEAR));
}

/** The paper's Figure 3: seeds of the object blue, of the background cyan, and red what the cut decides. */
const MARKER_COLOURS: readonly Rgba[] = [
    [200, 30, 30, 150],
    [40, 210, 220, 170],
    [30, 50, 230, 200],
];

export function paintMarkers(canvas: HTMLCanvasElement, markers: NumberMap): void {
    paintLabels(canvas, markers, (index) => MARKER_COLOURS[markers.data[index]!] ?? CLEAR);
}

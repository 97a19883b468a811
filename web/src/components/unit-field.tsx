// The part of the photograph that a unit depends on, enlarged where it is small: three by three pixels of a picture of 227 are not
// seen else.

import { useLayoutEffect, useRef } from "preact/hooks";
import type { Box } from "../api";
import type { Extent, NumberArray } from "../arrays";
import { paintSigned } from "../colour-maps";
import type { ShownPhotograph } from "../hooks";

/** Whether a part is at most half as high and half as wide as the whole, as `deepinside compare` decides. */
export function isSmall({ rows, columns }: Extent, height: number, width: number): boolean {
    return 2 * (rows[1] - rows[0]) <= height && 2 * (columns[1] - columns[0]) <= width;
}

/** Where rows and columns of a map lie in the photograph, in its pixels. */
export function inPhotograph({ rows, columns }: Extent, height: number, width: number, [left, top, right, bottom]: Box): Box {
    const [x, y] = [(column: number) => left + (column / width) * (right - left), (row: number) => top + (row / height) * (bottom - top)];
    return [x(columns[0]), y(rows[0]), x(columns[1]), y(rows[1])];
}

/** The longer side of the enlarged parts, in pixels of the canvas. */
const LONGEST = 240;

interface EnlargedFieldProps {
    readonly photograph: ShownPhotograph;
    /** Height × width × 3 numbers around zero. */
    readonly picture: NumberArray;
    readonly reach: number;
    readonly field: Extent;
    /** Where the picture lies in the photograph. */
    readonly region: Box;
}

export function EnlargedField({ photograph, picture, reach, field, region }: EnlargedFieldProps) {
    const seen = useRef<HTMLCanvasElement>(null);
    const signed = useRef<HTMLCanvasElement>(null);
    const [height = 1, width = 1] = picture.shape;
    const { rows, columns } = field;
    const [down, across] = [rows[1] - rows[0], columns[1] - columns[0]];
    useLayoutEffect(() => {
        if (!seen.current || !signed.current) return;
        paintPart(seen.current, photograph, inPhotograph(field, height, width, region), LONGEST / Math.max(down, across), [across, down]);
        paintSigned(signed.current, down, across, part(picture, field), reach);
    }, [photograph, picture, reach, field]);
    const where = `rows ${rows[0]}–${rows[1] - 1}, columns ${columns[0]}–${columns[1] - 1}`;
    return (
        <div class="unit-pair unit-field">
            <figure>
                <canvas ref={seen} class="enlarged-part" role="img" aria-label={`The part of the photograph that the unit sees, enlarged: ${where}`} />
                <figcaption>
                    What it sees, enlarged <small>{where}</small>
                </figcaption>
            </figure>
            <figure>
                <canvas ref={signed} class="enlarged-part" role="img" aria-label={`The picture of the unit there, enlarged: ${where}`} />
                <figcaption>
                    In colour, enlarged <small>{`${down} × ${across} pixels of ${height} × ${width}`}</small>
                </figcaption>
            </figure>
        </div>
    );
}

/** The numbers of some rows and columns of height × width × 3. */
function part({ shape, data }: NumberArray, { rows, columns }: Extent): Float32Array {
    const width = shape[1] ?? 1;
    const line = 3 * (columns[1] - columns[0]);
    const numbers = new Float32Array(line * (rows[1] - rows[0]));
    for (let row = rows[0]; row < rows[1]; row++) {
        const from = 3 * (row * width + columns[0]);
        numbers.set(data.subarray(from, from + line), (row - rows[0]) * line);
    }
    return numbers;
}

function paintPart(canvas: HTMLCanvasElement, photograph: ShownPhotograph, [left, top, right, bottom]: Box, scale: number, [across, down]: readonly [number, number]): void {
    canvas.width = Math.round(across * scale);
    canvas.height = Math.round(down * scale);
    // The preview is smaller than a large photograph.
    const shrunk = photograph.image.naturalWidth / photograph.width;
    const context = canvas.getContext("2d");
    context?.drawImage(photograph.image, left * shrunk, top * shrunk, (right - left) * shrunk, (bottom - top) * shrunk, 0, 0, canvas.width, canvas.height);
}

// A line over the steps of an ascent.

import { readable } from "../arrays";

export interface Point {
    readonly x: number;
    readonly y: number;
}

interface CurveProps {
    readonly label: string;
    readonly points: readonly Point[];
    readonly length: number;
    /** The step that is shown. */
    readonly marked?: number | undefined;
    /** Steps at which something was changed. */
    readonly turns?: readonly number[];
    readonly onPick?: (x: number) => void;
}

const [WIDTH, HEIGHT] = [600, 120];

export function Curve({ label, points, length, marked, turns = [], onPick }: CurveProps) {
    let [low, high] = [Infinity, -Infinity];
    for (const { y } of points) {
        low = Math.min(low, y);
        high = Math.max(high, y);
    }
    if (!(high > low)) [low, high] = [Number.isFinite(low) ? low - 1 : 0, Number.isFinite(high) ? high + 1 : 1];
    const across = (x: number) => (x / Math.max(length, 1)) * WIDTH;
    const down = (y: number) => HEIGHT - 6 - ((y - low) / (high - low)) * (HEIGHT - 12);
    const path = points.map(({ x, y }, index) => `${index ? "L" : "M"}${across(x).toFixed(1)} ${down(y).toFixed(1)}`).join("");
    const last = points.at(-1);
    const at = marked === undefined ? undefined : points.find(({ x }) => x >= marked);
    return (
        <figure class="curve">
            <figcaption>
                <span>{label}</span>
                <strong>{last ? readable((at ?? last).y) : "–"}</strong>
            </figcaption>
            <svg
                viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
                preserveAspectRatio="none"
                role="img"
                aria-label={last ? `${label}: from ${readable(points[0]!.y)} to ${readable(last.y)} after ${last.x} steps` : `${label}: nothing yet`}
                onPointerDown={(event) => {
                    const frame = event.currentTarget.getBoundingClientRect();
                    onPick?.(((event.clientX - frame.left) / frame.width) * length);
                }}
            >
                {low < 0 && high > 0 && <line class="curve-zero" x1="0" x2={WIDTH} y1={down(0)} y2={down(0)} />}
                {turns.map((turn, index) => (
                    <line key={index} class="curve-turn" x1={across(turn)} x2={across(turn)} y1="0" y2={HEIGHT} />
                ))}
                <path class="curve-line" d={path} />
                {at && <line class="curve-mark" x1={across(at.x)} x2={across(at.x)} y1="0" y2={HEIGHT} />}
            </svg>
        </figure>
    );
}

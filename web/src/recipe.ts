// The numbers of an ascent that sliders change, and how far each goes.

export interface Knob {
    readonly name: string;
    readonly label: string;
    readonly kind: "even" | "powers";
    /** For even steps the ends; for powers of ten the exponents, with zero at the left end where it is allowed. */
    readonly minimum: number;
    readonly maximum: number;
    readonly step: number;
    readonly hasZero?: boolean;
    readonly isPixelsOnly?: boolean;
    readonly unit?: string;
}

export const KNOBS: readonly Knob[] = [
    { name: "learning_rate", label: "Learning rate", kind: "powers", minimum: -3, maximum: 5, step: 0.05 },
    { name: "l2", label: "λ of the penalty λ‖I‖²", kind: "powers", minimum: -8, maximum: 0, step: 0.05, hasZero: true },
    { name: "total_variation", label: "Total variation", kind: "powers", minimum: -8, maximum: 1, step: 0.05, hasZero: true },
    { name: "jitter", label: "Jitter", kind: "even", minimum: 0, maximum: 32, step: 1, unit: "px" },
];

export const MORE_KNOBS: readonly Knob[] = [
    { name: "rotation", label: "Rotation", kind: "even", minimum: 0, maximum: 45, step: 1, unit: "°" },
    { name: "noise", label: "Noise in every view", kind: "even", minimum: 0, maximum: 60, step: 1, unit: "grey levels" },
    { name: "contrast", label: "Contrast with other classes", kind: "even", minimum: 0, maximum: 2, step: 0.05 },
    { name: "blur", label: "Blur", kind: "even", minimum: 0, maximum: 4, step: 0.1, unit: "px", isPixelsOnly: true },
    { name: "decay", label: "Decay", kind: "even", minimum: 0, maximum: 0.1, step: 0.002, isPixelsOnly: true },
];

/** Where the slider of a knob stands for a value. */
export function position(knob: Knob, value: number): number {
    if (knob.kind === "even") return value;
    if (value <= 0) return knob.minimum;
    return Math.min(Math.max(Math.log10(value), knob.minimum + (knob.hasZero ? knob.step : 0)), knob.maximum);
}

/** The value that a place of the slider stands for. */
export function valueAt(knob: Knob, place: number): number {
    if (knob.kind === "even") return Number(place.toFixed(6));
    if (knob.hasZero && place <= knob.minimum + knob.step / 2) return 0;
    return Number((10 ** place).toPrecision(3));
}

/** Changed numbers as they stand in the address: `learning_rate:0.1,jitter:4`. */
export function parseChanges(text: string): Record<string, number> {
    return Object.fromEntries(
        text
            .split(",")
            .map((part) => part.split(":", 2))
            .filter((pair): pair is [string, string] => pair.length === 2 && pair[0] !== "" && pair[1] !== "" && Number.isFinite(Number(pair[1])))
            .map(([name, value]) => [name, Number(value)]),
    );
}

export function formatChanges(changes: Readonly<Record<string, number>>): string {
    return Object.entries(changes)
        .map(([name, value]) => `${name}:${value}`)
        .join(",");
}

/** The paper's recipe ties its step to λ, without which a larger λ would throw the picture about: a step of 0.015 / λ. */
export function tied(recipe: string, changes: Readonly<Record<string, number>>): Record<string, number> {
    const { l2 } = changes;
    if (recipe !== "paper" || !l2 || "learning_rate" in changes) return { ...changes };
    return { ...changes, learning_rate: Number((0.015 / l2).toPrecision(6)) };
}

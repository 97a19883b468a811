// The controls of a method, made from what the server's table says of its parameters: this page knows no method by name.

import { useId } from "preact/hooks";
import type { MethodParameter } from "../api-types";
import { Select, Slider, Toggle } from "./controls";

/** Parameters by name, as they are written on a command line; what is left out has its default. */
export type Chosen = Readonly<Record<string, string>>;

/** `steps=20;quadrature=trapezoid`, as it stands in the address. */
export function readChosen(text: string): Chosen {
    const pairs = text.split(";").map((pair) => pair.split("=", 2));
    return Object.fromEntries(pairs.filter(([name, value]) => name && value !== undefined)) as Chosen;
}

export function writeChosen(chosen: Chosen): string {
    return Object.entries(chosen).map(([name, value]) => `${name}=${value}`).join(";");
}

interface MethodControlsProps {
    readonly parameters: readonly MethodParameter[];
    readonly chosen: Chosen;
    readonly onChange: (chosen: Chosen) => void;
}

export function MethodControls({ parameters, chosen, onChange }: MethodControlsProps) {
    const set = (parameter: MethodParameter, value: string) => {
        const { [parameter.name]: _, ...others } = chosen;
        onChange(value === "" || value === parameter.default ? others : { ...others, [parameter.name]: value });
    };
    // Arrays are given to the command line and in Python.
    const shown = parameters.filter(({ kind }) => kind !== "array" && kind !== "arrays");
    return (
        <>
            {shown.map((parameter) => (
                <Control key={parameter.name} parameter={parameter} value={chosen[parameter.name] ?? parameter.default ?? ""} onChange={(value) => set(parameter, value)} />
            ))}
        </>
    );
}

interface ControlProps {
    readonly parameter: MethodParameter;
    readonly value: string;
    readonly onChange: (value: string) => void;
}

function Control({ parameter, value, onChange }: ControlProps) {
    const { name, help, kind, words, least, most, unit } = parameter;
    const label = name.replaceAll("-", " ");
    if (kind === "flag") return <Toggle label={`${label}: ${help}`} isOn={value === "true"} onChange={(isOn) => onChange(String(isOn))} />;
    if (kind === "choice") return <Select label={label} value={value} options={words.map((word) => [word, word] as const)} hint={help} onChange={onChange} />;
    const isShare = kind === "number" && least === 0 && most === 1;
    if (isShare && value !== "") return <Slider label={label} value={Number(value)} minimum={0} maximum={1} hint={help} onChange={(share) => onChange(String(share))} />;
    const isNumber = kind === "number" || kind === "whole";
    const hint = `${help}${unit ? ` (${unit})` : ""}${words.length ? `: ${words.join(", ")}, or a number` : ""}`;
    return <TextControl label={label} value={value} hint={hint} {...(isNumber ? { least, most, isWhole: kind === "whole" } : {})} onChange={onChange} />;
}

interface TextControlProps {
    readonly label: string;
    readonly value: string;
    readonly hint: string;
    readonly placeholder?: string;
    /** Where it is a number: its bounds, and whether it is a whole one. */
    readonly least?: number | null;
    readonly most?: number | null;
    readonly isWhole?: boolean;
    readonly onChange: (value: string) => void;
}

/** A line of text, or a number, that counts once it is finished. */
export function TextControl({ label, value, hint, placeholder, least, most, isWhole, onChange }: TextControlProps) {
    const id = useId();
    const isNumber = isWhole !== undefined;
    const shared = {
        id,
        value,
        "aria-describedby": `${id}-hint`,
        onChange: (event: { readonly currentTarget: HTMLInputElement }) => void (event.currentTarget.reportValidity() && onChange(event.currentTarget.value.trim())),
    };
    return (
        <div class="control">
            <label class="control-label" for={id}>
                <span>{label}</span>
            </label>
            {isNumber ? (
                <input type="number" {...shared} min={least ?? undefined} max={most ?? undefined} step={isWhole ? 1 : "any"} />
            ) : (
                <input type="text" {...shared} placeholder={placeholder} spellcheck={false} autocomplete="off" />
            )}
            <p class="hint" id={`${id}-hint`}>
                {hint}
            </p>
        </div>
    );
}

// Labelled controls. Native elements throughout: they bring the keyboard, touch and screen readers with them.

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface GroupProps {
    readonly title: string;
    readonly children: ComponentChildren;
    readonly isOpen?: boolean;
}

/** Controls under a title, which may be folded away. */
export function Group({ title, children, isOpen = true }: GroupProps) {
    return (
        <details class="group" open={isOpen}>
            <summary>
                <h2>{title}</h2>
            </summary>
            <div class="group-body">{children}</div>
        </details>
    );
}

interface SliderProps {
    readonly label: string;
    readonly value: number;
    readonly minimum: number;
    readonly maximum: number;
    readonly step?: number;
    /** How the value is written beside the label. */
    readonly show?: (value: number) => string;
    readonly hint?: string;
    readonly isDisabled?: boolean;
    readonly onChange: (value: number) => void;
}

export function Slider({ label, value, minimum, maximum, step = 0.01, show = String, hint, isDisabled = false, onChange }: SliderProps) {
    const id = useId();
    const share = maximum > minimum ? (Math.min(Math.max(value, minimum), maximum) - minimum) / (maximum - minimum) : 0;
    return (
        <div class="control">
            <label class="control-label" for={id}>
                <span>{label}</span>
                <output for={id}>{show(value)}</output>
            </label>
            <input
                id={id}
                type="range"
                min={minimum}
                max={maximum}
                step={step}
                value={value}
                disabled={isDisabled}
                aria-valuetext={show(value)}
                aria-describedby={hint ? `${id}-hint` : undefined}
                style={{ "--share": `${share * 100}%` }}
                onInput={(event) => onChange(event.currentTarget.valueAsNumber)}
            />
            {hint && (
                <p class="hint" id={`${id}-hint`}>
                    {hint}
                </p>
            )}
        </div>
    );
}

export type Option = readonly [value: string, label: string];

interface SelectProps {
    readonly label: string;
    readonly value: string;
    readonly options: readonly Option[];
    readonly hint?: string | undefined;
    readonly isDisabled?: boolean;
    readonly onChange: (value: string) => void;
}

export function Select({ label, value, options, hint, isDisabled = false, onChange }: SelectProps) {
    const id = useId();
    return (
        <div class="control">
            <label class="control-label" for={id}>
                <span>{label}</span>
            </label>
            <select id={id} disabled={isDisabled} aria-describedby={hint ? `${id}-hint` : undefined} onChange={(event) => onChange(event.currentTarget.value)}>
                {options.map(([name, text]) => (
                    <option key={name} value={name} selected={name === value}>
                        {text}
                    </option>
                ))}
            </select>
            {hint && (
                <p class="hint" id={`${id}-hint`}>
                    {hint}
                </p>
            )}
        </div>
    );
}

/** A choice among few, all of them in sight. */
export function Segments({ label, value, options, onChange }: Omit<SelectProps, "hint" | "isDisabled">) {
    const id = useId();
    return (
        <fieldset class="control segments">
            <legend class="control-label">{label}</legend>
            <div class="segments-row">
                {options.map(([name, text]) => (
                    <label key={name} class="segment">
                        <input type="radio" name={id} value={name} checked={name === value} onChange={() => onChange(name)} />
                        <span>{text}</span>
                    </label>
                ))}
            </div>
        </fieldset>
    );
}

interface ToggleProps {
    readonly label: string;
    readonly isOn: boolean;
    readonly isDisabled?: boolean;
    readonly onChange: (isOn: boolean) => void;
}

export function Toggle({ label, isOn, isDisabled = false, onChange }: ToggleProps) {
    return (
        <label class="toggle">
            <input type="checkbox" role="switch" checked={isOn} disabled={isDisabled} onChange={(event) => onChange(event.currentTarget.checked)} />
            <span class="toggle-track" aria-hidden="true" />
            <span>{label}</span>
        </label>
    );
}

/** Says that something is computed, without moving what is on the page. */
export function Busy({ isBusy, label }: { readonly isBusy: boolean; readonly label: string }) {
    return (
        <div class={`busy ${isBusy ? "busy-on" : ""}`} role="status">
            {isBusy ? <span class="visually-hidden">{label}</span> : null}
        </div>
    );
}

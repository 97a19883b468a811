// A field that searches the network's classes (the combobox pattern of the ARIA Authoring Practices), and the chosen ones as chips.

import { useEffect, useId, useRef, useState } from "preact/hooks";
import { api } from "../api";
import type { ClassInfo, ClassScore } from "../api-types";
import { percent } from "../arrays";
import { useJob } from "../hooks";
import { sentence } from "./error-note";
import { useFloating } from "./floating";

const names = new Map<string, ClassInfo>();

/** The names of classes by index, which are looked up where the page has not met them. */
export function useClassNames(model: string | undefined, indices: readonly number[]): (index: number) => string {
    const missing = indices.filter((index) => !names.has(`${model}:${index}`));
    const key = model && missing.length > 0 ? `${model}:${missing.join(",")}` : undefined;
    const [, update] = useState(0);
    useEffect(() => {
        if (!key || !model) return;
        void Promise.all(
            missing.map(async (index) => {
                const found = (await api.classes(model, String(index), 20)).find((entry) => entry.index === index);
                if (found) names.set(`${model}:${index}`, found);
            }),
            // A name that cannot be had is shown as its number.
        ).then(() => update((count) => count + 1), () => undefined);
    }, [key]);
    return (index) => names.get(`${model}:${index}`)?.name ?? `class ${index}`;
}

export function remember(model: string | undefined, classes: readonly ClassInfo[]): void {
    for (const entry of classes) names.set(`${model}:${entry.index}`, entry);
}

interface SearchProps {
    readonly model: string | undefined;
    readonly label: string;
    readonly onPick: (picked: ClassInfo) => void;
}

export function ClassSearch({ model, label, onPick }: SearchProps) {
    const id = useId();
    const [query, setQuery] = useState("");
    const [isOpen, setOpen] = useState(false);
    const [active, setActive] = useState(0);
    // Enter was pressed before the classes for what is typed were there: the best of them is taken when they are.
    const [isAwaited, setAwaited] = useState(false);
    const key = isOpen && model ? `${model} ${query}` : undefined;
    const found = useJob(key, (signal) => api.classes(model ?? "", query, 50, signal), 80);
    // While letters are typed, those of fewer letters stay in sight, but Enter does not mean them.
    const isFresh = key !== undefined && found.resultKey === key;
    const entries = found.result ?? [];
    useEffect(() => setActive(0), [found.resultKey]);
    useEffect(() => {
        if (!isAwaited || !isFresh) return;
        setAwaited(false);
        if (entries.length) pick(entries[0]);
        else setOpen(document.activeElement?.id === id);
    }, [isAwaited, isFresh]);
    const field = useRef<HTMLInputElement>(null);
    const list = useRef<HTMLUListElement>(null);
    useFloating(field, list, isOpen);
    useEffect(() => {
        if (isOpen) document.getElementById(`${id}-${active}`)?.scrollIntoView({ block: "nearest" });
    }, [active, isOpen]);
    const close = () => {
        setOpen(false);
        setAwaited(false);
    };
    const pick = (entry: ClassInfo | undefined) => {
        if (!entry) return;
        remember(model, [entry]);
        onPick(entry);
        setQuery("");
        close();
    };
    const onKeyDown = (event: KeyboardEvent) => {
        if (event.key === "ArrowDown" || event.key === "ArrowUp") {
            event.preventDefault();
            setOpen(true);
            const step = event.key === "ArrowDown" ? 1 : -1;
            if (entries.length) setActive((isOpen ? active + step + entries.length : 0) % entries.length);
        } else if (event.key === "Enter" && isOpen) {
            event.preventDefault();
            if (isFresh) pick(entries[active]);
            else setAwaited(true);
        } else if (event.key === "Escape") {
            close();
        }
    };
    return (
        <div class="control class-search">
            <label class="control-label" for={id}>
                <span>{label}</span>
            </label>
            <input
                ref={field}
                id={id}
                type="text"
                role="combobox"
                autocomplete="off"
                spellcheck={false}
                placeholder="name, synset or number"
                aria-expanded={isOpen}
                aria-controls={`${id}-list`}
                aria-autocomplete="list"
                aria-activedescendant={isOpen && entries.length ? `${id}-${active}` : undefined}
                value={query}
                onInput={(event) => {
                    setQuery(event.currentTarget.value);
                    setAwaited(false);
                    setOpen(true);
                }}
                onClick={() => setOpen(true)}
                onBlur={() => !isAwaited && setOpen(false)}
                onKeyDown={onKeyDown}
            />
            <ul ref={list} id={`${id}-list`} class="class-list" popover="manual" role="listbox" aria-label="Classes found">
                {entries.map((entry, index) => (
                    <li
                        key={entry.index}
                        id={`${id}-${index}`}
                        role="option"
                        aria-selected={index === active}
                        onPointerDown={(event) => {
                            // Before the field loses its focus.
                            event.preventDefault();
                            pick(entry);
                        }}
                    >
                        <span>{entry.name}</span>
                        <small>
                            {entry.index}
                            {entry.synset ? ` · ${entry.synset}` : ""}
                        </small>
                    </li>
                ))}
                {(found.error !== undefined || (isFresh && entries.length === 0)) && (
                    <li role="option" aria-selected="false" aria-disabled="true">
                        {found.error === undefined ? "No class is called so." : sentence(found.error)}
                    </li>
                )}
            </ul>
        </div>
    );
}

interface PickerProps {
    readonly model: string | undefined;
    readonly label?: string;
    readonly selected: readonly number[];
    /** The network's own best classes, offered beside the chosen ones. */
    readonly top?: readonly ClassScore[];
    readonly isSingle?: boolean;
    readonly most?: number;
    /** `picked` is the class that was searched for, or whose chip was pressed. */
    readonly onChange: (selected: readonly number[], picked: number) => void;
}

export function ClassPicker({ model, label = "Classes", selected, top = [], isSingle = false, most = 8, onChange }: PickerProps) {
    remember(model, top);
    const nameOf = useClassNames(model, selected);
    const offered = [...top.map((entry) => entry.index), ...selected.filter((index) => !top.some((entry) => entry.index === index))];
    const choose = (index: number) => {
        if (isSingle) onChange([index], index);
        else if (selected.includes(index)) onChange(selected.filter((other) => other !== index), index);
        else onChange([...selected, index].slice(-most), index);
    };
    // A class that is searched for is wanted: one that is chosen already, perhaps only because it is the best, stays chosen.
    const add = (index: number) => (selected.includes(index) && !isSingle ? onChange(selected, index) : choose(index));
    return (
        <div class="class-picker">
            <div class="chips" role="group" aria-label={label}>
                {offered.map((index) => {
                    const probability = top.find((entry) => entry.index === index)?.probability;
                    return (
                        <button key={index} type="button" class="chip" aria-pressed={selected.includes(index)} onClick={() => choose(index)}>
                            {nameOf(index)}
                            {probability !== undefined && <small>{percent(probability)}</small>}
                        </button>
                    );
                })}
            </div>
            <ClassSearch model={model} label={isSingle ? "Another class" : "Add a class"} onPick={({ index }) => add(index)} />
        </div>
    );
}

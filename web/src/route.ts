// What the page shows is written in the address (`#/saliency?photograph=example-cat&classes=281`), so that every view has a link
// that restores it. The address is the only store of a view's settings.

import { useEffect, useMemo, useState } from "preact/hooks";

export const VIEWS = ["photograph", "saliency", "methods", "localise", "class-model", "layers", "compare", "confusions"] as const;
export type View = (typeof VIEWS)[number];
export type Parameters = Readonly<Record<string, string>>;

export interface Route {
    readonly view: View;
    readonly parameters: Parameters;
}

/** Settings that go along from view to view. */
const SHARED = new Set(["model", "photograph", "classes"]);

/** The default of a setting: its type says how the text in the address is read. */
type Default = string | number | boolean | readonly number[];
type Widened<D> = D extends string ? string : D extends number ? number : D extends boolean ? boolean : readonly number[];
type Values<D extends Record<string, Default>> = { readonly [K in keyof D]: Widened<D[K]> };

const listeners = new Set<() => void>();
const remembered = new Map<View, Parameters>();
let route = parse(location.hash);
let writing: ReturnType<typeof setTimeout> | undefined;

export function parse(hash: string): Route {
    const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
    const view = VIEWS.find((name) => name === path) ?? "photograph";
    return { view, parameters: Object.fromEntries(new URLSearchParams(query)) };
}

export function format({ view, parameters }: Route): string {
    // Commas and slashes may stand in a fragment as they are, which keeps links readable.
    const query = new URLSearchParams(parameters).toString().replaceAll("%2C", ",").replaceAll("%2F", "/").replaceAll("%3A", ":");
    return `#/${view}${query ? `?${query}` : ""}`;
}

/** The address of a view with the shared settings of the present one, and its own as they were when it was last left. */
export function address(view: View, changes: Parameters = {}): string {
    const shared = Object.fromEntries(Object.entries(route.parameters).filter(([name]) => SHARED.has(name)));
    const own = Object.fromEntries(Object.entries(remembered.get(view) ?? {}).filter(([name]) => !SHARED.has(name)));
    return format({ view, parameters: { ...own, ...shared, ...changes } });
}

/** Goes to a view as a new entry of the history. */
export function go(view: View, changes: Parameters = {}): void {
    location.hash = address(view, changes);
}

/** The link to what is shown now. */
export function link(): string {
    return location.href.replace(/\?[^#]*/, "").replace(/#.*$/, "") + format(route);
}

/** Changes settings of the present view; an empty text removes one. */
export function change(changes: Parameters): void {
    const parameters: Record<string, string> = { ...route.parameters, ...changes };
    for (const [name, value] of Object.entries(changes)) if (value === "") delete parameters[name];
    take({ view: route.view, parameters });
    // Browsers limit how often the address may be written, and a slider moves more often.
    clearTimeout(writing);
    writing = setTimeout(() => history.replaceState(null, "", format(route)), 200);
}

function take(next: Route): void {
    route = next;
    remembered.set(next.view, next.parameters);
    for (const listener of [...listeners]) listener();
}

addEventListener("hashchange", () => {
    clearTimeout(writing);
    take(parse(location.hash));
});
remembered.set(route.view, route.parameters);

export function useRoute(): Route {
    const [seen, setSeen] = useState(route);
    useEffect(() => {
        const listener = () => setSeen(route);
        listeners.add(listener);
        listener();
        return () => void listeners.delete(listener);
    }, []);
    return seen;
}

function read(text: string | undefined, fallback: Default): Default {
    if (text === undefined) return fallback;
    if (typeof fallback === "string") return text;
    if (typeof fallback === "boolean") return text === "1";
    if (typeof fallback === "number") {
        const number = Number(text);
        return text.trim() !== "" && Number.isFinite(number) ? number : fallback;
    }
    return text.split(",").filter((part) => part !== "").map(Number).filter((number) => Number.isInteger(number) && number >= 0);
}

function write(value: Default, fallback: Default): string {
    if (typeof value === "boolean") return value === fallback ? "" : value ? "1" : "0";
    const text = typeof value === "object" ? value.join(",") : String(value);
    return text === String(fallback) ? "" : text;
}

/** The present view's settings with their types, and a function that changes some. Defaults are left out of the address. */
export function useSettings<D extends Record<string, Default>>(defaults: D): [Values<D>, (changes: Partial<Values<D>>) => void] {
    const { parameters } = useRoute();
    const values = useMemo(
        () => Object.fromEntries(Object.entries(defaults).map(([name, value]) => [name, read(parameters[name], value)])) as unknown as Values<D>,
        [parameters],
    );
    const set = (changes: Partial<Values<D>>) =>
        change(
            Object.fromEntries(
                Object.entries(changes)
                    .filter(([, value]) => value !== undefined)
                    .map(([name, value]) => [name, write(value as Default, defaults[name] ?? "")]),
            ),
        );
    return [values, set];
}

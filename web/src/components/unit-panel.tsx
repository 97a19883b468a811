// One channel of one value: where it is active, what in the photograph it depends on, its filter, and the picture it likes best.

import { useEffect, useMemo, useReducer, useRef } from "preact/hooks";
import { api, word, type Box } from "../api";
import { decode, decodeMap, extent, extremes, plane, quantile, readable, sizes, type NumberArray } from "../arrays";
import { Ascent } from "../ascent";
import { paint as paintMap, paintSigned } from "../colour-maps";
import { useIsThere } from "../connection";
import { useJob, type ShownPhotograph } from "../hooks";
import { RULES } from "../methods";
import { address } from "../route";
import { Busy, Segments } from "./controls";
import { ErrorNote } from "./error-note";
import { Exemplars } from "./exemplars";
import { symmetric } from "./map-canvas";
import { Notes } from "./notes";
import { Stage } from "./stage";
import { JobWorking } from "./working";
import { EnlargedField, inPhotograph, isSmall } from "./unit-field";
import { withPhotograph } from "../uploads";

interface UnitPanelProps {
    readonly modelId: string | undefined;
    /** The model's id, also where the server's default is used. */
    readonly model: string;
    readonly photograph: ShownPhotograph;
    readonly value: string;
    readonly channel: number;
    readonly rule: string;
    /** Row and column of the unit in the channel; where none is named, the strongest. */
    readonly position: readonly [number, number] | undefined;
    readonly onPosition: (position: readonly [number, number] | undefined) => void;
    readonly activations: NumberArray;
    readonly gradients: NumberArray;
    readonly hasFilters: boolean;
    /** Whether exemplars of this value's units are known. */
    readonly hasExemplars: boolean;
    /** Whether the reader chose the channel here, and did not come with a link to it. */
    readonly isChosenHere: boolean;
    readonly onRule: (rule: string) => void;
    readonly onCommand: (command: string) => void;
}

export function UnitPanel(props: UnitPanelProps) {
    const { modelId, model, photograph, value, channel, rule, position, activations, gradients, hasFilters, onRule, onPosition, onCommand } = props;
    const section = useRef<HTMLElement>(null);
    // Where the panel stands below the channels, a chosen one comes into sight; not when the view begins with it.
    const isFirst = useRef(true);
    useEffect(() => {
        if (props.isChosenHere && matchMedia("(max-width: 900px)").matches) section.current?.scrollIntoView({ block: "start", behavior: isFirst.current ? "auto" : "smooth" });
        isFirst.current = false;
    }, [channel]);
    const unit = useJob(JSON.stringify([modelId, photograph.id, value, channel, rule, position]), (signal) =>
        withPhotograph(photograph.id, () =>
            api.unit({ model: modelId, photograph: photograph.id, value, channel, rule: word(rule), ...(position ? { position } : {}) }, signal),
        ),
    );
    const result = unit.result;
    useEffect(() => {
        if (result) onCommand(result.command);
    }, [result]);
    const seen = useMemo(() => {
        if (!result) return undefined;
        const picture = decode(result.picture);
        const map = decodeMap(result.map);
        const field = extent(map);
        const small = field && isSmall(field, map.height, map.width) ? field : undefined;
        return { picture, map, field: small, reach: quantile(sizes(picture.data), 0.99), bright: quantile(sizes(map.data), 0.99) };
    }, [result]);
    const active = plane(activations, channel);
    const gradient = plane(gradients, channel);
    const [rows, columns] = [active.height, active.width];
    const place = result?.position ?? [];
    return (
        <section ref={section} class="unit" aria-label={`Channel ${channel} of ${value}`}>
            <h2 class="unit-title">
                <code>{value}</code> channel {channel}
            </h2>
            <div class="unit-pictures">
                <Enlarged title="Activation" note={`${readable(extremes(active.data).low)} to ${readable(extremes(active.data).high)}${rows * columns > 1 ? "; click a place to look at it" : ""}`} numbers={active} place={place} onPlace={rows * columns > 1 ? onPosition : undefined} isSigned={false} />
                <Enlarged title="Gradient of the class score" note={`up to ±${readable(symmetric(gradient).high)}`} numbers={gradient} place={place} isSigned />
                {hasFilters && <Filter model={model} value={value} channel={channel} />}
            </div>
            <Segments label="What the unit depends on" value={rule} options={RULES.map(([name, label]) => [name, label.replace(" backpropagation", "")] as const)} onChange={onRule} />
            <Busy isBusy={unit.isRunning} label="Computing the unit's gradient" />
            <JobWorking job={unit} label="Computing the gradient" />
            <ErrorNote error={unit.error} retry={unit.retry} />
            {seen && result && (
                <>
                    <Notes notes={result.notes} />
                    <div class="unit-pair">
                        <figure>
                            <Stage photograph={photograph} label={`Where unit ${channel} of ${value} looks`} paint={(canvas) => paintMap(canvas, seen.map, { colours: "inferno", range: { low: 0, high: seen.bright }, fades: true })} paintedFrom={[seen]} region={result.region} seen={[result.region]} brightness={0.55} isBusy={unit.isRunning} shapes={seen.field && <Frame photograph={photograph} box={inPhotograph(seen.field, seen.map.height, seen.map.width, result.region)} />} />
                            <figcaption>In the photograph</figcaption>
                        </figure>
                        <figure>
                            <SignedPicture numbers={seen.picture} reach={seen.reach} label={`The ${rule} picture of the unit, grey where it is zero`} />
                            <figcaption>In colour, grey where zero</figcaption>
                        </figure>
                    </div>
                    {seen.field && <EnlargedField photograph={photograph} picture={seen.picture} reach={seen.reach} field={seen.field} region={result.region} />}
                    {seen.bright === 0 && <p class="hint">By this rule the unit's gradient with respect to the photograph is zero everywhere.</p>}
                    <p class="hint">
                        Activation {readable(result.activation)}
                        {place.length === 2 ? ` at row ${place[0]}, column ${place[1]}` : ""}
                        {position ? "" : ", its strongest place"}.
                        {position && (
                            <button type="button" class="button button-small" onClick={() => onPosition(undefined)}>
                                Its strongest place
                            </button>
                        )}
                    </p>
                </>
            )}
            {props.hasExemplars && <Exemplars modelId={modelId} value={value} channel={channel} rule={rule} />}
            <OwnModel modelId={modelId} value={value} channel={channel} />
        </section>
    );
}

/** A frame around a part of the photograph, a little apart from it, so that a few pixels are found. */
function Frame({ photograph, box: [left, top, right, bottom] }: { readonly photograph: ShownPhotograph; readonly box: Box }) {
    const apart = Math.max(photograph.width, photograph.height) / 60;
    const sides = { x: left - apart, y: top - apart, width: right - left + 2 * apart, height: bottom - top + 2 * apart, fill: "none" };
    return (
        <>
            <rect {...sides} stroke="#000" stroke-opacity="0.6" stroke-width={apart / 1.2} />
            <rect {...sides} stroke="#fff" stroke-width={apart / 2.4} />
        </>
    );
}

interface EnlargedProps {
    readonly title: string;
    readonly note: string;
    readonly numbers: { readonly height: number; readonly width: number; readonly data: Float32Array | Uint8Array };
    readonly place: readonly number[];
    readonly isSigned: boolean;
    readonly onPlace?: ((place: readonly [number, number]) => void) | undefined;
}

function Enlarged({ title, note, numbers, place, isSigned, onPlace }: EnlargedProps) {
    const canvas = useRef<HTMLCanvasElement>(null);
    const { height, width } = numbers;
    useEffect(() => {
        if (canvas.current) paintMap(canvas.current, numbers, isSigned ? { colours: "blue-white-red", range: symmetric(numbers) } : { colours: "viridis", range: extremes(numbers.data) });
    }, [numbers.data, isSigned]);
    const [row, column] = [place[0] ?? 0, place[1] ?? 0];
    const move = (event: KeyboardEvent) => {
        const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
        if (!step || !onPlace) return;
        event.preventDefault();
        onPlace([Math.min(Math.max(row + step[0]!, 0), height - 1), Math.min(Math.max(column + step[1]!, 0), width - 1)]);
    };
    return (
        <figure class="enlarged">
            <div
                class="enlarged-frame"
                style={{ "--ratio": width / height }}
                {...(onPlace ? { tabIndex: 0, role: "application", "aria-roledescription": "map", "aria-label": `${title}. The arrow keys choose the place that is looked at.` } : { role: "img", "aria-label": title })}
                onKeyDown={move}
                onClick={(event) => {
                    const frame = event.currentTarget.getBoundingClientRect();
                    onPlace?.([Math.min(Math.floor(((event.clientY - frame.top) / frame.height) * height), height - 1), Math.min(Math.floor(((event.clientX - frame.left) / frame.width) * width), width - 1)]);
                }}
            >
                <canvas ref={canvas} aria-hidden="true" />
                {place.length === 2 && height * width > 1 && (
                    <div class="enlarged-place" style={{ left: `${(column / width) * 100}%`, top: `${(row / height) * 100}%`, width: `${100 / width}%`, height: `${100 / height}%` }} aria-hidden="true" />
                )}
            </div>
            <figcaption>
                {title} <small>{note}</small>
            </figcaption>
        </figure>
    );
}

function SignedPicture({ numbers, reach, label }: { readonly numbers: NumberArray; readonly reach: number; readonly label: string }) {
    const canvas = useRef<HTMLCanvasElement>(null);
    useEffect(() => {
        const [height = 1, width = 1] = numbers.shape;
        if (canvas.current) paintSigned(canvas.current, height, width, numbers.data, reach);
    }, [numbers, reach]);
    return <canvas ref={canvas} class="signed-picture" role="img" aria-label={label} />;
}

/** The weights of a filter that reads the photograph itself, as a colour picture. */
function Filter({ model, value, channel }: { readonly model: string; readonly value: string; readonly channel: number }) {
    const filters = useJob(JSON.stringify([model, value]), (signal) => api.filters(model, value, signal));
    const canvas = useRef<HTMLCanvasElement>(null);
    useEffect(() => {
        if (!filters.result || !canvas.current) return;
        const { shape, data } = decode(filters.result.filters);
        const [, depth = 3, height = 1, width = 1] = shape;
        const size = depth * height * width;
        const weights = data.subarray(channel * size, (channel + 1) * size);
        const interleaved = Array.from({ length: height * width * 3 }, (_, index) => weights[Math.min(index % 3, depth - 1) * height * width + Math.floor(index / 3)] ?? 0);
        paintSigned(canvas.current, height, width, interleaved, Math.max(...interleaved.map(Math.abs)));
    }, [filters.result, channel]);
    if (filters.error) return <ErrorNote error={filters.error} retry={filters.retry} />;
    return (
        <figure class="enlarged">
            <canvas ref={canvas} class="enlarged-frame filter-picture" role="img" aria-label={`The filter of channel ${channel}`} />
            <figcaption>
                Filter <small>grey where zero</small>
            </figcaption>
        </figure>
    );
}

/** The picture that makes the channel most active, made when asked for. */
function OwnModel({ modelId, value, channel }: { readonly modelId: string | undefined; readonly value: string; readonly channel: number }) {
    const [, update] = useReducer((count: number) => count + 1, 0);
    const ascent = useRef<Ascent | undefined>(undefined);
    const isThere = useIsThere();
    useEffect(() => {
        update(undefined as never);
        return () => {
            void ascent.current?.cancel();
            ascent.current = undefined;
        };
    }, [modelId, value, channel]);
    const { current } = ascent;
    const frame = current?.last;
    return (
        <div class="own-model">
            {frame && <img src={frame.image} alt={`The picture that maximises channel ${channel} of ${value}, after ${frame.iteration} steps`} />}
            <div>
                <p>The picture that this channel likes best</p>
                {current && !current.isOver ? (
                    <>
                        <p class="hint" role="status">
                            {isThere ? `step ${frame?.iteration ?? 0} of ${frame?.iterations ?? "…"}, ${readable(frame?.value ?? 0)}` : "waiting for the server"}
                        </p>
                        <button type="button" class="button" onClick={() => void current.cancel()}>
                            Stop
                        </button>
                    </>
                ) : (
                    <div class="button-row">
                        <button
                            type="button"
                            class="button"
                            onClick={() => {
                                ascent.current = new Ascent({ model: modelId, objective: { value, channel }, recipe: "lucid", changes: { iterations: 128 }, seed: 0 }, () => update(undefined as never));
                                update(undefined as never);
                            }}
                        >
                            {frame ? "Make it again" : "Make it"}
                        </button>
                        <a class="button" href={address("class-model", { value, channel: String(channel), set: "", run: "1" })}>
                            In its own view
                        </a>
                    </div>
                )}
                {current?.message && <ErrorNote error={current.message} />}
            </div>
        </div>
    );
}

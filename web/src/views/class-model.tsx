// The picture that maximises the score of a class (Simonyan, Vedaldi and Zisserman 2013, §2), as it grows.

import { useEffect, useReducer, useState } from "preact/hooks";
import { api } from "../api";
import type { ObjectiveRequest } from "../api-types";
import { percent, readable } from "../arrays";
import { Ascent } from "../ascent";
import { ClassPicker, useClassNames } from "../components/class-picker";
import { CommandLine, flagged } from "../components/command-line";
import { Group, Select, Slider } from "../components/controls";
import { Curve } from "../components/curve";
import { ErrorNote, isAbort, sentence } from "../components/error-note";
import { Working } from "../components/working";
import { useIsThere } from "../connection";
import { useCurrent } from "../current";
import { download, fileName } from "../download";
import { useJob } from "../hooks";
import { follow, nameJob } from "../progress";
import { formatChanges, KNOBS, MORE_KNOBS, parseChanges, position, tied, valueAt, type Knob } from "../recipe";
import { address, useSettings } from "../route";

const DEFAULTS = { classes: [] as readonly number[], value: "", channel: -1, recipe: "transfer", seed: 0, set: "", run: false };
/** Where nothing else is asked for: a tabby, as in the original project. */
const FIRST_CLASS = 281;

const kept: { ascent: Ascent | undefined } = { ascent: undefined };
const watchers = new Set<() => void>();

function start(request: Ascent["request"]): void {
    void kept.ascent?.cancel();
    kept.ascent = new Ascent(request, () => watchers.forEach((watcher) => watcher()));
    watchers.forEach((watcher) => watcher());
}

function useAscent(): Ascent | undefined {
    const [, update] = useReducer((count: number) => count + 1, 0);
    useEffect(() => {
        const watcher = () => update(undefined as never);
        watchers.add(watcher);
        return () => void watchers.delete(watcher);
    }, []);
    return kept.ascent;
}

type FileKind = "png" | "webp" | "animation.png" | "animation.webp" | "animation.gif";
const SAVES: readonly (readonly [title: string, kinds: readonly (readonly [kind: FileKind, name: string])[]])[] = [
    [
        "Save picture",
        [
            ["png", "PNG"],
            ["webp", "WebP"],
        ],
    ],
    [
        "Save animation",
        [
            ["animation.png", "PNG"],
            ["animation.webp", "WebP"],
            ["animation.gif", "GIF"],
        ],
    ],
];

const STATES: Record<string, string> = {
    waiting: "Waiting for its turn",
    running: "Climbing",
    paused: "Paused",
    finished: "At the top",
    failed: "Failed",
    cancelled: "Stopped",
};

export function ClassModelView() {
    const { modelId, model } = useCurrent();
    const [settings, set] = useSettings(DEFAULTS);
    const ascent = useAscent();
    const isThere = useIsThere();
    const [place, setPlace] = useState<number | null>(null);
    const [problem, setProblem] = useState("");
    const [saving, setSaving] = useState<{ readonly share: number | undefined; readonly cancel: () => void }>();
    const recipes = useJob(model ? model.id : undefined, () => api.recipes(model?.id ?? ""));
    const recipe = recipes.result?.find(({ name }) => name === settings.recipe);
    const changes = parseChanges(settings.set);
    const classIndex = settings.classes[0] ?? Math.min(FIRST_CLASS, (model?.classes ?? 1000) - 1);
    const nameOf = useClassNames(model?.id, [classIndex]);
    const isUnit = settings.value !== "";
    const objective: ObjectiveRequest = isUnit ? { value: settings.value, ...(settings.channel >= 0 ? { channel: settings.channel } : {}) } : { class: classIndex };
    const subject = isUnit ? `${settings.value}${settings.channel >= 0 ? `, channel ${settings.channel}` : ""}` : nameOf(classIndex);

    const wanted = JSON.stringify([modelId, objective, settings.recipe, settings.seed]);
    const running = ascent && JSON.stringify([ascent.request.model, ascent.request.objective, ascent.request.recipe, ascent.request.seed]);
    const begin = () => {
        setPlace(null);
        setProblem("");
        start({ model: modelId, objective, recipe: settings.recipe, changes: tied(settings.recipe, changes), seed: settings.seed });
        set({ run: true });
    };
    // A link with `run` begins by itself, and what an ascent cannot change on its way begins it anew.
    useEffect(() => {
        if (settings.run && model && running !== wanted) begin();
    }, [wanted, settings.run, Boolean(model)]);

    const turn = (knob: Knob, value: number) => {
        const next = { ...changes, [knob.name]: value };
        set({ set: formatChanges(next) });
        const sent = tied(settings.recipe, next);
        const changed = Object.fromEntries(Object.entries(sent).filter(([name, number]) => changes[name] !== number));
        if (ascent && running === wanted) void ascent.change(changed);
    };
    const valueOf = (name: string): number => {
        const given = tied(settings.recipe, changes)[name] ?? recipe?.[name];
        return typeof given === "number" ? given : 0;
    };
    const frames = ascent?.frames ?? [];
    const shownFrame = place === null ? undefined : (frames.findLast(({ iteration, image }) => iteration <= place && image !== "") ?? frames[0]);
    const frame = shownFrame ?? frames.findLast(({ image }) => image !== "");
    const length = ascent?.last?.iterations ?? valueOf("iterations");
    const iterations = frames.map(({ iteration }) => iteration);
    const isOver = ascent?.isOver ?? true;

    const save = async (kind: FileKind) => {
        if (!ascent || !frame) return;
        setProblem("");
        const stem = fileName("class-model", subject, ascent.request.recipe, ascent.request.seed);
        try {
            if (kind.startsWith("animation")) {
                if (ascent.id) download(await fetchAnimation(ascent.id, kind), `${stem}-${kind}`);
            } else if (kind === "png" && ascent.id && !shownFrame) download(await api.ascentFile(ascent.id, "picture.png"), `${stem}.png`);
            else {
                const image = new Image();
                image.src = frame.image;
                await image.decode();
                const canvas = document.createElement("canvas");
                [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
                canvas.getContext("2d")?.drawImage(image, 0, 0);
                canvas.toBlob((blob) => blob && download(blob, `${stem}-${frame.iteration}.${kind}`), `image/${kind}`, 0.95);
            }
        } catch (error) {
            if (!isAbort(error)) setProblem(sentence(error));
        }
    };
    const fetchAnimation = async (id: string, kind: FileKind): Promise<Blob> => {
        const controller = new AbortController();
        const cancel = () => controller.abort();
        nameJob(controller.signal);
        setSaving({ share: undefined, cancel });
        const stop = follow(controller.signal, ({ share }) => setSaving({ share, cancel }));
        try {
            return await api.ascentFile(id, kind, controller.signal);
        } finally {
            stop();
            setSaving(undefined);
        }
    };
    const command =
        ascent?.command ??
        [
            "deepinside class-model",
            isUnit ? `--layer ${settings.value}${settings.channel >= 0 ? ` --channel ${settings.channel}` : ""}` : classIndex,
            ...flagged(model),
            `--recipe ${settings.recipe}`,
            `--seed ${settings.seed}`,
            ...Object.entries(tied(settings.recipe, changes)).map(([name, value]) => `--set ${name}=${value}`),
            "-o class-model.png",
        ].join(" ");

    return (
        <div class="view">
            <section class="view-main" aria-label="The picture as it grows">
                {ascent?.message && <ErrorNote error={ascent.message} />}
                {problem && <ErrorNote error={problem} />}
                {saving && <Working label="Making the animation" share={saving.share} onCancel={saving.cancel} />}
                <div class="growth">
                    <div class="growth-picture">
                        {frame ? (
                            <img src={frame.image} alt={`The class model of ${subject} after ${frame.iteration} steps`} />
                        ) : (
                            <p class="hint">{ascent && !isOver ? "The first picture is on its way …" : "Start the ascent: the picture grows here, step by step."}</p>
                        )}
                    </div>
                    <div class="growth-side">
                        <p class="growth-title">
                            {isUnit ? <a href={address("layers", { value: settings.value, channel: settings.channel >= 0 ? String(settings.channel) : "" })}>{subject}</a> : subject}
                        </p>
                        <p class="growth-state" role="status">
                            {!ascent ? "Not started" : isOver || isThere ? STATES[ascent.state] : "Waiting for the server"}
                        </p>
                        <p class="growth-step">
                            {ascent ? `step ${frame?.iteration ?? 0} of ${length}${isOver || !length ? "" : ` · ${percent(Math.min((ascent.last?.iteration ?? 0) / length, 1))}`}` : `${length} steps`}
                            {ascent?.state === "running" && isThere && ascent.framesPerSecond >= 1.5 ? ` · ${ascent.framesPerSecond.toFixed(0)} pictures per second` : ""}
                        </p>
                        <Curve label={isUnit ? "Activation" : "Score"} points={frames.flatMap(({ iteration, value }) => (typeof value === "number" ? [{ x: iteration, y: value }] : []))} length={length} marked={shownFrame?.iteration} turns={ascent?.turns.map(({ iteration }) => iteration) ?? []} onPick={(x) => frames.length && setPlace(x)} />
                        {frames.some(({ probability }) => typeof probability === "number") && (
                            <Curve label="Probability" points={frames.flatMap(({ iteration, probability }) => (typeof probability === "number" ? [{ x: iteration, y: probability }] : []))} length={length} marked={shownFrame?.iteration} onPick={(x) => setPlace(x)} />
                        )}
                        <Slider
                            label="Timeline"
                            value={shownFrame?.iteration ?? iterations.at(-1) ?? 0}
                            minimum={iterations[0] ?? 0}
                            maximum={iterations.at(-1) ?? 1}
                            step={1}
                            show={(value) => (place === null ? "now" : `step ${value}`)}
                            isDisabled={frames.length < 2}
                            onChange={(value) => setPlace(value >= (iterations.at(-1) ?? 0) ? null : value)}
                        />
                        <div class="button-row">
                            {shownFrame && (
                                <>
                                    <button
                                        type="button"
                                        class="button button-main"
                                        onClick={() => {
                                            void ascent?.rewind(shownFrame.iteration);
                                            setPlace(null);
                                        }}
                                    >
                                        Go on from step {shownFrame.iteration}
                                    </button>
                                    <button type="button" class="button" onClick={() => setPlace(null)}>
                                        Back to now
                                    </button>
                                </>
                            )}
                        </div>
                    </div>
                </div>
                <div class="drop-line">
                    {ascent && !isOver ? (
                        <>
                            {ascent.state === "paused" ? (
                                <button type="button" class="button button-main" onClick={() => void ascent.resume()}>
                                    Resume
                                </button>
                            ) : (
                                <button type="button" class="button button-main" disabled={ascent.state !== "running"} onClick={() => void ascent.pause()}>
                                    Pause
                                </button>
                            )}
                            <button
                                type="button"
                                class="button"
                                onClick={() => {
                                    void ascent.cancel();
                                    set({ run: false });
                                }}
                            >
                                Stop
                            </button>
                            <button type="button" class="button" onClick={begin}>
                                Start anew
                            </button>
                        </>
                    ) : (
                        <button type="button" class="button button-main" disabled={!model} onClick={begin}>
                            {ascent ? "Start anew" : "Start"}
                        </button>
                    )}
                    <span class="button-gap" />
                    {SAVES.map(([title, kinds]) => (
                        <div key={title} class="save-group" role="group" aria-label={title}>
                            <span aria-hidden="true">{title}</span>
                            {kinds.map(([kind, name]) => (
                                <button key={kind} type="button" class="button button-small" disabled={!frame} aria-label={`${title} as ${name}`} onClick={() => void save(kind)}>
                                    {name}
                                </button>
                            ))}
                        </div>
                    ))}
                </div>
                {ascent && ascent.turns.length > 0 && (
                    <p class="notice">
                        Changed on the way:{" "}
                        {ascent.turns.map(({ iteration, changes: made }) => `after step ${iteration} ${Object.entries(made).map(([name, value]) => `${name.replaceAll("_", " ")} ${typeof value === "number" ? readable(value) : String(value)}`).join(", ")}`).join("; ")}.
                    </p>
                )}
                {ascent && ascent.notes.length > 0 && (
                    <ul class="notes">
                        {ascent.notes.map((note) => (
                            <li key={note}>{note}</li>
                        ))}
                    </ul>
                )}
            </section>
            <aside class="panel" aria-label="Settings">
                <Group title="What is maximised">
                    {isUnit ? (
                        <>
                            <p>
                                The {settings.channel >= 0 ? "mean of one channel" : "activations"} of <code>{subject}</code>
                            </p>
                            <button type="button" class="button" onClick={() => set({ value: "", channel: -1 })}>
                                A class instead
                            </button>
                        </>
                    ) : (
                        <ClassPicker model={model?.id} label="Class" isSingle selected={[classIndex]} onChange={(classes) => set({ classes })} />
                    )}
                </Group>
                <Group title="Recipe">
                    <ErrorNote error={recipes.error} retry={recipes.retry} />
                    <Select
                        label="Recipe"
                        value={settings.recipe}
                        options={(recipes.result ?? [{ name: settings.recipe }]).map(({ name }) => [name, name] as const)}
                        hint={describe(recipe?.parameterisation)}
                        onChange={(next) => set({ recipe: next, set: "" })}
                    />
                    <Slider label="Steps" value={valueOf("iterations")} minimum={16} maximum={2048} step={16} onChange={(value) => turn({ name: "iterations", label: "", kind: "even", minimum: 16, maximum: 2048, step: 16 }, value)} />
                    {KNOBS.map((knob) => (
                        <KnobSlider key={knob.name} knob={knob} value={valueOf(knob.name)} onChange={(value) => turn(knob, value)} />
                    ))}
                    <Slider label="Seed" value={settings.seed} minimum={0} maximum={100} step={1} onChange={(seed) => set({ seed })} />
                    {settings.set !== "" && (
                        <button type="button" class="button" onClick={() => {
                            set({ set: "" });
                            const back = Object.fromEntries(Object.keys(tied(settings.recipe, changes)).map((name) => [name, recipe?.[name]]).filter((pair): pair is [string, number] => typeof pair[1] === "number"));
                            if (ascent && running === wanted) void ascent.change(back);
                        }}>
                            Back to the recipe's numbers
                        </button>
                    )}
                    <p class="hint">Sliders take effect at the next step of a running ascent; recipe and seed begin it anew.</p>
                </Group>
                <Group title="More of the recipe" isOpen={false}>
                    {MORE_KNOBS.map((knob) => (
                        <KnobSlider key={knob.name} knob={knob} value={valueOf(knob.name)} isDisabled={Boolean(knob.isPixelsOnly) && recipe?.parameterisation === "fourier"} onChange={(value) => turn(knob, value)} />
                    ))}
                </Group>
                {ascent?.last && typeof ascent.last.probability === "number" && <p class="hint">The network gives its picture {percent(ascent.last.probability)}.</p>}
            </aside>
            <CommandLine command={command} />
        </div>
    );
}

function describe(parameterisation: unknown): string | undefined {
    if (parameterisation === "fourier") return "Searches a spectrum with decorrelated colours.";
    if (parameterisation === "pixels") return "Searches the pixels themselves.";
    return undefined;
}

interface KnobSliderProps {
    readonly knob: Knob;
    readonly value: number;
    readonly isDisabled?: boolean;
    readonly onChange: (value: number) => void;
}

function KnobSlider({ knob, value, isDisabled = false, onChange }: KnobSliderProps) {
    return (
        <Slider
            label={knob.label}
            value={position(knob, value)}
            minimum={knob.minimum}
            maximum={knob.maximum}
            step={knob.step}
            isDisabled={isDisabled}
            show={() => (value === 0 ? "none" : `${readable(value)}${knob.unit ? ` ${knob.unit}` : ""}`)}
            onChange={(place) => onChange(valueAt(knob, place))}
        />
    );
}

// Every layer: what is active in it for this photograph, which gradient reaches it, and what its units look at (§4 of Simonyan,
// Vedaldi and Zisserman 2013).

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api, word } from "../api";
import { channels, decode } from "../arrays";
import { ChannelGrid } from "../components/channel-grid";
import { ClassPicker } from "../components/class-picker";
import { CommandLine } from "../components/command-line";
import { Busy, Group, Segments, Select, type Option } from "../components/controls";
import { ErrorNote } from "../components/error-note";
import { brief, GraphMap } from "../components/graph-map";
import { Notes } from "../components/notes";
import { PhotographStrip } from "../components/photograph-strip";
import { UnitPanel } from "../components/unit-panel";
import { JobWorking } from "../components/working";
import { useCurrent } from "../current";
import { layOut } from "../graph-layout";
import { useJob } from "../hooks";
import { RULES } from "../methods";
import { change, useSettings } from "../route";
import { withPhotograph } from "../uploads";

const SHOWS: readonly Option[] = [
    ["activations", "Activations"],
    ["gradients", "Gradients"],
];

const DEFAULTS = { classes: [] as readonly number[], value: "", channel: -1, place: [] as readonly number[], show: "activations", rule: "gradient", unit: "gradient" };

export function LayersView() {
    const { modelId, model, photographId, photograph } = useCurrent();
    const [settings, set] = useSettings(DEFAULTS);
    const [unitCommand, setUnitCommand] = useState<string>();
    const isChosenHere = useRef(false);
    const graph = useJob(model?.id, (signal) => api.graph(model?.id ?? "", signal));
    const classIndex = settings.classes[0];
    // Where nothing was chosen: the first value that is shown after the input.
    const first = useMemo(() => {
        const produced = new Set(graph.result?.nodes.flatMap(({ outputs }) => outputs) ?? []);
        return graph.result?.values.find(({ name, is_shown }) => is_shown && produced.has(name))?.name ?? "";
    }, [graph.result]);
    // A link may come from another network.
    const isKnown = !settings.value || !graph.result || graph.result.values.some(({ name }) => name === settings.value);
    const value = (isKnown && settings.value) || first;
    const about = graph.result?.values.find(({ name }) => name === value);
    const key = value && photographId && graph.result ? JSON.stringify([modelId, photographId, value, classIndex, settings.rule]) : undefined;
    const layer = useJob(key, (signal) =>
        withPhotograph(photographId, () =>
            api.layer({ model: modelId, photograph: photographId, value, rule: word(settings.rule), ...(classIndex !== undefined ? { class: classIndex } : {}) }, signal),
        ),
    );
    const numbers = useMemo(() => (layer.result ? { activations: channels(decode(layer.result.activations)), gradients: channels(decode(layer.result.gradients)) } : undefined), [layer.result]);
    const isFresh = layer.result?.value === value;
    const count = numbers?.activations.shape[0] ?? 0;
    // A place may come from a larger map, of another network.
    const [row = -1, column = -1] = settings.place;
    const [, rows = 0, columns = 0] = numbers?.activations.shape ?? [];
    const position = row >= 0 && column >= 0 && row < rows && column < columns ? ([row, column] as const) : undefined;
    const channel = settings.channel >= 0 && settings.channel < count ? settings.channel : undefined;
    useEffect(() => setUnitCommand(undefined), [value, settings.channel]);
    const layout = useMemo(() => (graph.result ? layOut(graph.result) : undefined), [graph.result]);
    // A block may compute several values: before and after its normalisation and its rectifier.
    const block = layout?.blocks.find(({ values }) => values.includes(value));
    const siblings = block && block.values.length === block.operators.length ? block.values : [];

    return (
        <div class="view view-layers">
            <section class="graph-side" aria-label="The network">
                <ErrorNote error={graph.error} retry={graph.retry} />
                {graph.result && layout && <GraphMap graph={graph.result} layout={layout} chosen={value} onChoose={(name) => set({ value: name, channel: -1, place: [] })} />}
            </section>
            <section class="view-main" aria-label="The layer">
                <Busy isBusy={layer.isRunning || graph.isRunning} label="Computing the layer" />
                <JobWorking job={layer} label="Computing the layer" />
                <ErrorNote error={photograph.error ?? layer.error} retry={photograph.error ? photograph.retry : layer.retry} />
                {!isKnown && (
                    <p class="notice" role="status">
                        {model?.name} has no value called “{settings.value}”; its first layer is shown.
                    </p>
                )}
                {about && (
                    <div class="layer-head">
                        <h2 class="layer-title">
                            <code>{value}</code>
                        </h2>
                        <p class="hint">{about.shape.slice(1).join(" × ")}{layer.result?.note ? ` · ${layer.result.note}` : ""}</p>
                        <Notes notes={layer.result?.notes} />
                    </div>
                )}
                {siblings.length > 1 && (
                    <Segments label="After which operator" value={value} options={siblings.map((name, index) => [name, brief(block?.operators[index] ?? name)] as const)} onChange={(name) => set({ value: name, place: [] })} />
                )}
                <Segments label="Show" value={settings.show} options={SHOWS} onChange={(show) => set({ show })} />
                {numbers && isFresh && (
                    <ChannelGrid
                        key={value}
                        numbers={settings.show === "gradients" ? numbers.gradients : numbers.activations}
                        isSigned={settings.show === "gradients"}
                        chosen={channel ?? -1}
                        onChoose={(index) => {
                            isChosenHere.current = true;
                            set({ channel: index, place: [] });
                        }}
                    />
                )}
            </section>
            <aside class="panel" aria-label="Settings and the chosen channel">
                <PhotographStrip chosen={photographId} onChoose={(id) => change({ photograph: id })} />
                {channel !== undefined && numbers && isFresh && photograph.result && model ? (
                    <UnitPanel
                        modelId={modelId}
                        model={model.id}
                        photograph={photograph.result}
                        value={value}
                        channel={channel}
                        rule={settings.unit}
                        position={position}
                        onPosition={(place) => set({ place: place ?? [] })}
                        activations={numbers.activations}
                        gradients={numbers.gradients}
                        hasFilters={about?.has_filters ?? false}
                        hasExemplars={model?.exemplar_layers.includes(value) ?? false}
                        isChosenHere={isChosenHere.current}
                        onRule={(unit) => set({ unit })}
                        onCommand={setUnitCommand}
                    />
                ) : (
                    <p class="hint unit-invitation">Choose a channel to see what it depends on.</p>
                )}
                <Group title="Gradient of which score">
                    <ClassPicker model={model?.id} label="Class" isSingle selected={classIndex !== undefined ? [classIndex] : layer.result ? [layer.result.class.index] : []} top={layer.result?.top ?? []} onChange={(classes) => set({ classes })} />
                    <Select label="Rectifiers on the way back" value={settings.rule} options={RULES} onChange={(rule) => set({ rule })} />
                </Group>
            </aside>
            <CommandLine command={channel !== undefined ? (unitCommand ?? layer.result?.command) : layer.result?.command} />
        </div>
    );
}

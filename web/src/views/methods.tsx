// Every method of the server's table, with the controls that the table describes.

import { useMemo } from "preact/hooks";
import { api } from "../api";
import { readable } from "../arrays";
import { CommandLine } from "../components/command-line";
import { Busy, Group, Select } from "../components/controls";
import { ErrorNote } from "../components/error-note";
import { MapCanvas } from "../components/map-canvas";
import { DISPLAY, DisplayControls, lookOf, MapStage, SaveButtons, shownMap } from "../components/map-display";
import { MethodControls, readChosen, TextControl, writeChosen } from "../components/method-controls";
import { Notes } from "../components/notes";
import { PhotographStrip } from "../components/photograph-strip";
import { JobWorking } from "../components/working";
import { useCurrent } from "../current";
import { fileName } from "../download";
import { useJob, useMethods } from "../hooks";
import { CROPS } from "../methods";
import { change, useSettings } from "../route";
import { withPhotograph } from "../uploads";

const DEFAULTS = { method: "integrated-gradients", set: "", target: "", layer: "", crop: "", shown: 0, ...DISPLAY };

/** One part of the photograph: methods explain what the network reads at once. */
const ONE_CROP = CROPS.filter(([name]) => name !== "ten");

export function MethodsView() {
    const { modelId, photographId, photograph } = useCurrent();
    const [settings, set] = useSettings(DEFAULTS);
    const methods = useMethods();
    const entry = methods.result?.find(({ name, aliases }) => name === settings.method || aliases.includes(settings.method));
    const chosen = readChosen(settings.set);
    const layers = settings.layer.split(",").map((layer) => layer.trim()).filter(Boolean);
    const asked = { method: settings.method, parameters: chosen, layers, target: settings.target, crop: settings.crop };
    const answer = useJob(
        photographId ? JSON.stringify([modelId, photographId, asked]) : undefined,
        (signal) =>
            withPhotograph(photographId, () =>
                api.attributions(
                    {
                        model: modelId,
                        photograph: photographId,
                        method: asked.method,
                        parameters: chosen,
                        ...(layers.length ? { layers } : {}),
                        ...(settings.target ? { target: settings.target } : {}),
                        ...(settings.crop ? { crop: settings.crop } : {}),
                    },
                    signal,
                ),
            ),
        120,
    );
    const maps = useMemo(
        () =>
            (answer.result?.attributions ?? []).map((attribution) => {
                const plain = shownMap(attribution.layer ?? "input", attribution.map, false);
                const isSigned = plain.numbers.data.some((number) => number < 0);
                return { ...attribution, shown: { ...plain, isSigned } };
            }),
        [answer.result],
    );
    const map = maps[Math.min(settings.shown, maps.length - 1)];
    const { result } = answer;
    const seen = result && [result.region];
    return (
        <div class="view">
            <section class="view-main" aria-label="The photograph and its map">
                <Busy isBusy={answer.isRunning} label="Computing the map" />
                <JobWorking job={answer} label="Computing the map" />
                <ErrorNote error={photograph.error ?? methods.error ?? answer.error} retry={photograph.error ? photograph.retry : methods.error ? methods.retry : answer.retry} />
                {photograph.result && (
                    <MapStage
                        photograph={photograph.result}
                        map={map?.shown}
                        label={result && entry ? `${entry.title} of ${result.title} over the photograph` : "The photograph"}
                        region={result?.region}
                        seen={seen}
                        display={settings}
                        onChange={set}
                        isBusy={answer.isRunning}
                    />
                )}
                {result && (
                    <p class="hint">
                        {result.title}: {readable(result.number)}.
                        {map?.completeness && ` The map adds up to ${readable(map.completeness[0])}, of a change by ${readable(map.completeness[1])}.`}
                    </p>
                )}
                <Notes notes={map?.notes} />
                {maps.length > 1 && (
                    <div class="multiples" role="group" aria-label="The layers' maps">
                        {maps.map((one, index) => (
                            <button key={one.layer ?? index} type="button" class="multiple" aria-pressed={one === map} onClick={() => set({ shown: index })}>
                                <MapCanvas map={one.shown.numbers} {...lookOf(one.shown, settings)} />
                                <span>{one.layer}</span>
                            </button>
                        ))}
                    </div>
                )}
            </section>
            <aside class="panel" aria-label="Settings">
                <PhotographStrip chosen={photographId} onChoose={(id) => change({ photograph: id })} />
                <Group title="Method">
                    <Select label="Method" value={entry?.name ?? settings.method} options={(methods.result ?? []).map(({ name, title }) => [name, title] as const)} hint={entry?.summary} onChange={(method) => set({ method, set: "", shown: 0 })} />
                    {entry && <p class="hint">{entry.source}</p>}
                    {entry && <MethodControls parameters={entry.parameters} chosen={chosen} onChange={(next) => set({ set: writeChosen(next) })} />}
                </Group>
                <Group title="What is explained">
                    <TextControl label="Target" value={settings.target} placeholder="the most probable class" hint="A class (281, tabby), p(281) for its probability, a difference (281 - 282), or any value by its indices: map[15,:,:]." onChange={(target) => set({ target })} />
                    {entry?.layers && <TextControl label="Layers" value={settings.layer} placeholder="the last one with positions" hint="Names of values, with commas between; Layers lists them." onChange={(layer) => set({ layer, shown: 0 })} />}
                    <Select label="Crop" value={settings.crop} options={ONE_CROP} onChange={(crop) => set({ crop })} />
                </Group>
                <DisplayControls map={map?.shown} display={settings} onChange={set} />
                <SaveButtons photograph={photograph.result} map={map?.shown} region={result?.region} seen={seen} display={settings} stem={fileName(settings.method, result?.title ?? "")} seconds={answer.isRunning ? undefined : result?.seconds} />
            </aside>
            <CommandLine command={result?.command} />
        </div>
    );
}

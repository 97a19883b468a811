// Which pixels the scores of classes depend on (Simonyan, Vedaldi and Zisserman 2013, §3.1).

import { useMemo } from "preact/hooks";
import { api, word } from "../api";
import type { CropChoice, RuleChoice } from "../api-types";
import { percent } from "../arrays";
import { ClassPicker, ClassSearch, useClassNames } from "../components/class-picker";
import { CommandLine } from "../components/command-line";
import { Busy, Group, Segments, Select, Slider, Toggle, type Option } from "../components/controls";
import { ErrorNote } from "../components/error-note";
import { MapCanvas } from "../components/map-canvas";
import { DISPLAY, DisplayControls, lookOf, MapStage, SaveButtons, shownMap } from "../components/map-display";
import { Notes, OtherChoice } from "../components/notes";
import { PhotographStrip } from "../components/photograph-strip";
import { JobWorking } from "../components/working";
import { useCurrent } from "../current";
import { fileName } from "../download";
import { useJob } from "../hooks";
import { CROPS, RULES } from "../methods";
import { change, useSettings } from "../route";
import { withPhotograph } from "../uploads";

const DEFAULTS = {
    classes: [] as readonly number[],
    shown: 0,
    minus: -1,
    map: "",
    rule: "gradient",
    crops: "",
    samples: 0,
    noise: 0.15,
    smoothing: 0,
    signed: false,
    ...DISPLAY,
};

const MAPS: readonly Option[] = [
    ["readable", "Readable"],
    ["paper", "The gradient"],
];

/** Which of the two maps: the readable one, as the program's figure ends with, unless a link says how the gradient's is to be made. */
function mapOf({ map, rule, crops, samples, smoothing, signed }: Pick<typeof DEFAULTS, "map" | "rule" | "crops" | "samples" | "smoothing" | "signed">): string {
    if (map) return map;
    const isOfGradient = rule !== DEFAULTS.rule || crops !== DEFAULTS.crops || samples > 0 || smoothing > 0 || signed;
    return isOfGradient ? "paper" : "readable";
}

const READABLE = "Guided backpropagation times LayerCAM of the last layer, the mean of four noisy copies of the whole photograph, smoothed a little: easier to read than the gradient, and not the paper's map.";

export function SaliencyView() {
    const { modelId, model, photographId, photograph } = useCurrent();
    const [settings, set] = useSettings(DEFAULTS);
    // Maps that are averaged in the photograph's own frame have no sign.
    const shownAs = mapOf(settings);
    const isReadable = shownAs === "readable";
    const setGradient = (made: Partial<typeof DEFAULTS>) => set({ map: "paper", ...made });
    const isAveraged = isReadable || settings.crops === "ten" || settings.samples > 0 || settings.smoothing > 0;
    const isSigned = settings.signed && !isAveraged;
    const asked = isReadable ? { classes: settings.classes, minus: settings.minus, readable: true } : { classes: settings.classes, minus: settings.minus, rule: settings.rule, crops: settings.crops, samples: settings.samples, noise: settings.samples ? settings.noise : 0, smoothing: settings.smoothing, signed: isSigned };
    const key = photographId ? JSON.stringify([modelId, photographId, asked]) : undefined;
    const answer = useJob(
        key,
        (signal) =>
            withPhotograph(photographId, () =>
                api.saliency(
                    {
                        model: modelId,
                        photograph: photographId,
                        ...(settings.classes.length ? { classes: settings.classes } : {}),
                        ...(settings.minus >= 0 ? { minus: settings.minus } : {}),
                        ...(isReadable
                            ? { readable: true }
                            : {
                                  rule: word<RuleChoice>(settings.rule),
                                  ...(settings.crops ? { crops: word<CropChoice>(settings.crops) } : {}),
                                  ...(settings.samples ? { smooth_grad: { samples: settings.samples, noise: settings.noise } } : {}),
                                  ...(settings.smoothing ? { smoothing: settings.smoothing } : {}),
                                  ...(isSigned ? { signed: true } : {}),
                              }),
                    },
                    signal,
                ),
            ),
        isReadable || settings.samples || settings.smoothing ? 120 : 0,
    );
    const maps = useMemo(
        () => (answer.result?.maps ?? []).map((entry) => ({ ...entry, shown: shownMap(entry.class.name, entry.signed ?? entry.map, Boolean(entry.signed)) })),
        [answer.result],
    );
    const nameOf = useClassNames(model?.id, settings.minus >= 0 ? [settings.minus] : []);
    const chosen = maps[Math.min(settings.shown, maps.length - 1)];
    const region = answer.result?.region;
    const stem = chosen ? fileName("saliency", chosen.class.name, ...(settings.minus >= 0 ? ["minus", nameOf(settings.minus)] : []), settings.rule) : "saliency";

    return (
        <div class="view">
            <section class="view-main" aria-label="The photograph and its map">
                <Busy isBusy={answer.isRunning} label="Computing the map" />
                <JobWorking job={answer} label="Computing the map" />
                <ErrorNote error={photograph.error ?? answer.error} retry={photograph.error ? photograph.retry : answer.retry} />
                {photograph.result && (
                    <MapStage
                        photograph={photograph.result}
                        map={chosen?.shown}
                        label={chosen ? `Saliency of ${chosen.class.name} over the photograph` : "The photograph"}
                        region={region}
                        seen={answer.result?.seen}
                        display={settings}
                        onChange={set}
                        isBusy={answer.isRunning}
                    />
                )}
                {(answer.result?.unseen ?? 0) > 0 && <p class="notice">The network saw nothing of {percent(answer.result?.unseen ?? 0)} of this photograph by these crops: it is hatched.</p>}
                <OtherChoice other={answer.result?.other_choice} parts="These parts of the photograph" />
                <Notes notes={answer.result?.notes} />
                {chosen?.is_constant && <p class="notice">The map is the same everywhere: the score of this class does not depend on any pixel here.</p>}
                {maps.length > 1 && (
                    <div class="multiples" role="group" aria-label="The classes' maps">
                        {maps.map((entry, index) => (
                            <button key={entry.class.index} type="button" class="multiple" aria-pressed={entry === chosen} onClick={() => set({ shown: index })}>
                                <MapCanvas map={entry.shown.numbers} {...lookOf(entry.shown, settings)} />
                                <span>{entry.class.name}</span>
                                <small>{percent(entry.class.probability)}</small>
                            </button>
                        ))}
                    </div>
                )}
            </section>
            <aside class="panel" aria-label="Settings">
                <PhotographStrip chosen={photographId} onChoose={(id) => change({ photograph: id })} />
                <Group title="Classes">
                    <ClassPicker
                        model={model?.id}
                        selected={settings.classes.length ? settings.classes : maps.map((entry) => entry.class.index)}
                        top={answer.result?.top ?? []}
                        onChange={(classes, picked) => set({ classes, shown: Math.max(classes.includes(picked) ? classes.indexOf(picked) : classes.length - 1, 0) })}
                    />
                    {settings.minus < 0 ? (
                        <ClassSearch model={model?.id} label="Subtract a class" onPick={({ index }) => set({ minus: index })} />
                    ) : (
                        <div class="chips" role="group" aria-label="The subtracted class">
                            <button type="button" class="chip" aria-pressed="true" aria-label={`Minus ${nameOf(settings.minus)}: subtract nothing`} onClick={() => set({ minus: -1 })}>
                                minus {nameOf(settings.minus)} <span aria-hidden="true">×</span>
                            </button>
                        </div>
                    )}
                    {settings.minus >= 0 && <p class="hint">What speaks for the class and against {nameOf(settings.minus)}.</p>}
                </Group>
                <Group title="Method">
                    <Segments label="Map" value={shownAs} options={MAPS} onChange={(map) => set({ map })} />
                    {isReadable ? <p class="hint">{READABLE}</p> : <>
                    <Select label="Rectifiers on the way back" value={settings.rule} options={RULES} onChange={(rule) => setGradient({ rule })} />
                    <Select label="Crops" value={settings.crops} options={CROPS} onChange={(crops) => setGradient({ crops })} />
                    <Slider label="SmoothGrad copies" value={settings.samples} minimum={0} maximum={50} step={5} show={(value) => (value ? String(value) : "none")} onChange={(samples) => setGradient({ samples })} />
                    {settings.samples > 0 && <Slider label="Their noise" value={settings.noise} minimum={0.02} maximum={0.5} show={percent} onChange={(noise) => setGradient({ noise })} />}
                    <Slider label="Smoothing" value={settings.smoothing} minimum={0} maximum={0.05} step={0.0025} show={(value) => (value ? `${(value * 100).toFixed(2)} %` : "none")} onChange={(smoothing) => setGradient({ smoothing })} />
                    <Toggle label={isAveraged ? "Signed gradient (of one crop only)" : "Signed gradient"} isOn={isSigned} isDisabled={isAveraged} onChange={(signed) => setGradient({ signed })} />
                    </>}
                </Group>
                <DisplayControls map={chosen?.shown} display={settings} onChange={set} />
                <SaveButtons photograph={photograph.result} map={chosen?.shown} region={region} seen={answer.result?.seen} display={settings} stem={stem} seconds={answer.isRunning ? undefined : answer.result?.seconds} />
            </aside>
            <CommandLine command={answer.result?.command} />
        </div>
    );
}

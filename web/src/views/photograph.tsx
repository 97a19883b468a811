// What the network thinks of a photograph.

import { useState } from "preact/hooks";
import { api } from "../api";
import { ClassSearch, remember } from "../components/class-picker";
import { CommandLine } from "../components/command-line";
import { Busy, Group } from "../components/controls";
import { ErrorNote } from "../components/error-note";
import { LiveCamera } from "../components/live-camera";
import { PhotographStrip } from "../components/photograph-strip";
import { ScoreBars } from "../components/score-bars";
import { Stage } from "../components/stage";
import { JobWorking } from "../components/working";
import { useCurrent } from "../current";
import { useJob } from "../hooks";
import { address, change, useSettings } from "../route";
import { upload, withPhotograph } from "../uploads";

const SHOWN = 6;
const isHere = /^(localhost|127\.|\[::1\])/.test(location.hostname);

export function PhotographView() {
    const { modelId, model, photographId, photograph } = useCurrent();
    const [settings, set] = useSettings({ camera: false, look: [] as readonly number[] });
    const [problem, setProblem] = useState<unknown>();
    const classes = model?.classes;
    const key = photographId && classes && !settings.camera ? JSON.stringify([modelId, photographId]) : undefined;
    const answer = useJob(key, (signal) =>
        withPhotograph(photographId, () => api.classify({ model: modelId, photograph: photographId, top: classes ?? SHOWN }, signal)),
    );
    const top = answer.result?.top ?? [];
    if (model) remember(model.id, top);
    const looked = settings.look.flatMap((index) => {
        const place = top.findIndex((entry) => entry.index === index);
        const entry = top[place];
        return entry ? [{ entry, place }] : [];
    });
    const choose = (id: string) => change({ photograph: id, camera: "" });
    const open = async (file: File | undefined) => {
        if (!file) return;
        setProblem(undefined);
        try {
            choose((await upload(file)).id);
        } catch (error) {
            setProblem(error);
        }
    };

    if (settings.camera) {
        return <LiveCamera model={model} onClose={() => set({ camera: false })} onTake={async (file) => choose((await upload(file)).id)} />;
    }
    return (
        <div class="view">
            <section class="view-main" aria-label="The photograph">
                <Busy isBusy={answer.isRunning || photograph.isRunning} label="Classifying" />
                <JobWorking job={answer} label="Classifying" />
                <ErrorNote error={photograph.error ?? problem} {...(photograph.error ? { retry: photograph.retry } : {})} />
                {photograph.result && <Stage photograph={photograph.result} label="The photograph" isBusy={photograph.isRunning} />}
                <div class="drop-line">
                    <label class="button button-main">
                        <input
                            type="file"
                            accept="image/*"
                            class="visually-hidden"
                            onChange={(event) => {
                                void open(event.currentTarget.files?.[0]);
                                event.currentTarget.value = "";
                            }}
                        />
                        Open a photograph
                    </label>
                    <button type="button" class="button" onClick={() => set({ camera: true })}>
                        Live camera
                    </button>
                    <span class="hint">or drop it anywhere, or paste it.{isHere ? " It stays on this machine." : ""}</span>
                </div>
            </section>
            <aside class="panel" aria-label="What the network thinks">
                <PhotographStrip chosen={photographId} onChoose={choose} />
                <Group title="Best classes">
                    <ErrorNote error={answer.error} retry={answer.retry} />
                    {top.length > 0 && <ScoreBars top={top.slice(0, SHOWN)} address={(entry) => address("saliency", { classes: String(entry.index) })} />}
                    <p class="hint">Choose a class to see the pixels that its score depends on.</p>
                </Group>
                <Group title="Any other class">
                    <ClassSearch
                        model={model?.id}
                        label={`Search ${classes ?? ""} classes`}
                        onPick={({ index }) => set({ look: [index, ...settings.look.filter((other) => other !== index)].slice(0, 4) })}
                    />
                    {looked.length > 0 && (
                        <ul class="looked">
                            {looked.map(({ entry, place }) => (
                                <li key={entry.index}>
                                    <small class="looked-place">
                                        {place + 1}. of {top.length}
                                    </small>
                                    <ScoreBars top={[entry]} address={() => address("saliency", { classes: String(entry.index) })} />
                                </li>
                            ))}
                        </ul>
                    )}
                </Group>
                {model && model.notes.length > 0 && (
                    <Group title="What is assumed of the network" isOpen={false}>
                        <ul class="notes">
                            {model.notes.map((note) => (
                                <li key={note}>{note}</li>
                            ))}
                        </ul>
                    </Group>
                )}
            </aside>
            {/* All classes are asked for, so that any can be looked up; the command names those that are shown. */}
            <CommandLine command={answer.result?.command?.replace(/ --top \d+$/, ` --top ${SHOWN}`)} />
        </div>
    );
}

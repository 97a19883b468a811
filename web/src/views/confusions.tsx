// Which classes the network takes for which, with the worst photographs of each and what speaks for the wrong class.

import { useState } from "preact/hooks";
import { api } from "../api";
import type { ConfusionInfo } from "../api-types";
import { percent } from "../arrays";
import { Busy, Segments } from "../components/controls";
import { ErrorNote } from "../components/error-note";
import { JobWorking } from "../components/working";
import { useCurrent } from "../current";
import { useJob } from "../hooks";
import { address, useSettings } from "../route";

const SHOWS = [
    ["margin", "What speaks for the wrong class"],
    ["picture", "Photographs"],
] as const;

export function ConfusionsView() {
    const { modelId, model } = useCurrent();
    const [{ confusion }, set] = useSettings({ confusion: 0 });
    const [shown, show] = useState<string>("margin");
    const isKnown = model?.has_confusions ?? false;
    const all = useJob(isKnown ? JSON.stringify([modelId]) : undefined, (signal) => api.confusions({ model: modelId, confusion: null }, signal));
    const list = all.result?.confusions ?? [];
    const chosen = list[confusion];
    const looked = useJob(isKnown && chosen ? JSON.stringify([modelId, confusion]) : undefined, (signal) => api.confusions({ model: modelId, confusion }, signal));
    if (model && !isKnown) {
        return (
            <div class="view">
                <section class="view-main" aria-label="Confusions">
                    <h2>Which classes does this network take for which?</h2>
                    <p>An evaluation tells, on photographs whose classes you know:</p>
                    <pre>deepinside evaluate classification --ground-truth FILE --details results.jsonl{"\n"}deepinside serve --confusions results.jsonl</pre>
                </section>
            </div>
        );
    }
    return (
        <div class="view">
            <section class="view-main" aria-label="The photographs of one confusion">
                <Busy isBusy={all.isRunning || looked.isRunning} label="Drawing photographs" />
                <JobWorking job={looked} label="Drawing photographs" />
                <ErrorNote error={all.error ?? looked.error} retry={all.error ? all.retry : looked.retry} />
                {all.result && list.length === 0 && <p>None of {all.result.photographs} photographs is taken for another class.</p>}
                {chosen && (
                    <>
                        <h2>
                            {chosen.class} taken for {chosen.named}
                        </h2>
                        <p class="hint">
                            {chosen.count} of {chosen.of} photographs of the class; those first for which the network finds the most other classes more probable. {looked.result?.method} of the
                            difference of the two scores: what speaks for {chosen.named} and against {chosen.class}.
                        </p>
                        <Segments label="What is shown of each" value={shown} options={SHOWS} onChange={show} />
                        <ol class="confusion-photographs">
                            {looked.result?.worst.map(({ photograph, rank, drawn }) => (
                                <li key={photograph}>
                                    {drawn ? (
                                        <img src={shown === "margin" ? drawn.margin : drawn.picture} alt={shown === "margin" ? `What in ${photograph} speaks for ${chosen.named}` : photograph} />
                                    ) : (
                                        <p class="hint">cannot be read any more</p>
                                    )}
                                    <p title={photograph}>{photograph}</p>
                                    <p class="hint">{rank === 1 ? "one class is" : `${rank} classes are`} more probable</p>
                                </li>
                            ))}
                        </ol>
                    </>
                )}
            </section>
            {all.result && list.length > 0 && (
                <aside class="panel" aria-label="All confusions">
                    <p class="hint">
                        {all.result.wrong} of {all.result.photographs} photographs ({percent(all.result.wrong / Math.max(1, all.result.photographs))}) are taken for another class.
                    </p>
                    <table class="confusions">
                        <thead>
                            <tr>
                                <th scope="col">shown</th>
                                <th scope="col">taken for</th>
                                <th scope="col">times</th>
                            </tr>
                        </thead>
                        <tbody>
                            {list.map((entry, index) => (
                                <Row key={index} entry={entry} index={index} isChosen={index === confusion} onChoose={() => set({ confusion: index })} />
                            ))}
                        </tbody>
                    </table>
                </aside>
            )}
        </div>
    );
}

function Row({ entry, index, isChosen, onChoose }: { readonly entry: ConfusionInfo; readonly index: number; readonly isChosen: boolean; readonly onChoose: () => void }) {
    const choose = (event: Event) => {
        event.preventDefault();
        onChoose();
    };
    return (
        <tr aria-current={isChosen ? "true" : undefined}>
            <td>
                <a href={address("confusions", { confusion: String(index) })} onClick={choose}>
                    {entry.class}
                </a>
            </td>
            <td>{entry.named}</td>
            <td>
                {entry.count} of {entry.of}
            </td>
        </tr>
    );
}

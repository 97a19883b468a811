// What `deepinside report` says of methods: measurements of each map beside maps that know nothing of the network, and a verdict.

import { Fragment } from "preact";
import { useMemo } from "preact/hooks";
import { api } from "../api";
import type { MapFaithfulness, Numbers, ReportAnswer } from "../api-types";
import { decodeMap, shownRange, sizes } from "../arrays";
import type { ColourMap } from "../colour-maps";
import { useCurrent } from "../current";
import { useJob } from "../hooks";
import { nameOfFile, withPhotograph } from "../uploads";
import { CellPicture, type Cell } from "./cell-picture";
import { named } from "./command-line";
import { Busy } from "./controls";
import { ErrorNote } from "./error-note";
import { JobWorking } from "./working";

interface Measured {
    readonly name: string;
    readonly title: string;
    /** As the command line's `--method` takes it. */
    readonly asked: string;
    /** Whether its map takes a second or so of a small network. */
    readonly isQuick: boolean;
}

/** The methods of a report, with the numbers of samples that the command line takes. */
export const MEASURED: readonly Measured[] = [
    { name: "gradient", title: "Gradient", asked: "gradient", isQuick: true },
    { name: "smooth-grad", title: "SmoothGrad, 25 copies", asked: "smooth-grad:samples=25", isQuick: false },
    { name: "integrated-gradients", title: "Integrated gradients, 50 points", asked: "integrated-gradients:steps=50", isQuick: false },
    { name: "guided", title: "Guided", asked: "guided", isQuick: true },
    { name: "grad-cam", title: "Grad-CAM", asked: "grad-cam", isQuick: true },
    { name: "layer-cam", title: "LayerCAM", asked: "layer-cam", isQuick: true },
    { name: "score-cam", title: "Score-CAM", asked: "score-cam", isQuick: false },
    { name: "occlusion", title: "Occlusion", asked: "occlusion", isQuick: false },
    { name: "rise", title: "RISE, 1000 masks", asked: "rise:samples=1000", isQuick: false },
    { name: "kernel-shap", title: "Kernel SHAP, 300 samples", asked: "kernel-shap:samples=300", isQuick: false },
];

const BRIGHTEST = 0.99;

interface MeasuredCardsProps {
    /** The methods as the command line takes them, with spaces between. */
    readonly wanted: string;
    /** The class. */
    readonly target: number | undefined;
    readonly colours: ColourMap;
    readonly isOver: boolean;
}

export function MeasuredCards({ wanted, target, colours, isOver }: MeasuredCardsProps) {
    const { modelId, photographId } = useCurrent();
    const methods = wanted.split(" ").filter(Boolean);
    const key = methods.length && photographId && target !== undefined ? JSON.stringify([modelId, photographId, target, methods]) : undefined;
    const report = useJob(
        key,
        (signal) => withPhotograph(photographId, () => api.report({ model: modelId, photograph: photographId, target: String(target), methods }, signal)),
        400,
    );
    if (key === undefined) return null;
    return (
        <section class="report measured" aria-label="Measured maps" tabIndex={0}>
            <h2 class="small-heading">Does each map deserve belief?</h2>
            <Busy isBusy={report.isRunning} label="Measuring the maps" />
            <JobWorking job={report} label="Measuring the maps" />
            <ErrorNote error={report.error} retry={report.retry} />
            {report.result && <Cards report={report.result} colours={colours} isOver={isOver} />}
        </section>
    );
}

function Cards({ report, colours, isOver }: { readonly report: ReportAnswer; readonly colours: ColourMap; readonly isOver: boolean }) {
    const { photographId } = useCurrent();
    return (
        <>
            <p class="hint">
                {report.title}; deletion and insertion measure {report.measured}.
            </p>
            <div class="measured-holder" tabIndex={0} role="region" aria-label="Measurements of every map">
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">Map</th>
                            <th scope="col">Method</th>
                            <th scope="col" class="number" title="The mean while pixels are deleted, those that matter most first; less is better">Deletion</th>
                            <th scope="col" class="number" title="The mean while pixels are inserted; more is better">Insertion</th>
                            <th scope="col" class="number" title="Insertion minus deletion; more is better">Difference</th>
                            <th scope="col" class="number" title="Rank correlation with the map of the network with random weights, from the fewest to all of them; near 1 it does not depend on them">Weights randomised</th>
                            <th scope="col" class="number" title="The largest change under small perturbations of the input">Sensitivity</th>
                            <th scope="col" class="number">Seconds</th>
                        </tr>
                    </thead>
                    <tbody>
                        {report.cards.map((card) => (
                            <Fragment key={card.method}>
                                <tr class="measured-row">
                                    <Picture map={card.map} report={report} colours={colours} isOver={isOver} />
                                    <th scope="row">{card.title}</th>
                                    <Faithful found={card.faithfulness} />
                                    <td class="number">{card.randomised?.map((value) => number(value, 2)).join(", ") ?? "–"}</td>
                                    <td class="number">{number(card.sensitivity, 2)}</td>
                                    <td class="number">{number(card.seconds, 2)}</td>
                                </tr>
                                <Verdict says={[card.verdict, ...card.notes]} />
                            </Fragment>
                        ))}
                        {report.controls.map((control) => (
                            <Fragment key={control.name}>
                                <tr class="measured-row">
                                    <Picture map={control.map} report={report} colours={colours} isOver={isOver} />
                                    <th scope="row">{control.name} map</th>
                                    <Faithful found={control.faithfulness} />
                                    <td class="number">–</td>
                                    <td class="number">–</td>
                                    <td class="number">–</td>
                                </tr>
                                <Verdict says={["It knows nothing of the network."]} />
                            </Fragment>
                        ))}
                    </tbody>
                </table>
            </div>
            {report.notes.map((note) => (
                <p key={note} class="hint">
                    {note}
                </p>
            ))}
            <p class="hint">
                The same as a file: <code>{named(report.command, nameOfFile(photographId))}</code>
            </p>
        </>
    );
}

/** What a number is written as; a dash where it was not measured. */
const number = (value: number | null | undefined, digits = 3): string => (typeof value === "number" ? value.toFixed(digits).replace("-", "−") : "–");

function Faithful({ found }: { readonly found: MapFaithfulness }) {
    return (
        <>
            <td class="number">{number(found.deletion)}</td>
            <td class="number">{number(found.insertion)}</td>
            <td class="number">{number(found.difference)}</td>
        </>
    );
}

/** Sentences below a row's numbers, beside its picture. */
function Verdict({ says }: { readonly says: readonly string[] }) {
    return (
        <tr>
            <td class="verdict" colSpan={7}>
                {says.join(" ")}
            </td>
        </tr>
    );
}

function Picture({ map, report, colours, isOver }: { readonly map: Numbers; readonly report: ReportAnswer; readonly colours: ColourMap; readonly isOver: boolean }) {
    const { photograph } = useCurrent();
    const cell: Cell = useMemo(() => {
        const decoded = decodeMap(map);
        return { map: decoded, region: report.region, seen: [report.region], range: shownRange(decoded.data, sizes(decoded.data), BRIGHTEST) };
    }, [map, report]);
    return <td class="measured-map" rowSpan={2}>{photograph.result && <CellPicture photograph={photograph.result} cell={cell} colours={colours} isOver={isOver} />}</td>;
}

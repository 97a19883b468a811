// Methods beside each other, for several classes, and what can be said of them in numbers.

import { useMemo } from "preact/hooks";
import { api } from "../api";
import type { NamedMethod } from "../api-types";
import { decodeMap, shownRange, sizes } from "../arrays";
import { COLOUR_MAPS, type ColourMap } from "../colour-maps";
import { CellPicture, drawCell, type Cell } from "../components/cell-picture";
import { ClassPicker, useClassNames } from "../components/class-picker";
import { CommandLine } from "../components/command-line";
import { Busy, Group, Select, Toggle } from "../components/controls";
import { ErrorNote } from "../components/error-note";
import { Notes } from "../components/notes";
import { PhotographStrip } from "../components/photograph-strip";
import { MEASURED, MeasuredCards } from "../components/measured-cards";
import { JobWorking } from "../components/working";
import { useCurrent } from "../current";
import { download, downloadCanvas, fileName } from "../download";
import { useJob, type ShownPhotograph } from "../hooks";
import { firstName } from "../label-places";
import { marks, type Marks } from "../report-card";
import { address, change, useSettings } from "../route";
import { withPhotograph } from "../uploads";

interface Offer {
    readonly id: string;
    readonly title: string;
    readonly method: NamedMethod;
    /** The settings of the view Saliency that give the same map. */
    readonly saliency: Readonly<Record<string, string>>;
}

const OFFERS: readonly Offer[] = [
    { id: "gradient", title: "Gradient", method: { name: "gradient", rule: "gradient" }, saliency: {} },
    { id: "deconvnet", title: "DeconvNet", method: { name: "deconvnet", rule: "deconvnet" }, saliency: { rule: "deconvnet" } },
    { id: "guided", title: "Guided", method: { name: "guided", rule: "guided" }, saliency: { rule: "guided" } },
    { id: "ten", title: "Gradient, ten crops", method: { name: "ten", rule: "gradient", crops: "ten" }, saliency: { crops: "ten" } },
    { id: "smooth-grad", title: "SmoothGrad, 25 copies", method: { name: "smooth-grad", rule: "gradient", smooth_grad: { samples: 25, noise: 0.15 } }, saliency: { samples: "25", noise: "0.15" } },
    { id: "guided-ten", title: "Guided, ten crops", method: { name: "guided-ten", rule: "guided", crops: "ten" }, saliency: { rule: "guided", crops: "ten" } },
];

const DEFAULTS = { classes: [] as readonly number[], methods: "gradient,deconvnet,guided", measured: "", colours: "inferno", over: false };
const BRIGHTEST = 0.995;

export function CompareView() {
    const { modelId, model, photographId, photograph } = useCurrent();
    const [settings, set] = useSettings(DEFAULTS);
    const wanted = new Set(settings.methods.split(","));
    const measured = new Set(settings.measured.split(" ").filter(Boolean));
    const offers = OFFERS.filter(({ id }) => wanted.has(id));
    const best = useJob(photographId ? JSON.stringify([modelId, photographId]) : undefined, (signal) =>
        withPhotograph(photographId, () => api.classify({ model: modelId, photograph: photographId, top: 5 }, signal)),
    );
    const top = best.result?.top ?? [];
    const classes = settings.classes.length ? settings.classes : top.slice(0, 3).map(({ index }) => index);
    const nameOf = useClassNames(model?.id, classes);
    const key = photographId && classes.length && offers.length ? JSON.stringify([modelId, photographId, classes, offers.map(({ id }) => id)]) : undefined;
    const answer = useJob(
        key,
        async (signal) => ({
            reply: await withPhotograph(photographId, () => api.compare({ model: modelId, photograph: photographId, classes, methods: offers.map(({ method }) => method) }, signal)),
            classes,
            offers,
        }),
        150,
    );
    const objects = useJob(photographId && classes.length ? JSON.stringify([modelId, photographId, classes]) : undefined, (signal) =>
        withPhotograph(photographId, () => api.localise({ model: modelId, photograph: photographId, classes: classes.slice(0, 5) }, signal)),
    );
    const shown = useMemo(() => {
        if (!answer.result || !photograph.result) return undefined;
        const { reply, classes: columns, offers: rows } = answer.result;
        const cells = reply.cells.map((row) =>
            row.map((cell) => {
                const map = decodeMap(cell.map);
                return { map, region: cell.region, seen: cell.seen, range: shownRange(map.data, sizes(map.data), BRIGHTEST), isConstant: cell.is_constant };
            }),
        );
        return { cells, columns, rows };
    }, [answer.result, photograph.result]);
    const card = useMemo(() => {
        if (!shown) return undefined;
        const boxes = shown.columns.map((index) => objects.result?.objects.find((object) => object.index === index)?.box);
        return marks(shown.cells, boxes);
    }, [shown, objects.result]);
    const colours = COLOUR_MAPS.find((name) => name === settings.colours) ?? "inferno";
    const stem = fileName("compare", ...(shown?.columns.map(nameOf) ?? []).slice(0, 3));

    return (
        <div class="view">
            <section class="view-main" aria-label="Methods and classes">
                <Busy isBusy={answer.isRunning} label="Computing the maps" />
                <JobWorking job={answer} label="Computing the maps" />
                <ErrorNote error={photograph.error ?? best.error ?? answer.error} retry={photograph.error ? photograph.retry : best.error ? best.retry : answer.retry} />
                {offers.length === 0 && <p class="notice">Choose at least one method.</p>}
                <Notes notes={answer.result?.reply.notes} />
                {shown && photograph.result && (
                    <div class="matrix-holder" tabIndex={0} role="region" aria-label="Maps of every method for every class">
                        <table class="matrix">
                            <thead>
                                <tr>
                                    <td>
                                        <img class="matrix-photograph" src={photograph.result.image.src} alt="The photograph" />
                                    </td>
                                    {shown.columns.map((index) => (
                                        <th key={index} scope="col" title={nameOf(index)}>
                                            {firstName(nameOf(index))}
                                        </th>
                                    ))}
                                </tr>
                            </thead>
                            <tbody>
                                {shown.rows.map((offer, row) => (
                                    <tr key={offer.id}>
                                        <th scope="row">{offer.title}</th>
                                        {shown.columns.map((index, column) => {
                                            const cell = shown.cells[row]?.[column];
                                            return (
                                                <td key={index}>
                                                    {cell && (
                                                        <a href={address("saliency", { classes: String(index), map: "paper", ...offer.saliency })} aria-label={`${offer.title} for ${nameOf(index)}: open in Saliency`}>
                                                            <CellPicture photograph={photograph.result!} cell={cell} colours={colours} isOver={settings.over} />
                                                        </a>
                                                    )}
                                                    {cell?.isConstant && <small>constant</small>}
                                                </td>
                                            );
                                        })}
                                    </tr>
                                ))}
                            </tbody>
                        </table>
                    </div>
                )}
                {card && shown && <ReportCard card={card} titles={shown.rows.map(({ title }) => title)} first={shown.rows[0]?.title ?? ""} />}
                <MeasuredCards wanted={settings.measured} target={classes[0]} colours={colours} isOver={settings.over} />
            </section>
            <aside class="panel" aria-label="Settings">
                <PhotographStrip chosen={photographId} onChoose={(id) => change({ photograph: id })} />
                <Group title="Methods">
                    {OFFERS.map(({ id, title }) => (
                        <Toggle
                            key={id}
                            label={title}
                            isOn={wanted.has(id)}
                            onChange={(isOn) => set({ methods: OFFERS.map((offer) => offer.id).filter((other) => (other === id ? isOn : wanted.has(other))).join(",") || "none" })}
                        />
                    ))}
                </Group>
                <Group title="Classes">
                    <ClassPicker model={model?.id} most={5} selected={classes} top={top} onChange={(chosen) => set({ classes: chosen })} />
                </Group>
                <Group title="Measured methods" isOpen={settings.measured !== ""}>
                    <p class="hint">Whether a map deserves belief: what happens when the pixels that it marks are deleted and inserted, and when the weights are randomised. It takes a while.</p>
                    {MEASURED.map(({ name, title, asked }) => (
                        <Toggle
                            key={name}
                            label={title}
                            isOn={measured.has(asked)}
                            onChange={(isOn) => set({ measured: MEASURED.map((offer) => offer.asked).filter((other) => (other === asked ? isOn : measured.has(other))).join(" ") })}
                        />
                    ))}
                    <button type="button" class="button button-small" onClick={() => set({ measured: measured.size ? "" : MEASURED.filter(({ isQuick }) => isQuick).map(({ asked }) => asked).join(" ") })}>
                        {measured.size ? "Measure none" : "Measure the quick ones"}
                    </button>
                </Group>
                <Group title="Display">
                    <Select label="Colours" value={colours} options={COLOUR_MAPS.filter((name) => name !== "blue-white-red").map((name) => [name, name] as const)} onChange={(name) => set({ colours: name })} />
                    <Toggle label="Over the photograph" isOn={settings.over} onChange={(over) => set({ over })} />
                </Group>
                <div class="button-row">
                    <button type="button" class="button" disabled={!shown || !card} onClick={() => shown && card && photograph.result && downloadCanvas(drawReport(photograph.result, shown, card, nameOf, colours, model?.name ?? ""), `${stem}.png`)}>
                        Save report card
                    </button>
                    <button
                        type="button"
                        class="button"
                        disabled={!shown || !card}
                        onClick={() => {
                            if (!shown || !card) return;
                            const numbers = { model: model?.id, photograph: photographId, classes: shown.columns.map((index) => ({ index, name: nameOf(index) })), methods: shown.rows.map(({ method }, row) => ({ ...method, ...card[row] })), command: answer.result?.reply.command };
                            download(new Blob([`${JSON.stringify(numbers, null, 2)}\n`], { type: "application/json" }), `${stem}.json`);
                        }}
                    >
                        Save numbers
                    </button>
                </div>
            </aside>
            <CommandLine command={answer.result?.reply.command} />
        </div>
    );
}

const COLUMNS: readonly (readonly [title: string, hint: string, mark: (marks: Marks) => number | undefined])[] = [
    ["Agreement", "Rank correlation with the first method's maps", ({ agreement }) => agreement],
    ["Likeness of classes", "Rank correlation between the maps of different classes: near 1, a method hardly sees which class is asked for", ({ likeness }) => likeness],
    ["Concentration", "Share of the map in its strongest 5 % of pixels, in the part that was seen for all maps", ({ concentration }) => concentration],
    ["In the object", "Share of the map inside the box that Localise finds, in the part that was seen for all maps", ({ inside }) => inside],
];

function ReportCard({ card, titles, first }: { readonly card: readonly Marks[]; readonly titles: readonly string[]; readonly first: string }) {
    return (
        <section class="report" aria-label="Report card" tabIndex={0}>
            <h2 class="small-heading">Report card</h2>
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">Method</th>
                        {COLUMNS.map(([title, hint]) => (
                            <th key={title} scope="col" class="number" title={hint}>
                                {title}
                            </th>
                        ))}
                    </tr>
                </thead>
                <tbody>
                    {card.map((row, index) => (
                        <tr key={titles[index]}>
                            <th scope="row">{titles[index]}</th>
                            {COLUMNS.map(([title, , mark]) => {
                                const value = mark(row);
                                return (
                                    <td key={title} class="number">
                                        {value === undefined ? "–" : value.toFixed(2).replace("-", "−")}
                                        <span class="mark-track" aria-hidden="true">
                                            <span class="mark-bar" style={{ width: `${Math.max(value ?? 0, 0) * 100}%` }} />
                                        </span>
                                    </td>
                                );
                            })}
                        </tr>
                    ))}
                </tbody>
            </table>
            <dl class="report-words">
                {COLUMNS.map(([title, hint]) => (
                    <div key={title}>
                        <dt>{title}</dt>
                        <dd>{title === "Agreement" ? hint.replace("the first method's", `${first}'s`) : hint}.</dd>
                    </div>
                ))}
            </dl>
        </section>
    );
}

/** The matrix and the report card as one picture on white, for a paper or a slide. */
function drawReport(
    photograph: ShownPhotograph,
    shown: { readonly cells: readonly (readonly Cell[])[]; readonly columns: readonly number[]; readonly rows: readonly Offer[] },
    card: readonly Marks[],
    nameOf: (index: number) => string,
    colours: ColourMap,
    model: string,
): HTMLCanvasElement {
    const [size, gap, side, head] = [220, 12, 190, 150];
    const marksWidth = 4 * 92;
    const canvas = document.createElement("canvas");
    canvas.width = side + shown.columns.length * (size + gap) + marksWidth + gap;
    canvas.height = head + shown.rows.length * (size + gap) + 34;
    const context = canvas.getContext("2d");
    if (!context) return canvas;
    const write = (text: string, x: number, y: number, font: string, most: number) => {
        context.font = font;
        context.fillText(text, x, y, most);
    };
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = "#1c1d1f";
    const scale = Math.min((side - 2 * gap) / photograph.width, (head - 2 * gap) / photograph.height);
    context.drawImage(photograph.image, gap, gap, photograph.width * scale, photograph.height * scale);
    shown.columns.forEach((index, column) => write(firstName(nameOf(index)), side + column * (size + gap), head - gap, "600 16px sans-serif", size));
    const marksLeft = side + shown.columns.length * (size + gap);
    COLUMNS.forEach(([title], column) => title.split(" ").forEach((word, line, words) => write(word, marksLeft + column * 92, head - gap - (words.length - 1 - line) * 16, "13px sans-serif", 88)));
    shown.rows.forEach(({ title }, row) => {
        const y = head + row * (size + gap);
        write(title, gap, y + size / 2, "600 16px sans-serif", side - 2 * gap);
        shown.cells[row]?.forEach((cell, column) => {
            const ratio = Math.min(size / photograph.width, size / photograph.height);
            drawCell(context, photograph, cell, colours, false, side + column * (size + gap), y, photograph.width * ratio, photograph.height * ratio);
        });
        COLUMNS.forEach(([, , mark], column) => write(mark(card[row]!)?.toFixed(2) ?? "–", marksLeft + column * 92, y + size / 2, "20px sans-serif", 88));
    });
    context.fillStyle = "#5a5a57";
    write(`${model} · deepinside`, gap, canvas.height - 14, "13px sans-serif", canvas.width - 2 * gap);
    return canvas;
}

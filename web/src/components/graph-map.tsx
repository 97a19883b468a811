// The network as a drawing that is moved and magnified. With the keyboard: arrow keys go from block to block, plus and minus
// magnify, Enter opens.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { GraphAnswer } from "../api-types";
import { BLOCK_HEIGHT, BLOCK_WIDTH, type Block, type Layout } from "../graph-layout";

interface GraphMapProps {
    readonly graph: GraphAnswer;
    readonly layout: Layout;
    readonly chosen: string;
    readonly onChoose: (value: string) => void;
}

interface Sight {
    readonly x: number;
    readonly y: number;
    readonly scale: number;
}

const [SMALLEST, LARGEST] = [0.08, 2.5];

/** Families of operators, which have a colour each. */
function family(operator: string): string {
    if (/^(conv|depthwise|deconv|transposed)/i.test(operator)) return "convolution";
    if (/pool/i.test(operator)) return "pooling";
    if (/^(fullyconnected|innerproduct|gemm|matmul|linear|product)/i.test(operator.replaceAll(/[ _-]/g, ""))) return "dense";
    if (/^(concat|sum|add|eltwise|mul|split|slice)/i.test(operator)) return "joining";
    if (/^input/i.test(operator)) return "input";
    return "other";
}

/** An operator in as few letters as it is understood with. */
export function brief(operator: string): string {
    const plain = operator.replace(/ (stride|pad|dilation|group|axis)s?\b.*/, "");
    return shorten(plain.replace(/^BatchNormalization.*/, "BatchNorm").replace(/^Convolution/, /group/.test(operator) ? "Grouped" : "Conv").replace(/^FullyConnected/, "Dense"), 17);
}

function shorten(text: string, length: number): string {
    return text.length <= length ? text : `${text.slice(0, Math.ceil(length / 2) - 1)}…${text.slice(-Math.floor(length / 2))}`;
}

export function GraphMap({ graph, layout, chosen, onChoose }: GraphMapProps) {
    const shapes = useMemo(() => new Map(graph.values.map(({ name, shape }) => [name, shape])), [graph]);
    const holder = useRef<HTMLDivElement>(null);
    const [sight, setSight] = useState<Sight>({ x: 0, y: 0, scale: 1 });
    const [query, setQuery] = useState("");
    const [focused, setFocused] = useState("");
    const drag = useRef<{ readonly pointers: Map<number, readonly [number, number]>; moved: boolean }>({ pointers: new Map(), moved: false });
    const blockOf = (value: string): Block | undefined => layout.blocks.find(({ values }) => values.includes(value));
    const chosenBlock = blockOf(chosen);
    const found = query ? layout.blocks.filter(({ name, values, operators }) => [name, ...values, ...operators].some((text) => text.toLowerCase().includes(query.toLowerCase()))) : [];

    const extent = (): readonly [number, number] => [holder.current?.clientWidth ?? 400, holder.current?.clientHeight ?? 400];
    const placed = (block: { x: number; y: number }, scale: number): Sight => {
        const [width, height] = extent();
        // No empty space above the first block, nor below the last, where there is more than fits.
        const lowest = Math.min(12, height - layout.height * scale - 12);
        return { scale, x: width / 2 - block.x * scale, y: Math.min(Math.max(height / 2 - block.y * scale, lowest), 12) };
    };
    const centre = (block: { x: number; y: number }, scale: number) => setSight(placed(block, scale));
    const fitWidth = () => {
        const [width] = extent();
        const scale = Math.min(Math.max(Math.min((width - 24) / layout.width, 1), SMALLEST), LARGEST);
        setSight({ scale, x: (width - layout.width * scale) / 2, y: 12 });
    };
    // A network begins at its top, or where the chosen block is.
    useLayoutEffect(() => {
        fitWidth();
        const [width] = extent();
        if (chosenBlock) centre(chosenBlock, Math.min(Math.max((width - 24) / layout.width, 0.6), 1));
    }, [layout]);
    // What was chosen elsewhere comes into sight, and stays there when the drawing's place becomes smaller.
    const isFirst = useRef(true);
    const keepInSight = () =>
        setSight((seen) => {
            if (!chosenBlock) return seen;
            const [width, height] = extent();
            const [x, y] = [chosenBlock.x * seen.scale + seen.x, chosenBlock.y * seen.scale + seen.y];
            const [across, down] = [Math.min((BLOCK_WIDTH / 2) * seen.scale, width / 2), Math.min((BLOCK_HEIGHT / 2) * seen.scale, height / 2)];
            const isInSight = x >= across && x <= width - across && y >= down && y <= height - down;
            return isInSight ? seen : placed(chosenBlock, Math.max(seen.scale, 0.6));
        });
    useLayoutEffect(() => {
        if (!isFirst.current) keepInSight();
        isFirst.current = false;
    }, [chosen]);
    const keeping = useRef(keepInSight);
    keeping.current = keepInSight;
    useEffect(() => {
        if (!holder.current) return undefined;
        const observer = new ResizeObserver(() => keeping.current());
        observer.observe(holder.current);
        return () => observer.disconnect();
    }, []);

    const zoom = (factor: number, x = extent()[0] / 2, y = extent()[1] / 2) =>
        setSight((before) => {
            const scale = Math.min(Math.max(before.scale * factor, SMALLEST), LARGEST);
            const ratio = scale / before.scale;
            return { scale, x: x - (x - before.x) * ratio, y: y - (y - before.y) * ratio };
        });
    useEffect(() => {
        const element = holder.current;
        if (!element) return undefined;
        // Not passive, since the page itself must not scroll along.
        const onWheel = (event: WheelEvent) => {
            event.preventDefault();
            const frame = element.getBoundingClientRect();
            if (event.ctrlKey || event.metaKey) zoom(Math.exp(-event.deltaY / 150), event.clientX - frame.left, event.clientY - frame.top);
            else setSight((before) => ({ ...before, x: before.x - event.deltaX, y: before.y - event.deltaY }));
        };
        element.addEventListener("wheel", onWheel, { passive: false });
        return () => element.removeEventListener("wheel", onWheel);
    }, []);

    const onPointerDown = (event: PointerEvent) => {
        drag.current.pointers.set(event.pointerId, [event.clientX, event.clientY]);
        drag.current.moved = false;
    };
    const onPointerMove = (event: PointerEvent) => {
        const { pointers } = drag.current;
        const before = pointers.get(event.pointerId);
        if (!before) return;
        const [dx, dy] = [event.clientX - before[0], event.clientY - before[1]];
        if (!drag.current.moved && Math.hypot(dx, dy) < 4) return;
        if (!drag.current.moved) holder.current?.setPointerCapture(event.pointerId);
        drag.current.moved = true;
        const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
        if (other) {
            const frame = holder.current!.getBoundingClientRect();
            const spread = (point: readonly [number, number]) => Math.max(Math.hypot(point[0] - other[0], point[1] - other[1]), 1);
            zoom(spread([event.clientX, event.clientY]) / spread(before), (event.clientX + other[0]) / 2 - frame.left, (event.clientY + other[1]) / 2 - frame.top);
        } else setSight((seen) => ({ ...seen, x: seen.x + dx, y: seen.y + dy }));
        pointers.set(event.pointerId, [event.clientX, event.clientY]);
    };
    const onPointerUp = (event: PointerEvent) => void drag.current.pointers.delete(event.pointerId);

    const choose = (block: Block) => {
        // A drag that ends on a block does not choose it.
        if (!drag.current.moved) onChoose(block.values.includes(chosen) ? chosen : block.value);
    };
    const onKeyDown = (event: KeyboardEvent) => {
        const block = layout.blocks.find(({ value }) => value === focused) ?? chosenBlock ?? layout.blocks[0];
        if (!block) return;
        if (event.key === "+" || event.key === "=") return zoom(1.25);
        if (event.key === "-") return zoom(0.8);
        if (event.key === "Enter" || event.key === " ") {
            event.preventDefault();
            drag.current.moved = false;
            return choose(block);
        }
        const next = neighbour(layout.blocks, layout.edges, block, event.key);
        if (!next) return;
        event.preventDefault();
        setFocused(next.value);
        centre(next, Math.max(sight.scale, 0.6));
    };
    const current = layout.blocks.find(({ value }) => value === focused) ?? chosenBlock ?? layout.blocks[0];
    const transform = `translate(${sight.x} ${sight.y}) scale(${sight.scale})`;
    return (
        <div class="graph">
            <div class="graph-tools">
                <input
                    type="search"
                    aria-label="Search the network's layers"
                    placeholder={`Search ${layout.blocks.length} layers`}
                    value={query}
                    onInput={(event) => setQuery(event.currentTarget.value)}
                    onKeyDown={(event) => {
                        if (event.key !== "Enter" || found.length === 0) return;
                        const next = found[(found.findIndex(({ value }) => value === focused) + 1) % found.length]!;
                        setFocused(next.value);
                        centre(next, Math.max(sight.scale, 0.8));
                    }}
                />
                <button type="button" class="button button-icon" aria-label="Magnify the network" onClick={() => zoom(1.3)}>
                    +
                </button>
                <button type="button" class="button button-icon" aria-label="Show more of the network" onClick={() => zoom(1 / 1.3)}>
                    −
                </button>
                <button type="button" class="button" onClick={fitWidth}>
                    Top
                </button>
            </div>
            <div
                ref={holder}
                class="graph-holder"
                tabIndex={0}
                role="listbox"
                aria-label="The network's layers. Arrow keys go from layer to layer, Enter shows one."
                aria-activedescendant={current ? blockId(current) : undefined}
                onKeyDown={onKeyDown}
                onPointerDown={onPointerDown}
                onPointerMove={onPointerMove}
                onPointerUp={onPointerUp}
                onPointerCancel={onPointerUp}
            >
                <svg class="graph-drawing" role="presentation">
                    <g transform={transform} role="presentation">
                        {layout.edges.map(({ from, to, points }) => (
                            <path key={`${from} ${to}`} class={`graph-edge ${chosenBlock && (from === chosenBlock.value || to === chosenBlock.value) ? "graph-edge-near" : ""}`} d={route(points)} role="presentation" />
                        ))}
                        {layout.blocks.map((block) => {
                            const [operator = ""] = block.operators;
                            // The chosen block has the name that was chosen: one of several values that it computes.
                            const value = block === chosenBlock ? chosen : block.value;
                            const shape = shapes.get(value);
                            const isFound = found.includes(block);
                            const classes = ["graph-block", `graph-${family(operator)}`, block === chosenBlock ? "graph-chosen" : "", block.value === focused ? "graph-focused" : "", isFound ? "graph-found" : query ? "graph-unfound" : ""];
                            return (
                                <g
                                    key={block.value}
                                    class={classes.join(" ")}
                                    role="presentation"
                                    transform={`translate(${block.x - BLOCK_WIDTH / 2} ${block.y - BLOCK_HEIGHT / 2})`}
                                    onClick={() => choose(block)}
                                >
                                    <rect
                                        id={blockId(block)}
                                        role="option"
                                        aria-selected={block === chosenBlock}
                                        aria-label={`${value}: ${block.operators.join(", ")}, ${shape ? shape.slice(1).join(" × ") : ""}`}
                                        width={BLOCK_WIDTH}
                                        height={BLOCK_HEIGHT}
                                        rx="5"
                                    />
                                    <rect class="graph-stripe" aria-hidden="true" width="4" height={BLOCK_HEIGHT} rx="2" />
                                    <text x="13" y="17" aria-hidden="true">
                                        {shorten(value, 22)}
                                        <title>{`${value}: ${block.operators.join(", ")}`}</title>
                                    </text>
                                    <text class="graph-detail" x="13" y="32" aria-hidden="true">
                                        {brief(operator)}
                                    </text>
                                    <text class="graph-detail" x={BLOCK_WIDTH - 8} y="32" text-anchor="end" aria-hidden="true">
                                        {shape?.slice(1).join("×")}
                                    </text>
                                </g>
                            );
                        })}
                    </g>
                </svg>
            </div>
            <p class="hint graph-hint">
                {query ? `${found.length} found; Enter goes to the next.` : "Drag to move, Ctrl and wheel or + and − to magnify; arrow keys walk along the network."}
            </p>
        </div>
    );
}

function blockId(block: Block): string {
    return `block-${block.value.replaceAll(/\s/g, "_")}`;
}

/** A line through the points that leaves and enters every block straight up or down. */
function route(points: readonly (readonly [number, number])[]): string {
    return points
        .map(([x, y], index) => {
            const before = points[index - 1];
            if (!before) return `M${x} ${y}`;
            const middle = (before[1] + y) / 2;
            return x === before[0] ? `L${x} ${y}` : `C${before[0]} ${middle} ${x} ${middle} ${x} ${y}`;
        })
        .join("");
}

/** Down and up along the network's edges, left and right within a layer. */
function neighbour(blocks: readonly Block[], edges: readonly { from: string; to: string }[], block: Block, key: string): Block | undefined {
    const nearest = (candidates: readonly Block[]) => [...candidates].sort((a, b) => Math.abs(a.x - block.x) - Math.abs(b.x - block.x))[0];
    const named = (names: readonly string[]) => blocks.filter(({ value }) => names.includes(value));
    switch (key) {
        case "ArrowDown":
            return nearest(named(edges.filter(({ from }) => from === block.value).map(({ to }) => to)));
        case "ArrowUp":
            return nearest(named(edges.filter(({ to }) => to === block.value).map(({ from }) => from)));
        case "ArrowLeft":
            return nearest(blocks.filter(({ layer, x }) => layer === block.layer && x < block.x));
        case "ArrowRight":
            return nearest(blocks.filter(({ layer, x }) => layer === block.layer && x > block.x));
        case "Home":
            return blocks[0];
        case "End":
            return blocks.at(-1);
        default:
            return undefined;
    }
}

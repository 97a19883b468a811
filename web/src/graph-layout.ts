// Where the network's nodes are drawn: values flow from top to bottom, in layers by their longest way from the input. Edges that
// skip layers get a place in each layer they pass, so that residual branches run beside what they skip and do not cross it.
// (The layered method of Sugiyama, Tagawa and Toda 1981: layers, order within them by medians, then places.)

import type { GraphAnswer, NodeInfo } from "./api-types";

export interface Block {
    /** The value that the block computes in the end. */
    readonly value: string;
    /** All values computed inside, the last one last. */
    readonly values: readonly string[];
    /** The operators inside, the main one first. */
    readonly operators: readonly string[];
    readonly name: string;
    readonly x: number;
    readonly y: number;
    readonly layer: number;
}

export interface Edge {
    readonly from: string;
    readonly to: string;
    readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Layout {
    readonly blocks: readonly Block[];
    readonly edges: readonly Edge[];
    readonly width: number;
    readonly height: number;
}

export const BLOCK_WIDTH = 176;
export const BLOCK_HEIGHT = 40;
const [GAP, LANE, ROW] = [22, 20, 62];

/** What follows its operand number by number and is drawn in one block with it. */
const FOLDED = /^(relu|clip|prelu|leakyrelu|sigmoid|swish|hardswish|hardsigmoid|tanh|elu|gelu|silu|batchnorm|scale|affine|bias|dropout|identity|power|exp|log|abs)/i;

interface Cell {
    readonly name: string;
    readonly width: number;
    /** Undefined where an edge passes. */
    readonly block?: Omit<Block, "x" | "y" | "layer">;
    readonly layer: number;
    readonly above: Cell[];
    readonly below: Cell[];
    x: number;
    order: number;
}

/** Chains of a node and what only follows it number by number. */
export function fold(graph: GraphAnswer): { block: Omit<Block, "x" | "y" | "layer">; inputs: readonly string[] }[] {
    const readers = new Map<string, NodeInfo[]>();
    for (const node of graph.nodes) for (const input of node.inputs) readers.set(input, [...(readers.get(input) ?? []), node]);
    const taken = new Set<NodeInfo>();
    return graph.nodes.flatMap((node) => {
        if (taken.has(node)) return [];
        const chain = [node];
        for (;;) {
            const last = chain.at(-1)!;
            const following = last.outputs.length === 1 ? (readers.get(last.outputs[0]!) ?? []) : [];
            const next = following[0];
            if (following.length !== 1 || !next || next.inputs.length !== 1 || !FOLDED.test(next.operator)) break;
            chain.push(next);
        }
        for (const member of chain) taken.add(member);
        const values = chain.flatMap(({ outputs }) => outputs);
        return [{ block: { value: values.at(-1) ?? node.name, values, operators: chain.map(({ operator }) => operator), name: node.name }, inputs: node.inputs }];
    });
}

export function layOut(graph: GraphAnswer): Layout {
    const computed = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
    const fed = [...new Set(graph.nodes.flatMap(({ inputs }) => inputs))].filter((name) => !computed.has(name) && graph.values.some((value) => value.name === name));
    const sources = fed.map((name) => ({ block: { value: name, values: [name], operators: ["Input"], name }, inputs: [] as readonly string[] }));
    const folded = [...sources, ...fold(graph)];

    const cells = new Map<string, Cell>();
    const layers: Cell[][] = [];
    const place = (cell: Cell) => (layers[cell.layer] ??= []).push(cell);
    const parents = new Map<Cell, Set<Cell>>();
    for (const { block, inputs } of folded) {
        const above = new Set(inputs.flatMap((name) => cells.get(name) ?? []));
        const layer = Math.max(-1, ...[...above].map((parent) => parent.layer)) + 1;
        const cell: Cell = { name: block.value, width: BLOCK_WIDTH, block, layer, above: [], below: [], x: 0, order: 0 };
        for (const value of block.values) cells.set(value, cell);
        parents.set(cell, above);
        place(cell);
    }
    const routes: { from: Cell; to: Cell; passes: Cell[] }[] = [];
    for (const [cell, above] of parents) {
        for (const parent of above) {
            const passes: Cell[] = [];
            let before = parent;
            for (let layer = parent.layer + 1; layer < cell.layer; layer++) {
                const pass: Cell = { name: "", width: LANE, layer, above: [before], below: [], x: 0, order: 0 };
                before.below.push(pass);
                passes.push(pass);
                place(pass);
                before = pass;
            }
            before.below.push(cell);
            cell.above.push(before);
            routes.push({ from: parent, to: cell, passes });
        }
    }
    arrange(layers);

    const blocks = [...new Set(cells.values())].flatMap((cell) => (cell.block ? [{ ...cell.block, x: cell.x, y: cell.layer * ROW + BLOCK_HEIGHT / 2, layer: cell.layer }] : []));
    const edges = routes.map(({ from, to, passes }) => ({
        from: from.name,
        to: to.name,
        points: [
            [from.x, from.layer * ROW + BLOCK_HEIGHT] as const,
            ...passes.flatMap((pass) => [[pass.x, pass.layer * ROW] as const, [pass.x, pass.layer * ROW + BLOCK_HEIGHT] as const]),
            [to.x, to.layer * ROW] as const,
        ],
    }));
    const left = Math.min(0, ...layers.flat().map((cell) => cell.x - cell.width / 2));
    const right = Math.max(0, ...layers.flat().map((cell) => cell.x + cell.width / 2));
    return {
        blocks: blocks.map((block) => ({ ...block, x: block.x - left })),
        edges: edges.map((edge) => ({ ...edge, points: edge.points.map(([x, y]) => [x - left, y] as const) })),
        width: right - left,
        height: (layers.length - 1) * ROW + BLOCK_HEIGHT,
    };
}

function median(numbers: readonly number[]): number {
    const ascending = [...numbers].sort((a, b) => a - b);
    const middle = ascending.length >> 1;
    return ascending.length % 2 ? ascending[middle]! : (ascending[middle - 1]! + ascending[middle]!) / 2;
}

function arrange(layers: readonly Cell[][]): void {
    for (const layer of layers) layer.forEach((cell, index) => (cell.order = index));
    // Order: each layer after the medians of the one before, down and up in turn.
    for (let sweep = 0; sweep < 8; sweep++) {
        const isDown = sweep % 2 === 0;
        for (const layer of isDown ? layers : [...layers].reverse()) {
            const wish = new Map(layer.map((cell) => {
                const neighbours = isDown ? cell.above : cell.below;
                return [cell, neighbours.length ? median(neighbours.map(({ order }) => order)) : cell.order];
            }));
            // Of equals, blocks stand left of what passes.
            layer.sort((a, b) => wish.get(a)! - wish.get(b)! || Number(!a.block) - Number(!b.block) || a.order - b.order);
            layer.forEach((cell, index) => (cell.order = index));
        }
    }
    // Places: side by side, then each drawn towards the median of its neighbours as far as those beside it allow.
    for (const layer of layers) {
        const total = layer.reduce((sum, cell) => sum + cell.width + GAP, -GAP);
        let x = -total / 2;
        for (const cell of layer) {
            cell.x = x + cell.width / 2;
            x += cell.width + GAP;
        }
    }
    for (let sweep = 0; sweep < 12; sweep++) {
        const isDown = sweep % 2 === 0;
        for (const layer of isDown ? layers : [...layers].reverse()) {
            const wishes = layer.map((cell) => {
                const neighbours = isDown ? cell.above : cell.below;
                return neighbours.length ? median(neighbours.map(({ x }) => x)) : cell.x;
            });
            settle(layer, wishes);
        }
    }
}

/** The places nearest to the wishes (least squares) that keep order and gaps: neighbours that would collide move as one group. */
function settle(layer: readonly Cell[], wishes: readonly number[]): void {
    const offsets: number[] = [];
    layer.forEach((cell, index) => {
        const before = layer[index - 1];
        offsets.push(before ? offsets[index - 1]! + (before.width + cell.width) / 2 + GAP : 0);
    });
    const groups: { sum: number; count: number }[] = [];
    wishes.forEach((wish, index) => {
        groups.push({ sum: wish - offsets[index]!, count: 1 });
        while (groups.length > 1) {
            const [before, last] = [groups.at(-2)!, groups.at(-1)!];
            if (before.sum / before.count <= last.sum / last.count) break;
            groups.splice(-2, 2, { sum: before.sum + last.sum, count: before.count + last.count });
        }
    });
    let index = 0;
    for (const { sum, count } of groups) for (let member = 0; member < count; member++, index++) layer[index]!.x = sum / count + offsets[index]!;
}

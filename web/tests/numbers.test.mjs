// The page's own arithmetic, against definitions and known values.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { createServer } from "vite";

let vite, arrays, colourMaps, labels, layout, report, recipe;

before(async () => {
    vite = await createServer({ root: new URL("..", import.meta.url).pathname, server: { middlewareMode: true, hmr: false, ws: false }, appType: "custom", logLevel: "error" });
    [arrays, colourMaps, labels, layout, report, recipe] = await Promise.all(["arrays", "colour-maps", "label-places", "graph-layout", "report-card", "recipe"].map((name) => vite.ssrLoadModule(`/src/${name}.ts`)));
});
after(() => vite.close());

test("means of scores are shown from the least of them", () => {
    const range = (...numbers) => { const data = Float32Array.of(...numbers); return arrays.shownRange(data, arrays.sizes(data), 1); };
    const [least, most] = [Math.fround(0.9), Math.fround(0.98)];
    assert.deepEqual(range(0.9, 0.92, 0.98), { low: least, high: most });
    assert.deepEqual(range(0.4, 0.92, 0.98), { low: 0, high: most });
    assert.deepEqual(range(0.9, 0.9), { low: 0, high: least });
});

test("arrays arrive as they were sent", () => {
    const bytes = Buffer.alloc(24);
    [1.5, -2, 0, 3e-8, Infinity, 7].forEach((value, index) => bytes.writeFloatLE(value, 4 * index));
    const array = arrays.decode({ shape: [2, 1, 3], type: "float32", data: bytes.toString("base64") });
    assert.deepEqual([...array.data], [1.5, -2, 0, Math.fround(3e-8), Infinity, 7]);
    assert.deepEqual([...arrays.plane(array, 1).data], [Math.fround(3e-8), Infinity, 7]);
    assert.throws(() => arrays.decode({ shape: [7], type: "float32", data: bytes.toString("base64") }), /6 numbers instead of 7|7 arrived with 6/);
});

test("a .npy file has the header that NumPy's format 1.0 asks for", () => {
    for (const [shape, written] of [[[2, 3], "(2, 3)"], [[6], "(6,)"]]) {
        const file = Buffer.from(arrays.npy({ shape, data: Float32Array.of(0, 1, 2, 3, 4, 5.5) }));
        assert.deepEqual([...file.subarray(0, 8)], [0x93, ...Buffer.from("NUMPY"), 1, 0]);
        const length = file.readUInt16LE(8);
        assert.equal((10 + length) % 64, 0);
        const header = file.subarray(10, 10 + length).toString("latin1");
        assert.match(header, /^\{'descr': '<f4', 'fortran_order': False, 'shape': .*, \} *\n$/);
        assert.ok(header.includes(`'shape': ${written}`), header);
        assert.equal(file.readFloatLE(10 + length + 20), 5.5);
        assert.equal(file.length, 10 + length + 24);
    }
});

test("quantiles and ranks of known numbers", () => {
    const ascending = arrays.sorted(Float32Array.of(5, 1, 4, 2, 3));
    assert.deepEqual([0, 0.25, 0.5, 1].map((share) => arrays.quantile(ascending, share)), [1, 2, 3, 5]);
    assert.deepEqual([0, 1, 3.5, 9].map((value) => arrays.rank(ascending, value)), [0, 0, 0.6, 1]);
});

test("what is zero does not set the scale of colours", () => {
    // numpy.quantile of all thousand numbers at 0.9 is 0; of the eleven that are not zero it is 10.
    const sparse = Float32Array.from({ length: 1000 }, (_, index) => (index < 989 ? 0 : index % 2 ? index - 988 : 988 - index));
    assert.equal(arrays.quantile(arrays.sizes(sparse), 0.9), 10);
    assert.equal(arrays.quantile(arrays.sizes(Float32Array.of(0, NaN, -3)), 0.5), 3);
    assert.equal(arrays.quantile(arrays.sizes(new Float32Array(9)), 0.995), 0);
});

test("the part of a map that is not zero is found", () => {
    const data = new Float32Array(5 * 7);
    assert.equal(arrays.extent({ height: 5, width: 7, data }), undefined);
    for (const [row, column] of [[1, 4], [3, 2], [2, 3]]) data[row * 7 + column] = -0.5;
    assert.deepEqual(arrays.extent({ height: 5, width: 7, data }), { rows: [1, 4], columns: [2, 5] });
});

test("viridis and inferno are the published tables within two levels", () => {
    // Entries 0, 37, 100, 128, 200, 255 of the tables of 256 by van der Walt and Smith.
    const published = {
        viridis: [[68, 1, 84], [70, 51, 127], [42, 118, 142], [33, 145, 140], [112, 207, 87], [253, 231, 37]],
        inferno: [[0, 0, 4], [41, 11, 85], [144, 37, 104], [188, 55, 84], [251, 157, 7], [252, 255, 164]],
    };
    for (const [name, table] of Object.entries(published))
        [0, 37, 100, 128, 200, 255].forEach((entry, index) => {
            const found = colourMaps.colour(name, entry / 255);
            found.forEach((level, channel) => assert.ok(Math.abs(level - table[index][channel]) <= 2, `${name} at ${entry}: ${found}`));
        });
    assert.deepEqual(colourMaps.colour("blue-white-red", 0.5), [255, 255, 255]);
    assert.deepEqual(colourMaps.colour("grey", 0.2), [51, 51, 51]);
    assert.deepEqual(colourMaps.colour("hot", 0), [11, 0, 0]);
});

test("names are cut to the first, stay within the picture and do not overlap", () => {
    assert.equal(labels.firstName("king crab, Alaska crab, Alaskan king crab"), "king crab");
    assert.equal(labels.firstName("tabby"), "tabby");
    const random = seeded(7);
    for (let round = 0; round < 200; round++) {
        const [width, height] = [100 + 900 * random(), 100 + 900 * random()];
        // Boxes nearly over each other, at the edges, flat and narrow.
        const boxes = Array.from({ length: 5 }, () => {
            const [left, top] = [random() < 0.3 ? 0 : width * random() * 0.9, random() < 0.3 ? 0 : height * random() * 0.9];
            return [left, top, left + (width - left) * random(), random() < 0.3 ? height : top + (height - top) * random()];
        });
        const widths = boxes.map(() => 1 + 20 * random());
        const areas = labels.placeLabels(boxes, widths, width, height).map(({ x, y, size }, index) => [x, y, x + widths[index] * size, y + 1.3 * size]);
        areas.forEach(([left, top, right, bottom], index) => {
            assert.ok(left >= 0 && top >= 0 && right <= width && bottom <= height, `round ${round}: ${[left, top, right, bottom]} in ${[width, height]}`);
            for (const other of areas.slice(0, index)) assert.ok(right <= other[0] || other[2] <= left || bottom <= other[1] || other[3] <= top, `round ${round}: ${other} and ${[left, top, right, bottom]}`);
        });
    }
});

/** Numbers between 0 and 1 that are the same every time (a linear congruential generator). */
function seeded(state) {
    return () => (state = (state * 1664525 + 1013904223) % 2 ** 32) / 2 ** 32;
}

/** A residual block between two convolutions, with rectifiers after each. */
const RESIDUAL = {
    nodes: [
        { name: "first", operator: "Convolution 3×3", inputs: ["data"], outputs: ["first@before:relu"] },
        { name: "relu", operator: "Relu", inputs: ["first@before:relu"], outputs: ["first"] },
        { name: "branch", operator: "Convolution 1×1", inputs: ["first"], outputs: ["branch"] },
        { name: "branch2", operator: "Convolution 3×3", inputs: ["branch"], outputs: ["branch2"] },
        { name: "sum", operator: "Sum", inputs: ["first", "branch2"], outputs: ["sum"] },
    ],
    values: ["data", "first@before:relu", "first", "branch", "branch2", "sum"].map((name) => ({ name, shape: [1, 8, 4, 4], is_shown: true, has_filters: false })),
};

test("rectifiers share a block with what they follow, and blocks stand below all they read", () => {
    const { blocks, edges, height, width } = layout.layOut(RESIDUAL);
    assert.deepEqual(blocks.map(({ value }) => value).sort(), ["branch", "branch2", "data", "first", "sum"]);
    assert.deepEqual(blocks.find(({ value }) => value === "first").values, ["first@before:relu", "first"]);
    const at = Object.fromEntries(blocks.map((block) => [block.value, block]));
    for (const { from, to } of edges) assert.ok(at[from].y < at[to].y, `${from} above ${to}`);
    assert.deepEqual(edges.map(({ from, to }) => `${from} ${to}`).sort(), ["branch branch2", "branch2 sum", "data first", "first branch", "first sum"]);
    for (const { x, y } of blocks) assert.ok(x >= layout.BLOCK_WIDTH / 2 - 1e-9 && x <= width - layout.BLOCK_WIDTH / 2 + 1e-9 && y <= height);
});

test("the branch around a residual block crosses none of its blocks", () => {
    const { blocks, edges } = layout.layOut(RESIDUAL);
    const around = edges.find(({ from, to }) => from === "first" && to === "sum");
    assert.ok(around.points.length > 2);
    for (const [x, y] of around.points.slice(1, -1))
        for (const block of blocks) {
            const isBeside = Math.abs(x - block.x) >= layout.BLOCK_WIDTH / 2 || Math.abs(y - block.y) > layout.BLOCK_HEIGHT / 2;
            assert.ok(isBeside, `${block.value} is crossed at ${x}, ${y}`);
        }
});

test("blocks of a layer keep apart, whatever pulls at them", () => {
    // A fan: one value read by nine nodes, whose results are joined.
    const leaves = Array.from({ length: 9 }, (_, index) => `leaf${index}`);
    const nodes = [...leaves.map((name) => ({ name, operator: "Convolution", inputs: ["data"], outputs: [name] })), { name: "join", operator: "Concat", inputs: leaves, outputs: ["join"] }];
    const { blocks } = layout.layOut({ nodes, values: ["data", ...leaves, "join"].map((name) => ({ name, shape: [1, 1] })) });
    const xs = blocks.filter(({ layer }) => layer === 1).map(({ x }) => x).sort((a, b) => a - b);
    assert.equal(xs.length, 9);
    xs.slice(1).forEach((x, index) => assert.ok(x - xs[index] >= layout.BLOCK_WIDTH, `${xs}`));
    const centre = (xs[0] + xs[8]) / 2;
    assert.ok(Math.abs(blocks.find(({ value }) => value === "join").x - centre) < 1);
});

test("rank correlations are Spearman's", () => {
    // The classic example of intelligence and hours of television (Wikipedia's article has it worked out by hand): −29/165.
    const intelligence = Float64Array.of(106, 100, 86, 101, 99, 103, 97, 113, 112, 110);
    const hours = Float64Array.of(7, 27, 2, 50, 28, 29, 20, 12, 6, 17);
    assert.ok(Math.abs(report.rankCorrelation(intelligence, hours) + 29 / 165) < 1e-12);
    assert.ok(Math.abs(report.rankCorrelation(hours, hours) - 1) < 1e-12);
    assert.equal(report.rankCorrelation(hours, new Float64Array(10).fill(3)), undefined);
});

test("maps of different sizes are compared where both lie", () => {
    // The whole photograph at one number a pixel, and its right half at four: both are x + 100 y.
    const ramp = (width, height, left, top, step) => Float32Array.from({ length: width * height }, (_, index) => left + ((index % width) + 0.5) * step + 100 * (top + (Math.floor(index / width) + 0.5) * step));
    const whole = { map: { width: 8, height: 4, data: ramp(8, 4, 0, 0, 1) }, region: [0, 0, 8, 4] };
    const half = { map: { width: 8, height: 8, data: ramp(8, 8, 4, 0, 0.5) }, region: [4, 0, 8, 4] };
    assert.deepEqual(report.common([whole, half]), [4, 0, 8, 4]);
    const [left, right] = [whole, half].map((map) => report.resample(map, [4, 0, 8, 4], 4));
    left.forEach((value, index) => assert.ok(Math.abs(value - right[index]) < 1e-4, `${index}: ${value} ${right[index]}`));
});

test("shares of a map: in its strongest pixels, and in a box", () => {
    const map = { width: 10, height: 10, data: new Float32Array(100).fill(1) };
    const whole = [0, 0, 100, 50];
    assert.ok(Math.abs(report.concentration({ map, region: whole }) - 0.05) < 1e-9);
    const point = { ...map, data: Float32Array.from({ length: 100 }, (_, index) => (index === 34 ? 2 : 0)) };
    assert.equal(report.concentration({ map: point, region: whole }), 1);
    assert.ok(Math.abs(report.inside({ map, region: [0, 0, 100, 50] }, [0, 0, 50, 25]) - 0.25) < 1e-9);
    assert.equal(report.inside({ map: point, region: [0, 0, 100, 50] }, [40, 15, 50, 20]), 1);
});

test("one map as a whole and cut to its middle has the same marks", () => {
    // Only framing differs, and of the middle alone 98 % used to lie in the object where of the whole 73 % did.
    const random = seeded(3);
    const size = 40;
    const whole = { map: { width: size, height: size, data: Float32Array.from({ length: size * size }, () => random() ** 4) }, region: [0, 0, 80, 80] };
    const half = size / 2;
    const rows = Array.from({ length: half }, (_, row) => [...whole.map.data.subarray((row + 10) * size + 10, (row + 10) * size + 30)]);
    const middle = { map: { width: half, height: half, data: Float32Array.from(rows.flat()) }, region: [20, 20, 60, 60] };
    const box = [25, 15, 62, 58];
    const [first, second] = report.marks([[whole], [middle]], [box]);
    assert.ok(Math.abs(first.inside - second.inside) < 1e-6 && Math.abs(first.concentration - second.concentration) < 1e-6, `${JSON.stringify([first, second])}`);
    assert.ok(Math.abs(second.agreement - 1) < 1e-9);
    // By hand: the object's pixels among those of the middle.
    let [total, object] = [0, 0];
    for (let row = 10; row < 30; row++)
        for (let column = 10; column < 30; column++) {
            const value = whole.map.data[row * size + column];
            total += value;
            if (2 * column + 1 >= 25 && 2 * column + 1 < 62 && 2 * row + 1 >= 15 && 2 * row + 1 < 58) object += value;
        }
    assert.ok(Math.abs(first.inside - object / total) < 1e-6);
    // The same where the other map has the whole frame, and zeros where nothing was seen.
    const framed = { ...whole, map: { ...whole.map, data: whole.map.data.map((value, index) => (index % size >= 10 && index % size < 30 && index >= 10 * size && index < 30 * size ? value : 0)) }, seen: [middle.region] };
    const [plain, hidden] = report.marks([[whole], [framed]], [box]);
    assert.deepEqual([plain.inside, plain.concentration, plain.agreement], [hidden.inside, hidden.concentration, hidden.agreement]);
    assert.ok(Math.abs(plain.inside - object / total) < 1e-6);
    // Two places that overlap are one area: nothing counts twice.
    assert.ok(Math.abs(report.inside({ ...whole, seen: [[20, 20, 50, 60], [40, 20, 60, 60]] }, box) - object / total) < 1e-6);
    // A box that no map shows all of says nothing.
    assert.equal(report.marks([[whole], [middle]], [[0, 0, 10, 10]])[0].inside, undefined);
});

test("sliders of powers of ten come back to where they were put", () => {
    for (const knob of [...recipe.KNOBS, ...recipe.MORE_KNOBS]) {
        const middle = (knob.minimum + knob.maximum) / 2;
        assert.ok(Math.abs(recipe.position(knob, recipe.valueAt(knob, middle)) - middle) < 0.01, knob.name);
        if (knob.hasZero) assert.equal(recipe.valueAt(knob, knob.minimum), 0);
    }
    const changes = { learning_rate: 0.1, jitter: 4 };
    assert.deepEqual(recipe.parseChanges(recipe.formatChanges(changes)), changes);
    assert.deepEqual(recipe.parseChanges("learning_rate:much,jitter:,:3"), {});
});

test("a .npy file opens in NumPy", { skip: hasNumpy() ? false : "Python with NumPy is not here" }, () => {
    const file = arrays.npy({ shape: [2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 5.5) });
    const said = execFileSync("python3", ["-c", "import io,sys,numpy; print(numpy.load(io.BytesIO(sys.stdin.buffer.read())).tolist())"], { input: file, encoding: "utf8" });
    assert.equal(said.trim(), "[[0.0, 1.0, 2.0], [3.0, 4.0, 5.5]]");
});

function hasNumpy() {
    try {
        execFileSync("python3", ["-c", "import numpy"], { stdio: "ignore" });
        return true;
    } catch {
        return false;
    }
}

// The photographs that excite a unit, beside it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openPage, settled, startBrowser, startServer } from "./support.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = path.resolve(process.env.DEEPINSIDE ?? path.join(root, "target/release/deepinside"));
const photographs = ["cat.png", "coffee.png"].map((name) => path.join(root, "examples", name));
const UNIT = "#/layers?model=built-in&photograph=example-cat&channel=3&value=";

let folder, server, browser;
before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "exemplars-"));
    const out = path.join(folder, "found");
    execFileSync(program, ["exemplars", ...photographs, "--layer", "_bn0.relu6", "--top", "2", "--out", out], { stdio: "ignore" });
    [server, browser] = await Promise.all([startServer("--exemplars", out, ...photographs.flatMap((file) => ["--photographs", file])), startBrowser()]);
});
after(async () => {
    await browser?.close();
    await server?.stop();
    if (folder) await rm(folder, { recursive: true });
});

test("a unit shows the photographs that excite it, and what it looks at in them", async () => {
    const { page, close } = await openPage(browser, server.url, `${UNIT}_bn0.relu6`);
    await page.locator(".exemplar-list img").nth(1).waitFor();
    await settled(page);
    assert.equal(await page.locator(".exemplar-list li").count(), 2);
    const names = await page.locator(".exemplar-list p[title]").allTextContents();
    assert.deepEqual(names.sort(), ["cat.png", "coffee.png"]);
    const activations = (await page.locator(".exemplar-list p.hint").allTextContents()).map(Number);
    assert.ok(activations[0] >= activations[1] && activations[1] > 0, `${activations}`);
    assert.match(await page.locator(".exemplars").textContent(), /Above zero in 2 of 2 photographs/);
    const pictures = () =>
        page.locator(".exemplar-list img").evaluateAll(async (images) => {
            await Promise.all(images.map((image) => image.decode()));
            return images.map((image) => [image.naturalWidth, image.naturalHeight, image.src]);
        });
    const before = await pictures();
    assert.deepEqual(before.map(([width, height]) => [width, height]), [[112, 112], [112, 112]]);
    await page.getByRole("radio", { name: "What the unit looks at" }).check();
    const after = await pictures();
    for (const [index, [, , source]] of after.entries()) assert.notEqual(source, before[index][2]);
    await close();
});

test("a layer at which no job looked shows none", async () => {
    const { page, close } = await openPage(browser, server.url, `${UNIT}_bn1.relu6`);
    await page.locator(".unit").waitFor();
    await settled(page);
    assert.equal(await page.locator(".exemplars").count(), 0);
    await close();
});

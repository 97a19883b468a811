// Which classes the network takes for which, and the photographs that say why.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openPage, settled, startBrowser, startServer } from "./support.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = path.resolve(process.env.DEEPINSIDE ?? path.join(root, "target/release/deepinside"));

let folder, server, browser;
before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "confusions-"));
    // Two photographs are said to show what they do not, and one what it does.
    const said = { "cat.png": 0, "cameraman.png": 1, "coffee.png": 967 };
    const objects = Object.entries(said).map(([name, class_index]) => ({ file: path.join(root, "examples", name), width: 8, height: 8, class_index, boxes: [[0, 0, 7, 7]] }));
    await writeFile(path.join(folder, "truth.json"), JSON.stringify(objects));
    const details = path.join(folder, "results.jsonl");
    execFileSync(program, ["evaluate", "classification", "--ground-truth", path.join(folder, "truth.json"), "--details", details], { stdio: "ignore" });
    [server, browser] = await Promise.all([startServer("--confusions", details), startBrowser()]);
});
after(async () => {
    await browser?.close();
    await server?.stop();
    if (folder) await rm(folder, { recursive: true });
});

test("what is taken for what is listed, and its photographs are shown with the reason", async () => {
    const { page, close } = await openPage(browser, server.url, "#/confusions?model=built-in");
    await page.locator(".confusion-photographs img").first().waitFor();
    await settled(page);
    const rows = await page.locator(".confusions tbody tr").allTextContents();
    assert.ok(rows.length >= 2 && rows.every((row) => /1 of 1$/.test(row)), `${rows}`);
    assert.match(await page.locator(".panel").textContent(), new RegExp(`${rows.length} of 3 photographs`));
    const picture = async () => page.locator(".confusion-photographs img").first().getAttribute("src");
    const margin = await picture();
    assert.match(margin, /^data:image\/jpeg;base64,/);
    await page.getByRole("radio", { name: "Photographs", exact: true }).check();
    assert.notEqual(await picture(), margin);
    await page.locator(".confusions a").nth(1).click();
    await page.waitForURL(/confusion=1/);
    await settled(page);
    assert.equal(await page.locator(".confusions [aria-current] td").first().textContent(), await page.locator(".confusions a").nth(1).textContent());
    await close();
});

test("the tab is there where an evaluation is known, and a link says how to make one where none is", async () => {
    const plain = await startServer();
    try {
        const { page, close } = await openPage(browser, plain.url, "#/photograph");
        await page.locator(".tabs a").first().waitFor();
        await settled(page);
        assert.equal(await page.locator(".tabs a", { hasText: "Confusions" }).count(), 0);
        await close();
        const other = await openPage(browser, plain.url, "#/confusions");
        await other.page.locator("pre").waitFor();
        assert.match(await other.page.locator("pre").textContent(), /evaluate classification .*--details/);
        await other.close();
    } finally {
        await plain.stop();
    }
    const { page, close } = await openPage(browser, server.url, "#/photograph");
    await page.locator(".tabs a", { hasText: "Confusions" }).waitFor();
    await close();
});

// Every view, light and dark, on a desk and on a phone, has nothing that axe objects to.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { DESKTOP, openPage, PHONE, settled, startBrowser, startServer } from "./support.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let server, browser;
before(async () => {
    [server, browser] = await Promise.all([startServer(), startBrowser()]);
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

const VIEWS = [
    ["#/photograph?photograph=example-cat&look=207", ".looked li"],
    ["#/photograph?camera=1", ".pace strong"],
    ["#/saliency?photograph=example-cat&classes=281,285", ".multiple"],
    ["#/methods?photograph=example-cat&method=gradient", ".control input[type=text]"],
    ["#/localise?photograph=example-cat", ".table tbody tr"],
    ["#/class-model?classes=281&set=iterations:16&run=1", ".growth-picture img"],
    ["#/layers?photograph=example-cat&channel=1", ".signed-picture"],
    ["#/compare?photograph=example-cat&classes=281,285", ".report tbody tr"],
    ["#/compare?photograph=example-cat&classes=281&methods=gradient&measured=gradient", ".measured tbody tr"],
];

async function objections(page) {
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map(({ target, failureSummary }) => `${target} (${failureSummary?.replaceAll(/\s+/g, " ")})`).join("; ")}`);
}

for (const [scheme, size] of [
    ["light", DESKTOP],
    ["dark", DESKTOP],
    ["dark", PHONE],
]) {
    test(`no view has anything axe objects to: ${scheme}, ${size.width} wide`, async () => {
        const { page, close } = await openPage(browser, server.url, "#/photograph", { scheme, size });
        await page.addInitScript(axe);
        const found = [];
        for (const [hash, ready] of VIEWS) {
            // Another address than a change of the fragment, so that the script above is there.
            await page.goto("about:blank");
            await page.goto(`${server.url}/${hash}`);
            await page.locator(ready).first().waitFor({ timeout: 40_000 });
            await settled(page);
            found.push(...(await objections(page)).map((objection) => `${hash}: ${objection}`));
        }
        assert.deepEqual(found, []);
        await close();
    });
}

test("the open list of classes and an error have nothing axe objects to", async () => {
    const { page, close } = await openPage(browser, server.url, "#/photograph", { expected: /status of 404/ });
    await page.addInitScript(axe);
    await page.goto("about:blank");
    await page.goto(`${server.url}/#/saliency?photograph=example-cat`);
    await settled(page);
    await page.getByRole("combobox", { name: "Add a class" }).fill("cat");
    await page.getByRole("option").nth(2).waitFor();
    assert.deepEqual(await objections(page), []);
    await page.goto(`${server.url}/#/saliency?photograph=nosuchphotograph`);
    await page.getByRole("alert").first().waitFor();
    assert.deepEqual(await objections(page), []);
    await close();
});

test("the reader's choice of light or dark goes before the system's, and stays", async () => {
    const { page, close } = await openPage(browser, server.url, "#/photograph", { scheme: "light" });
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await background();
    const button = page.getByRole("button", { name: /^Colours:/ });
    await button.click();
    assert.equal(await background(), light, "light by choice");
    await button.click();
    const dark = await background();
    assert.notEqual(dark, light);
    await page.reload();
    assert.equal(await background(), dark);
    await close();
});

// What the views draw, compared with pictures that were looked at; and the documents' pictures of the page.
//
// `UPDATE_PICTURES=1` takes new ones for the comparison, `UPDATE_DOCUMENTS=1` those of the documents.

import { writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import { indexed } from "./indexed-png.mjs";
import { comparePicture, DESKTOP, extraModel, openPage, PHONE, root, settled, startBrowser, startServer, startServerIn } from "./support.mjs";

let server, browser;
before(async () => {
    [server, browser] = await Promise.all([process.env.UPDATE_DOCUMENTS && extraModel ? startServerIn(path.dirname(path.resolve(extraModel)), "-m", path.basename(extraModel)) : startServer(), startBrowser()]);
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

// Small, and of what is drawn alone: letters differ from machine to machine.
const SMALL = { width: 640, height: 520 };

const STABLE = [
    ["saliency-over", "#/saliency?model=built-in&photograph=example-cat&map=paper&classes=285", ".stage-frame"],
    ["saliency-wipe", "#/saliency?model=built-in&photograph=example-cat&classes=285&layout=wipe&crops=ten&colours=viridis&divider=0.4", ".stage-frame"],
    ["saliency-signed", "#/saliency?model=built-in&photograph=example-coffee&classes=967&layout=wipe&signed=1&divider=0", ".stage-frame"],
    ["localise-seeds", "#/localise?model=built-in&photograph=example-cat&classes=285&method=paper&show=markers&boxes=0", ".stage-frame"],
    ["localise-mask", "#/localise?model=built-in&photograph=example-coffee&classes=967&method=paper&boxes=0", ".stage-frame"],
    ["unit", "#/layers?model=built-in&photograph=example-cat&value=_blocks.5._expand_conv&channel=5&unit=guided", ".signed-picture"],
];

for (const [name, hash, selector] of STABLE) {
    test(`${name} looks as it did`, { skip: process.env.UPDATE_DOCUMENTS ? "the documents' pictures are taken" : false }, async () => {
        const { page, close } = await openPage(browser, server.url, hash, { size: SMALL });
        await page.locator(selector).first().waitFor({ timeout: 40_000 });
        await page.locator(".command", { hasText: "deepinside" }).waitFor({ timeout: 40_000 });
        await settled(page);
        await comparePicture(name, await page.locator(selector).first().screenshot(), 0.02);
        await close();
    });
}

// As the server names it.
const model = extraModel ? `&model=${path.basename(extraModel).toLowerCase().replaceAll(/[^a-z0-9.]/g, "-")}` : "";
const DOCUMENTS = [
    ["photograph", `#/photograph?photograph=example-cat${model}`, {}],
    ["saliency", `#/saliency?photograph=example-cat&classes=281,282,285&crops=ten&smoothing=0.01${model}`, {}],
    ["methods", "#/methods?photograph=example-cat", {}],
    ["localise", "#/localise?photograph=example-cat", {}],
    ["class-model", `#/class-model?classes=254&recipe=transfer&seed=1&run=1${model}`, { scheme: "dark", ready: ["At the top"] }],
    ["layers", `#/layers?photograph=example-cat&value=fire3/concat&channel=40&unit=guided${model}`, { scheme: "dark" }],
    ["compare", `#/compare?photograph=example-cat&classes=281,285,904&over=1${model}`, { size: { ...DESKTOP, height: 1000 } }],
    ["phone", `#/saliency?photograph=example-cat&classes=285&smoothing=0.01${model}`, { size: PHONE, isTouched: true }],
];

for (const [name, hash, { size = DESKTOP, scheme = "light", isTouched = false, ready = [] }] of DOCUMENTS) {
    test(`the documents' picture of ${name}`, { skip: process.env.UPDATE_DOCUMENTS ? false : "UPDATE_DOCUMENTS is not set" }, async () => {
        const { page, close } = await openPage(browser, server.url, hash, { size, scheme, isTouched });
        await page.locator(".command", { hasText: "deepinside" }).waitFor({ timeout: 40_000 });
        for (const text of ready) await page.getByText(text).first().waitFor({ timeout: 120_000 });
        await page.waitForTimeout(1500);
        await settled(page);
        await writeFile(path.join(root, "docs/images", `page-${name}.png`), indexed(await page.screenshot()));
        await close();
    });
}

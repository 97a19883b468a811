// Whatever takes over a second says how far it is, and can be cancelled.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { CAT, openPage, settled, startBrowser, startServer, until } from "./support.mjs";

let server, browser;
before(async () => {
    [server, browser] = await Promise.all([startServer(), startBrowser()]);
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

const text = (page, selector) => page.locator(selector).first().textContent();
const share = (page) => page.locator("progress").evaluateAll(([bar]) => (bar?.hasAttribute("value") ? bar.value : -1));

test("a map of many passes: its share grows, it is cancelled, and made after all", async () => {
    const { page, close } = await openPage(browser, server.url, "#/saliency?model=built-in&photograph=example-cat&map=paper");
    await settled(page);
    await page.getByLabel("SmoothGrad copies").fill("50");
    await page.getByLabel("Crops").selectOption("ten");
    const first = await until(page, () => share(page), (found) => found > 0, "the share");
    await until(page, () => share(page), (found) => found > first, "a larger share");
    assert.match(await text(page, ".working"), /Computing the map \d[\d.]* %/);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.locator(".busy-on").waitFor({ state: "detached" });
    assert.match(await text(page, ".working-cancelled"), /was cancelled/);
    await page.getByLabel("SmoothGrad copies").fill("25");
    await page.locator(".working").waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Do it after all" }).click();
    await until(page, () => text(page, ".command"), (said) => /--smooth-grad 25/.test(said), "the map", 60_000);
    assert.equal(await page.locator(".working").count(), 0);
    await close();
});

test("methods beside each other: the share never becomes less", async () => {
    const { page, close } = await openPage(browser, server.url, "#/compare?model=built-in&photograph=example-cat&classes=281,285&methods=gradient,smooth-grad,guided-ten");
    const shares = [];
    await until(
        page,
        async () => {
            shares.push(await share(page));
            return page.locator(".report tbody tr").count();
        },
        (rows) => rows === 3,
        "the report",
        60_000,
    );
    const told = shares.filter((found) => found >= 0);
    assert.ok(new Set(told).size > 2, `${told}`);
    assert.deepEqual(told, [...told].sort((a, b) => a - b));
    await close();
});

test("a photograph on a slow way: how much of it has arrived, and cancelling", async () => {
    const { page, close } = await openPage(browser, server.url, "#/saliency?model=built-in&photograph=example-cat");
    await settled(page);
    const session = await page.context().newCDPSession(page);
    await session.send("Network.enable");
    await session.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 60_000 });
    const buffer = Buffer.concat([await readFile(CAT), Buffer.alloc(400_000, 7)]);
    await page.locator(".strip input[type=file]").setInputFiles({ name: "large.png", mimeType: "image/png", buffer });
    await until(page, () => share(page), (found) => found > 0 && found < 1, "the share");
    assert.match(await text(page, ".working"), /Your photograph \d[\d.]* %/);
    const before = page.url();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.locator(".working").waitFor({ state: "detached" });
    assert.equal(page.url(), before);
    assert.equal(await page.getByRole("alert").count(), 0, "what the reader cancelled is no error");
    await close();
});

test("a class model says which share of its steps it has taken", async () => {
    const { page, close } = await openPage(browser, server.url, "#/class-model?model=built-in&classes=281&set=iterations:200&run=1");
    await until(page, () => text(page, ".growth-step"), (said) => /step \d+ of 200 · \d[\d.]* %/.test(said), "the share");
    await page.getByRole("button", { name: "Stop" }).click();
    await close();
});

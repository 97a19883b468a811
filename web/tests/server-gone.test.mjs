// A server that is gone is said to be within two seconds, in every view; when it is back, the page goes on by itself.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, beforeEach, afterEach, test } from "node:test";
import { CAT, openPage, settled, startBrowser, startServer, until } from "./support.mjs";

/** From the end of the server to the sentence about it, in milliseconds. */
const LONGEST = 2000;
const SKIP = process.env.DEEPINSIDE_URL ? "it needs a server of its own" : false;
// What a request meets depends on when the server ended: a refused or reset connection, an answer cut short, a socket found closed.
const expected = /Failed to load resource: (net::ERR_|.*status of 404)/;

let server, browser;
before(async () => {
    browser = await startBrowser();
});
after(() => browser?.close());
beforeEach(async () => {
    server = SKIP ? undefined : await startServer();
});
afterEach(() => server?.stop());

const text = (page, selector) => page.locator(selector).first().textContent();
const again = async () => {
    server = await startServer("--port", new URL(server.url).port);
};

/** Ends the server, and checks when the page says so. */
async function kill(page, signal = "SIGKILL") {
    await server.signal(signal);
    const begin = Date.now();
    await page.locator(".server-gone").waitFor({ timeout: 5000 });
    const took = Date.now() - begin;
    assert.ok(took <= LONGEST, `said after ${took} ms`);
    assert.match(await text(page, ".server-gone"), /Nothing answers at 127\.0\.0\.1:\d+.*deepinside serve --port \d+/s);
}

test("a class model that grows", { skip: SKIP }, async () => {
    const { page, close } = await openPage(browser, server.url, "#/class-model?model=built-in&classes=281&set=iterations:2000&run=1", { expected });
    const step = async () => Number((await text(page, ".growth-step")).match(/step (\d+)/)?.[1] ?? 0);
    await until(page, () => text(page, ".growth-step"), (said) => /pictures per second/.test(said), "the pace");
    await page.getByLabel("Jitter").fill("2");
    await page.locator(".notice", { hasText: /jitter 2/ }).waitFor();
    await kill(page);
    assert.doesNotMatch(await text(page, ".growth-step"), /per second/);
    assert.equal(await text(page, ".growth-state"), "Waiting for the server");
    await again();
    await page.locator(".server-gone").waitFor({ state: "detached", timeout: 5000 });
    await until(page, () => text(page, ".growth-state"), (said) => said === "Climbing", "the state");
    await until(page, step, (number) => number > 2, "the ascent goes on");
    assert.match(await page.locator(".notes").textContent(), /started anew.*begun again/);
    // What was changed on the way belongs to it still.
    assert.match(await text(page, ".command"), /--set jitter=2/);
    await close();
});

test("a class model that is paused pauses at its step again", { skip: SKIP }, async () => {
    const { page, close } = await openPage(browser, server.url, "#/class-model?model=built-in&classes=281&set=iterations:2000&run=1", { expected });
    const step = async () => Number((await text(page, ".growth-step")).match(/step (\d+)/)?.[1] ?? 0);
    const state = () => text(page, ".growth-state");
    await until(page, step, (number) => number > 4, "some steps");
    await page.getByRole("button", { name: "Pause" }).click();
    await until(page, state, (said) => said === "Paused", "the state");
    const place = await step();
    await kill(page);
    await again();
    await until(page, state, (said) => said === "Climbing", "it climbs again");
    await until(page, state, (said) => said === "Paused", "it pauses again");
    assert.ok((await step()) >= place);
    await close();
});

test("a photograph of the reader's own, and a map that was on its way", { skip: SKIP }, async () => {
    const { page, close } = await openPage(browser, server.url, "#/saliency?model=built-in&map=paper", { expected });
    await settled(page);
    // Another name for another content, since examples are there on every server.
    const buffer = Buffer.concat([await readFile(CAT), Buffer.from([1])]);
    await page.locator(".strip input[type=file]").setInputFiles({ name: "mine.png", mimeType: "image/png", buffer });
    await page.waitForFunction(() => /photograph=(?!example)/.test(location.hash));
    await settled(page);
    const address = page.url();
    const [asked] = await Promise.all([page.waitForRequest(/\/saliency$/), page.getByLabel("SmoothGrad copies").fill("50")]);
    assert.equal(asked.method(), "POST");
    await kill(page);
    assert.equal(await page.getByRole("alert").count(), 1, "one sentence, and not one for each part of the page");
    await again();
    await until(page, () => text(page, ".command"), (said) => /--smooth-grad 50/.test(said), "the map that was on its way", 60_000);
    await settled(page);
    assert.equal(await page.getByRole("alert").count(), 0);
    assert.equal(new URL(address).hash.match(/photograph=(\w+)/)[1], new URL(page.url()).hash.match(/photograph=(\w+)/)[1]);
    // And whatever is asked for next.
    await page.getByLabel("SmoothGrad copies").fill("0");
    await page.getByLabel("Rectifiers on the way back").selectOption("guided");
    await until(page, () => text(page, ".command"), (said) => /--rule guided/.test(said), "the next map");
    await close();
});

test("the live camera", { skip: SKIP }, async () => {
    const { page, close } = await openPage(browser, server.url, "#/photograph?model=built-in&camera=1", { expected });
    await page.locator(".pace strong").first().waitFor({ timeout: 30_000 });
    await kill(page);
    assert.equal(await page.locator(".pace strong").count(), 0, "no pace of maps that do not come");
    assert.equal(await page.locator(".camera-map").evaluate((canvas) => getComputedStyle(canvas).opacity), "0", "no map of another moment");
    await again();
    await page.locator(".pace strong").first().waitFor({ timeout: 30_000 });
    await close();
});

test("a server that hangs, in every view", { skip: SKIP }, async () => {
    for (const view of ["photograph", "saliency", "localise", "class-model", "layers", "compare"]) {
        const { page, close } = await openPage(browser, server.url, `#/${view}?model=built-in`, { expected });
        await settled(page);
        await page.waitForTimeout(300);
        await kill(page, "SIGSTOP");
        await server.signal("SIGCONT");
        await page.locator(".server-gone").waitFor({ state: "detached", timeout: 5000 });
        await close();
    }
});

test("a server that is asked to end", { skip: SKIP }, async () => {
    const { page, close } = await openPage(browser, server.url, "#/class-model?model=built-in&classes=281&set=iterations:2000&run=1", { expected });
    await until(page, () => text(page, ".growth-step"), (said) => /pictures per second/.test(said), "the pace");
    await kill(page, "SIGTERM");
    assert.equal(await text(page, ".growth-state"), "Waiting for the server", "the ascent was not stopped");
    // The port is free when the last connection has ended.
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await again();
    await until(page, () => text(page, ".growth-state"), (said) => said === "Climbing", "the state");
    await close();
});

// The live camera, with Chromium's own moving picture in its place.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { extraModel, openPage, startBrowser, startServer, until } from "./support.mjs";

let server, browser;
before(async () => {
    [server, browser] = await Promise.all([startServer(...(extraModel ? ["-m", extraModel] : [])), startBrowser()]);
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

test("maps follow the camera, one picture at a time, and its pictures can be taken", async (context) => {
    const { page, close } = await openPage(browser, server.url, "#/photograph");
    let [waiting, most, count] = [0, 0, 0];
    page.on("request", (request) => {
        if (!request.url().includes("/live?")) return;
        most = Math.max(most, ++waiting);
        count++;
    });
    const done = (request) => request.url().includes("/live?") && waiting--;
    page.on("requestfinished", done);
    page.on("requestfailed", done);
    await page.getByRole("button", { name: "Live camera" }).click();
    await page.locator(".pace strong").first().waitFor({ timeout: 20_000 });
    await page.locator(".score-bars li").nth(2).waitFor();
    const sum = () => page.locator(".camera-map").evaluate((canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.reduce((total, value) => total + value, 0));
    const first = await sum();
    assert.ok(first > 0, "the map has something in it");
    await until(page, sum, (now) => now !== first, "the map moves");
    // How fast it was is said, and decides nothing: other programs may be running. docs/ and benches/ hold what was measured.
    await page.waitForTimeout(2500);
    assert.equal(most, 1, "pictures on their way at once");
    assert.ok(count > 3);
    context.diagnostic(`${(await page.locator(".pace").textContent()).trim()}${extraModel ? ` (${extraModel})` : ""}`);

    await page.getByRole("button", { name: "Take this picture" }).click();
    await page.waitForFunction(() => /photograph=(?!example)/.test(location.hash) && !/camera/.test(location.hash));
    await page.locator(".panel .score-bars a").first().waitFor();
    await close();
});

test("a camera that the browser may not use is explained", async () => {
    const { page, close } = await openPage(browser, server.url, "#/photograph");
    await page.evaluate(() => {
        navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("Permission denied", "NotAllowedError"));
    });
    await page.getByRole("button", { name: "Live camera" }).click();
    const note = page.getByRole("alert");
    await note.waitFor();
    assert.match(await note.textContent(), /not allowed to use the camera.*try again/is);
    await close();
});

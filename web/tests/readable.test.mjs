// The readable map, and what must be said of a map.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openPage, settled, startBrowser, startServer, until } from "./support.mjs";

let server, browser;
before(async () => {
    [server, browser] = await Promise.all([startServer(), startBrowser()]);
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

test("the readable map comes first, says how it is made, and hides the settings that are not its own", async () => {
    const { page, close } = await openPage(browser, server.url, "#/saliency?model=built-in&photograph=example-cat&classes=282");
    await settled(page);
    await page.getByText("and not the paper's map").waitFor();
    assert.equal(await page.getByLabel("Rectifiers on the way back").count(), 0);
    // All of the photograph is seen.
    assert.equal(await page.locator(".stage-hatch").count(), 0);
    await page.locator("label.segment", { hasText: "The gradient" }).click();
    await page.getByLabel("Rectifiers on the way back").waitFor();
    await until(page, () => page.url(), (url) => /map=paper/.test(url), "the map in the address");
    await close();
});

test("a link that says how the gradient's map is made shows that one, and keeps it when it is changed back", async () => {
    const { page, close } = await openPage(browser, server.url, "#/saliency?model=built-in&photograph=example-cat&classes=282&rule=guided");
    await settled(page);
    const rule = page.getByLabel("Rectifiers on the way back");
    assert.equal(await rule.inputValue(), "guided");
    await rule.selectOption("gradient");
    await settled(page);
    assert.ok(await rule.isVisible());
    await close();
});

test("DeconvNet in a network without maxima is said to show no photograph, and other crops' class is named", async () => {
    const { page, close } = await openPage(browser, server.url, "#/saliency?model=built-in&photograph=example-cat&rule=deconvnet&crops=whole");
    await settled(page);
    await page.getByText("does not depend on the photograph here").waitFor();
    await page.getByText("explained is the class that the network names by its own crop").waitFor();
    await close();
});

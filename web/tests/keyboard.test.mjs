// Everything that matters, with the keyboard alone.

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

/** Presses Tab until the focused element passes. */
async function tabTo(page, passes, what) {
    for (let count = 0; count < 120; count++) {
        await page.keyboard.press("Tab");
        const focused = await page.evaluate(() => {
            const element = document.activeElement;
            const label = element?.getAttribute("aria-label") ?? (element instanceof HTMLInputElement || element instanceof HTMLSelectElement ? (element.labels?.[0]?.textContent ?? "") : (element?.textContent ?? ""));
            return { label: label.trim(), tag: element?.tagName ?? "", role: element?.getAttribute("role") ?? "", type: element?.getAttribute("type") ?? "" };
        });
        if (passes(focused)) return focused;
    }
    return assert.fail(`Tab never reaches ${what}`);
}

test("from the photograph to a map, its values and its settings, without a mouse", async () => {
    const { page, close } = await openPage(browser, server.url);
    await settled(page);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.textContent?.trim()), "Skip to the view");
    await tabTo(page, ({ label, tag }) => tag === "A" && label.startsWith("Saliency"), "the tab Saliency");
    await page.keyboard.press("Enter");
    await settled(page);
    await page.waitForFunction(() => document.title.startsWith("Saliency"));

    await tabTo(page, ({ role }) => role === "application", "the picture");
    await page.keyboard.press("ArrowDown");
    await until(page, () => page.locator(".readout").textContent(), (said) => /x \d+, y \d+/.test(said), "the readout");

    await tabTo(page, ({ label, type }) => type === "radio" && label === "Readable", "the map");
    await page.keyboard.press("ArrowRight");
    await until(page, () => page.url(), (url) => /map=paper/.test(url), "the map in the address");
    await tabTo(page, ({ label, tag }) => tag === "SELECT" && /Rectifiers/.test(label), "the method");
    await page.keyboard.press("ArrowDown");
    await until(page, () => page.url(), (url) => /rule=deconvnet/.test(url), "the method in the address");
    await tabTo(page, ({ type }) => type === "radio", "the layouts");
    await page.keyboard.press("ArrowRight");
    await until(page, () => page.url(), (url) => /layout=wipe/.test(url), "the layout in the address");
    await tabTo(page, ({ label, type }) => type === "range" && /Divider/.test(label), "the divider");
    await page.keyboard.press("Home");
    await until(page, () => page.url(), (url) => /divider=0(&|$)/.test(url), "the divider in the address");
    await close();
});

test("classes are added without a mouse, also by who types faster than the server answers", async () => {
    const { page, close } = await openPage(browser, server.url, "#/saliency?photograph=example-cat&classes=285");
    await settled(page);
    const isSearch = ({ role, label }) => role === "combobox" && label.startsWith("Add a class");
    await tabTo(page, isSearch, "the search for a class");
    await page.keyboard.type("tiger cat");
    await until(page, () => page.locator('[role="option"]').first().textContent(), (said) => said.includes("tiger cat"), "the first class found");
    await page.keyboard.press("Enter");
    await page.locator(".multiple").nth(1).waitFor();
    await until(page, () => page.url(), (url) => /classes=285,282(&|$)/.test(url), "the classes in the address");

    // Enter comes while the classes are still asked for.
    await page.route(/\/classes\?/, async (route) => {
        await new Promise((resolve) => setTimeout(resolve, 600));
        await route.continue();
    });
    await page.keyboard.type("golden retriever");
    await page.keyboard.press("Enter");
    assert.doesNotMatch(page.url(), /207/);
    await page.locator(".multiple").nth(2).waitFor();
    await until(page, () => page.url(), (url) => /classes=285,282,207(&|$)/.test(url), "the third class in the address");
    // And while only those of the first letters are there.
    await page.keyboard.type("g");
    await page.locator('[role="option"]').first().waitFor();
    await page.keyboard.type("oldfish");
    await page.keyboard.press("Enter");
    await until(page, () => page.url(), (url) => /classes=285,282,207,1(&|$)/.test(url), "the fourth class in the address");
    await close();
});

test("a class that is shown because it is the best can be chosen", async () => {
    const { page, close } = await openPage(browser, server.url, "#/saliency?photograph=example-cat");
    await settled(page);
    const best = await page.locator('.chip[aria-pressed="true"]').textContent();
    const name = best.replace(/[<\d].*$/, "").trim();
    await tabTo(page, ({ role, label }) => role === "combobox" && label.startsWith("Add a class"), "the search for a class");
    await page.keyboard.type(name);
    await until(page, () => page.locator('[role="option"]').first().textContent(), (said) => said.includes(name), "the first class found");
    await page.keyboard.press("Enter");
    await until(page, () => page.url(), (url) => /classes=\d+(&|$)/.test(url), "the class in the address");
    await close();
});

test("the network is walked along and a unit opened, without a mouse", async () => {
    const { page, close } = await openPage(browser, server.url, "#/layers?photograph=example-cat");
    await page.locator(".channel").first().waitFor();
    await settled(page);
    await tabTo(page, ({ role }) => role === "listbox", "the network");
    for (let count = 0; count < 3; count++) await page.keyboard.press("ArrowDown");
    const active = await page.evaluate(() => document.getElementById(document.activeElement.getAttribute("aria-activedescendant"))?.getAttribute("aria-label"));
    await page.keyboard.press("Enter");
    await settled(page);
    const title = await page.locator(".layer-title").textContent();
    await until(page, () => page.url(), (url) => decodeURIComponent(url).includes(`value=${title}`), "the address");
    assert.ok(active, "a block is named to screen readers");
    await tabTo(page, ({ label, tag }) => tag === "BUTTON" && /^Channel 0/.test(label), "a channel");
    await page.keyboard.press("Enter");
    await page.locator(".signed-picture").waitFor();
    await tabTo(page, ({ role, label }) => role === "application" && /^Activation/.test(label), "the enlarged map");
    const place = () => page.locator(".unit").getByText(/at row \d+, column \d+/).textContent();
    const before = await place();
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("ArrowLeft");
    await until(page, place, (now) => now !== before, "the unit's place");
    await close();
});

test("a class model is started, paused and stopped without a mouse", async () => {
    const { page, close } = await openPage(browser, server.url, "#/class-model?set=iterations:400");
    await settled(page);
    const state = () => page.locator(".growth-state").textContent();
    await tabTo(page, ({ label, tag }) => tag === "BUTTON" && label === "Start", "Start");
    await page.keyboard.press("Enter");
    await until(page, state, (said) => said === "Climbing", "the state");
    await page.locator(".growth-picture img").waitFor();
    await tabTo(page, ({ label, tag }) => tag === "BUTTON" && label === "Pause", "Pause");
    await page.keyboard.press("Enter");
    await until(page, state, (said) => said === "Paused", "the state");
    await tabTo(page, ({ label, tag }) => tag === "BUTTON" && label === "Stop", "Stop");
    await page.keyboard.press("Enter");
    await until(page, state, (said) => said === "Stopped", "the state");
    await close();
});

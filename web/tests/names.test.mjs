// Names of classes and of layers: found by their words, listed in full, written where they can be read, and linked.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { CAT, openPage, PHONE, settled, startBrowser, startServer, until } from "./support.mjs";

let server, browser;
before(async () => {
    [server, browser] = await Promise.all([startServer(), startBrowser()]);
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

test("a class is found by its words", async () => {
    const { page, close } = await openPage(browser, server.url, "#/saliency?model=built-in&photograph=example-cat");
    await settled(page);
    const field = page.getByRole("combobox", { name: "Add a class" });
    const listed = async (query) => {
        await field.fill(query);
        await page.waitForResponse((response) => response.url().includes("/classes?query="));
        await page.waitForTimeout(100);
        return page.getByRole("option").locator("span").allTextContents();
    };
    assert.deepEqual(await listed("basset"), ["basset, basset hound"]);
    assert.deepEqual((await listed("cat")).slice(0, 3), ["tabby, tabby cat", "tiger cat", "Persian cat"]);
    assert.deepEqual(await listed("golden retreiver"), ["golden retriever"]);
    await close();
});

for (const size of [{ width: 860, height: 800 }, { width: 1280, height: 600 }, PHONE]) {
    test(`the list of classes is seen as a whole: ${size.width} × ${size.height}`, async () => {
        const { page, close } = await openPage(browser, server.url, "#/layers?model=built-in&photograph=example-cat&channel=3", { size });
        await page.locator(".signed-picture").waitFor();
        await settled(page);
        const field = page.getByRole("combobox", { name: "Another class" });
        await field.click();
        await field.fill("terrier");
        await page.locator(".class-list:popover-open li").nth(8).waitFor();
        // At every corner of the list, and of its field, is the list itself or the field: nothing lies over it or cuts it off.
        const covered = await page.evaluate(() => {
            const list = document.querySelector(".class-list:popover-open");
            const field = document.activeElement;
            return [list, field].flatMap((element) => {
                const { left, right, top, bottom } = element.getBoundingClientRect();
                return [[left + 3, top + 3], [right - 3, top + 3], [left + 3, bottom - 3], [right - 3, bottom - 3]].map(([x, y]) => {
                    const found = document.elementFromPoint(x, y);
                    return element.contains(found) ? "" : `${element.className || element.tagName} at ${x}, ${y}: ${found?.className}`;
                });
            });
        });
        assert.deepEqual(covered.filter(Boolean), []);
        const { height } = await page.locator(".class-list:popover-open").boundingBox();
        assert.ok(height > 150, `the list is ${height} high`);
        await page.locator(".class-list:popover-open li").nth(1).click();
        await until(page, () => page.url(), (url) => /classes=\d+/.test(url), "the class that was chosen");
        await close();
    });
}

for (const size of [{ width: 1280, height: 800 }, PHONE]) {
    test(`names over the photograph are short, within it and apart: ${size.width} wide`, async () => {
        // King crab, bullfrog and albatross have up to five names each.
        const { page, close } = await openPage(browser, server.url, "#/localise?model=built-in&photograph=example-cat&classes=146,983,30,121,281", { size });
        await page.locator(".stage-shapes text").nth(4).waitFor({ timeout: 40_000 });
        await settled(page);
        const [frame, names] = await page.evaluate(() => {
            const box = (element) => {
                const { left, top, right, bottom } = element.getBoundingClientRect();
                return [left, top, right, bottom];
            };
            return [box(document.querySelector(".stage-frame")), [...document.querySelectorAll(".stage-shapes text")].map((name) => ({ said: name.textContent, box: box(name) }))];
        });
        assert.deepEqual(names.map(({ said }) => said), ["albatross", "scuba diver", "bullfrog", "king crab", "tabby"]);
        names.forEach(({ said, box }, index) => {
            assert.ok(box[0] >= frame[0] - 1 && box[1] >= frame[1] - 1 && box[2] <= frame[2] + 1 && box[3] <= frame[3] + 1, `${said} lies within`);
            for (const { said: other, box: place } of names.slice(0, index)) assert.ok(box[2] <= place[0] || place[2] <= box[0] || box[3] <= place[1] + 1 || place[3] <= box[1] + 1, `${said} and ${other}`);
        });
        await close();
    });
}

test("the layer that was linked is the one in sight, also when the window becomes narrower", async () => {
    const linked = "_blocks.12._expand_conv";
    const { page, close } = await openPage(browser, server.url, `#/layers?model=built-in&photograph=example-cat&value=${linked}&channel=700`, { size: { width: 860, height: 900 } });
    await page.locator(".channel").first().waitFor();
    const inSight = () =>
        page.evaluate(() => {
            const [block, holder] = [".graph-chosen rect", ".graph-holder"].map((selector) => document.querySelector(selector)?.getBoundingClientRect());
            return block !== undefined && block.left >= holder.left && block.right <= holder.right && block.top >= holder.top && block.bottom <= holder.bottom;
        });
    const option = page.locator('.graph-holder [role=option][aria-selected="true"]');
    for (const width of [860, 1280, 390]) {
        await page.setViewportSize({ width, height: 900 });
        await until(page, inSight, Boolean, `in sight at ${width}`);
        assert.match(await option.first().getAttribute("aria-label"), new RegExp(`^${linked}: `));
    }
    // And the channel is among those that are shown, also where another is linked from within the page.
    await page.locator('.channel[aria-pressed="true"]', { hasText: "700" }).waitFor();
    await page.evaluate(() => (location.hash = location.hash.replace("channel=700", "channel=3")));
    await page.locator('.channel[aria-pressed="true"]', { hasText: /^3$/ }).waitFor();
    await close();
});

test("going on from an earlier step goes on, also where the ascent was paused", async () => {
    const { page, close } = await openPage(browser, server.url, "#/class-model?model=built-in&classes=281&set=iterations:400&run=1");
    const text = (selector) => page.locator(selector).first().textContent();
    const step = async () => Number((await text(".growth-step")).match(/step (\d+)/)?.[1] ?? 0);
    const state = () => text(".growth-state");
    await until(page, step, (number) => number > 20, "some steps");
    await page.getByRole("button", { name: "Pause" }).click();
    await until(page, state, (said) => said === "Paused", "the state");
    await page.getByRole("slider", { name: "Timeline" }).focus();
    for (let count = 0; count < 3; count++) await page.keyboard.press("ArrowLeft");
    const place = await step();
    await page.getByRole("button", { name: `Go on from step ${place}` }).click();
    await until(page, state, (said) => said === "Climbing", "it goes on without being told once more");
    await until(page, step, (number) => number > place, "steps after that");
    await page.getByRole("button", { name: "Stop" }).click();
    await close();
});

test("the command line names the file that was uploaded, as a shell reads it", async () => {
    const { page, close } = await openPage(browser, server.url, "#/photograph");
    await settled(page);
    const buffer = Buffer.concat([await readFile(CAT), Buffer.alloc(3)]);
    await page.locator(".drop-line input[type=file]").setInputFiles({ name: "it's a cat.png", mimeType: "image/png", buffer });
    const expected = /^deepinside classify 'it'\\''s a cat\.png'/;
    await until(page, () => page.locator(".command").textContent(), (said) => expected.test(said), "the file's name in the command");
    await close();
});

// What the view Layers says and draws of single units.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openPage, settled, startBrowser, startServer } from "./support.mjs";

let server, browser;
before(async () => {
    [server, browser] = await Promise.all([startServer(), startBrowser()]);
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

/** How far the levels of a canvas's pixels are from grey, in the middles of `rows` × `columns` cells: red, green, blue of each. */
const cells = (page, selector, rows, columns) =>
    page.locator(selector).evaluate(
        (canvas, [rows, columns]) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return Array.from({ length: rows * columns }, (_, cell) => {
                const y = Math.floor(((Math.floor(cell / columns) + 0.5) * canvas.height) / rows);
                const x = Math.floor((((cell % columns) + 0.5) * canvas.width) / columns);
                return [0, 1, 2].map((channel) => data[4 * (y * canvas.width + x) + channel] - 127.5);
            }).flat();
        },
        [rows, columns],
    );

test("a unit that sees three by three pixels is not called zero, and is enlarged", async () => {
    const { page, close } = await openPage(browser, server.url, "#/layers?model=built-in&photograph=example-cat&value=_bn0.relu6&channel=3");
    await page.locator(".signed-picture").waitFor();
    await settled(page);
    assert.match(await page.locator(".unit").textContent(), /Activation 1\.\d+/);
    assert.doesNotMatch(await page.locator(".unit").textContent(), /zero everywhere/);
    const coloured = await page.locator(".signed-picture").evaluate((canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let count = 0;
        for (let index = 0; index < data.length; index += 4) count += Math.abs(data[index] - data[index + 2]) > 20;
        return count;
    });
    assert.ok(coloured >= 4 && coloured <= 9, `${coloured} of nine pixels have a colour`);
    // One convolution away from the photograph, the gradient of an active unit is the filter.
    const [filter, enlarged] = [await cells(page, ".filter-picture", 3, 3), await cells(page, ".unit-field figure:last-child canvas", 3, 3)];
    const dot = (a, b) => a.reduce((sum, number, index) => sum + number * b[index], 0);
    const likeness = dot(filter, enlarged) / Math.sqrt(dot(filter, filter) * dot(enlarged, enlarged));
    assert.ok(likeness > 0.99, `the filter and the unit's picture: ${likeness}`);
    await close();
});

test("a unit that is not active is said to have no gradient", async () => {
    const { page, close } = await openPage(browser, server.url, "#/layers?model=built-in&photograph=example-cat&value=_bn0.relu6&channel=3&place=0,0");
    await page.locator(".signed-picture").waitFor();
    await settled(page);
    assert.match(await page.locator(".unit").textContent(), /zero everywhere.*Activation 0 at row 0, column 0/s);
    assert.equal(await page.locator(".unit-field").count(), 0);
    await close();
});

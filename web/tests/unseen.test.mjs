// What the network did not see is hatched, and is not taken for zero.

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

/** The opacity of a canvas at shares of its width and height, and whether it has several colours around there. */
const look = (page, selector, places) =>
    page.locator(selector).first().evaluate(
        (canvas, places) =>
            places.map(([x, y]) => {
                const { data } = canvas.getContext("2d").getImageData(Math.round(x * canvas.width), Math.round(y * canvas.height), 12, 12);
                const levels = new Set(Array.from({ length: data.length / 4 }, (_, pixel) => data[4 * pixel] >> 5));
                return { opacity: data[3], isHatched: levels.size > 1 };
            }),
        places,
    );

test("one crop that is smoothed: what lies around it is hatched, and read as unseen", async () => {
    for (const layout of ["over", "wipe", "beside"]) {
        const { page, close } = await openPage(browser, server.url, `#/saliency?model=built-in&photograph=example-cat&crops=centre&smoothing=0.01&layout=${layout}&divider=0`);
        await settled(page);
        // The network's crop is the middle of the photograph.
        const [corner, middle] = await look(page, ".stage-hatch", [[0.03, 0.03], [0.5, 0.5]]);
        assert.deepEqual([corner.opacity > 100, corner.isHatched, middle.opacity], [true, true, 0], layout);
        if (layout === "over") {
            const { x, y, width, height } = await page.locator(".stage-frame").boundingBox();
            await page.mouse.move(x + 0.03 * width, y + 0.5 * height);
            await page.getByText("outside the part that the network saw").waitFor();
            await page.mouse.move(x + 0.5 * width, y + 0.5 * height);
            await page.getByText(/above .* of the map/).waitFor();
            assert.match(await page.locator(".notice").first().textContent(), /saw nothing of \d+ %.*hatched/);
        }
        await close();
    }
});

test("the whole photograph has nothing hatched", async () => {
    const { page, close } = await openPage(browser, server.url, "#/saliency?model=built-in&photograph=example-cat&crops=whole&smoothing=0.01");
    await settled(page);
    assert.equal(await page.locator(".stage-hatch").count(), 0);
    await close();
});

test("methods of different frames are drawn in that of the photograph, hatched where one saw nothing", async () => {
    for (const over of [0, 1]) {
        const { page, close } = await openPage(browser, server.url, `#/compare?model=built-in&photograph=example-cat&classes=281&methods=gradient,ten&over=${over}`);
        await page.locator(".report tbody tr").nth(1).waitFor({ timeout: 40_000 });
        await settled(page);
        const sizes = await page.locator(".matrix-map").evaluateAll((canvases) => canvases.map(({ width, height }) => `${width} × ${height}`));
        assert.equal(new Set(sizes).size, 1, `${sizes}`);
        const [corner] = await look(page, ".matrix-map", [[0.02, 0.1]]);
        assert.ok(corner.isHatched);
        await close();
    }
});

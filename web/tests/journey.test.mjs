// What a person does with the page, from a photograph to the layers, in Chromium.

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

const text = (page, selector) => page.locator(selector).first().textContent();

test("a photograph is uploaded and its classes lead to saliency", async () => {
    const { page, close } = await openPage(browser, server.url);
    await page.locator(".drop-line input[type=file]").setInputFiles(CAT);
    await page.waitForFunction(() => /photograph=(?!example)/.test(location.hash));
    const first = page.locator(".panel .score-bars a").first();
    await first.waitFor();
    assert.match(await first.textContent(), /cat|tabby|lynx/i);
    const widths = await page.locator(".panel .score-bars .score-bar").evaluateAll((bars) => bars.map((bar) => bar.getBoundingClientRect().width));
    assert.deepEqual(widths, [...widths].sort((a, b) => b - a), "the bars fall");
    assert.match(await text(page, ".command"), /^deepinside classify /);
    await first.click();
    await settled(page);
    assert.match(page.url(), /#\/saliency\?.*classes=\d+/);
    // A view that has only just opened is not busy yet, and has no command either.
    const isCommand = (command) => /^deepinside saliency .*--class/.test(command);
    await until(page, () => text(page, ".command"), isCommand, "the command of the class that was clicked");
    await close();
});

test("photographs are dropped and pasted anywhere", async () => {
    const { page, close } = await openPage(browser, server.url, "#/localise?photograph=example-coffee");
    await settled(page);
    for (const kind of ["drop", "paste"]) {
        const bytes = (await readFile(CAT)).toString("base64");
        const before = page.url();
        await page.evaluate(
            async ({ bytes, kind }) => {
                const data = new DataTransfer();
                // One byte after the end of a PNG changes its content's name, and nothing of the picture.
                const parts = [Uint8Array.from(atob(bytes), (character) => character.charCodeAt(0)), kind === "paste" ? new Uint8Array(1) : new Uint8Array(0)];
                data.items.add(new File(parts, "cat.png", { type: "image/png" }));
                document.dispatchEvent(kind === "drop" ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }) : new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
            },
            { bytes, kind },
        );
        await until(page, () => page.url(), (url) => url !== before && /#\/localise\?/.test(url), `after the ${kind}`);
        await settled(page);
    }
    await close();
});

test("what is no picture is refused in words", async () => {
    const { page, close } = await openPage(browser, server.url, "#/photograph", { expected: /status of 4(15|00|22)/ });
    await page.locator(".drop-line input[type=file]").setInputFiles({ name: "notes.png", mimeType: "image/png", buffer: Buffer.from("not a picture at all") });
    const note = page.getByRole("alert");
    await note.waitFor();
    assert.match(await note.textContent(), /photograph|picture|format|file/i);
    await close();
});

test("any of the thousand classes is found and placed", async () => {
    const { page, close } = await openPage(browser, server.url);
    await settled(page);
    const field = page.getByRole("combobox", { name: /Search \d+ classes/ });
    await field.fill("golden retriever");
    await page.getByRole("option", { name: /golden retriever/ }).first().waitFor();
    await field.press("Enter");
    await page.locator(".looked li").first().waitFor();
    assert.match(await text(page, ".looked li"), /\d+\. of \d+.*golden retriever/);
    await close();
});

test("saliency: values are read, the view is restored by its link, maps are saved", async () => {
    const { page, close } = await openPage(browser, server.url, "#/saliency?photograph=example-cat&map=paper&classes=281,285");
    await page.locator(".multiple").nth(1).waitFor();
    await settled(page);
    // By pointer and by keyboard.
    const frame = page.locator(".stage-frame");
    const box = await frame.boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    const pointed = await until(page, () => text(page, ".readout"), (said) => /x \d+, y \d+ · .* of the map/.test(said), "the readout");
    await frame.focus();
    await page.keyboard.press("ArrowRight");
    await until(page, () => text(page, ".readout"), (said) => said !== pointed && /x \d+/.test(said), "the readout after an arrow key");

    await page.getByLabel("Rectifiers on the way back").selectOption("guided");
    await page.getByRole("radio", { name: "Wipe" }).check();
    await page.getByLabel("Divider").fill("0.25");
    await settled(page);
    await until(page, () => page.url(), (url) => /rule=guided/.test(url) && /layout=wipe/.test(url) && /divider=0.25/.test(url), "the address");
    const command = await text(page, ".command");
    assert.match(command, /--rule guided/);
    const inset = await page.locator(".stage-map").evaluate((canvas) => getComputedStyle(canvas).clipPath);
    await page.reload();
    await settled(page);
    await until(page, () => text(page, ".command"), (said) => said === command, "the command after a reload");
    assert.equal(await page.locator(".stage-map").evaluate((canvas) => getComputedStyle(canvas).clipPath), inset);

    const save = async (name) => {
        const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name }).click()]);
        return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
    };
    const array = await save("Save .npy");
    assert.match(array.name, /^saliency-.*guided\.npy$/);
    assert.deepEqual([...array.bytes.subarray(1, 6)].map((byte) => String.fromCharCode(byte)).join(""), "NUMPY");
    const picture = await save("Save PNG");
    assert.deepEqual([...picture.bytes.subarray(1, 4)].map((byte) => String.fromCharCode(byte)).join(""), "PNG");
    await close();
});

test("saliency: a signed view is blue and red, and copies of the command and the link are taken", async () => {
    const { page, close } = await openPage(browser, server.url, "#/saliency?photograph=example-cat&map=paper");
    await settled(page);
    await page.getByText("Signed gradient").click();
    await page.getByRole("radio", { name: "Beside" }).check();
    await settled(page);
    const [blue, red] = await until(
        page,
        () =>
            page.locator(".stage-map").evaluate((canvas) => {
                const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                let [blue, red] = [0, 0];
                for (let index = 0; index < data.length; index += 4) {
                    if (data[index + 2] > data[index] + 60) blue++;
                    if (data[index] > data[index + 2] + 60) red++;
                }
                return [blue, red];
            }),
        ([blue, red]) => blue > 50 && red > 50,
        "blue and red pixels",
    );
    assert.ok(blue && red);
    await page.getByRole("button", { name: "Copy command" }).click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await text(page, ".command"));
    await page.getByRole("button", { name: "Copy link to this view" }).click();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /#\/saliency\?.*signed=1/);
    await close();
});

test("saliency: another class is subtracted, over ten crops, too", async () => {
    const { page, close } = await openPage(browser, server.url, "#/saliency?photograph=example-cat&classes=285&crops=ten");
    await settled(page);
    const alone = await page.locator(".stage-map").evaluate((canvas) => canvas.toDataURL());
    await page.getByRole("combobox", { name: "Subtract a class" }).fill("281");
    await page.getByRole("option", { name: /^tabby/ }).first().waitFor();
    await page.keyboard.press("Enter");
    await until(page, () => page.url(), (url) => /minus=281/.test(url), "the address");
    await settled(page);
    await until(page, () => text(page, ".command"), (said) => /--class 285 --minus 281 .*--ten-crops/.test(said), "the command");
    assert.notEqual(await page.locator(".stage-map").evaluate((canvas) => canvas.toDataURL()), alone);
    await page.getByRole("button", { name: /^Minus tabby/ }).click();
    await until(page, () => page.url(), (url) => !/minus/.test(url), "the address without it");
    await close();
});

test("localise: asking for the seeds changes to a method that has some", async () => {
    const { page, close } = await openPage(browser, server.url, "#/localise?photograph=example-cat");
    await settled(page);
    await page.getByRole("radio", { name: "Seeds" }).check();
    await page.locator(".legend").waitFor({ timeout: 40_000 });
    await until(page, () => page.url(), (url) => /method=paper/.test(url) && /show=markers/.test(url), "the address");
    await close();
});

test("localise: boxes, the mask, and quantiles that take effect", async () => {
    const { page, close } = await openPage(browser, server.url, "#/localise?photograph=example-cat");
    await page.locator(".table tbody tr").first().waitFor({ timeout: 40_000 });
    await settled(page);
    assert.equal(await page.locator(".stage-shapes rect").count(), 2);
    const covered = () => text(page, ".seconds");
    const before = await covered();
    await page.getByLabel("Object: saliency above quantile").fill("0.8");
    await page.getByLabel("Background: below quantile").fill("0.6");
    await settled(page);
    await until(page, () => page.url(), (url) => /method=paper/.test(url) && /foreground=0.8/.test(url), "the address");
    await until(page, covered, (said) => said && said !== before, "what is covered");
    await page.getByRole("radio", { name: "Seeds" }).check();
    await settled(page);
    // The seeds' shares of the pixels are what the sliders say: 20 % object, 60 % background.
    const shares = await page.locator(".stage-map").evaluate((canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let [object, background] = [0, 0];
        for (let index = 0; index < data.length; index += 4) {
            if (data[index + 2] > 215 && data[index + 1] < 100) object++;
            else if (data[index + 1] > 180) background++;
        }
        return [object, background].map((count) => count / (data.length / 4));
    });
    assert.ok(Math.abs(shares[0] - 0.2) < 0.02 && Math.abs(shares[1] - 0.6) < 0.02, `${shares}`);
    await close();
});

test("a class model grows, sliders take effect, and the timeline is paused, resumed, rewound and stopped", async () => {
    const { page, close } = await openPage(browser, server.url, "#/class-model?classes=281&set=iterations:400");
    await page.getByRole("button", { name: "Start", exact: true }).click();
    const step = async () => Number((await text(page, ".growth-step")).match(/step (\d+)/)?.[1] ?? 0);
    const state = () => text(page, ".growth-state");
    await until(page, step, (number) => number > 3, "the first frames");
    const picture = await page.locator(".growth-picture img").getAttribute("src");
    await until(page, () => page.locator(".growth-picture img").getAttribute("src"), (source) => source !== picture, "another frame");

    await page.getByLabel("Jitter").fill("2");
    await page.locator(".notice", { hasText: /after step \d+ jitter 2/ }).waitFor();
    await until(page, () => page.url(), (url) => /set=.*jitter:2/.test(url), "the address");

    await page.getByRole("button", { name: "Pause" }).click();
    await until(page, state, (said) => said === "Paused", "the state");
    await page.waitForTimeout(150);
    const paused = await step();
    await page.waitForTimeout(400);
    assert.equal(await step(), paused, "nothing moves while it is paused");

    await page.getByRole("slider", { name: "Timeline" }).focus();
    for (let count = 0; count < 3; count++) await page.keyboard.press("ArrowLeft");
    const shown = await step();
    assert.ok(shown < paused && shown > 0, `${shown} before ${paused}`);
    await page.getByRole("button", { name: `Go on from step ${shown}` }).click();
    await until(page, state, (said) => said === "Climbing" || said === "Paused", "the state after the rewind");
    const resume = page.getByRole("button", { name: "Resume" });
    const goneOn = async () => {
        // What was paused before may still say so for a moment, or stay paused.
        if (await resume.count()) await resume.click({ timeout: 1000 }).catch(() => {});
        return step();
    };
    await until(page, goneOn, (number) => number > shown, "it goes on from there");

    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save picture as PNG" }).click()]);
    assert.match(download.suggestedFilename(), /^class-model-tabby.*\.png$/);
    await page.getByRole("button", { name: "Stop" }).click();
    await until(page, state, (said) => said === "Stopped", "the state at the end");
    await close();
});

test("a class model comes to its end, and its animation is saved", async () => {
    const { page, close } = await openPage(browser, server.url, "#/class-model?classes=292&set=iterations:32&run=1");
    await until(page, () => text(page, ".growth-state"), (said) => said === "At the top", "the state", 60_000);
    assert.match(await text(page, ".growth-step"), /step 32 of 32/);
    const save = async (name) => {
        const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name }).click()]);
        return readFile(await download.path());
    };
    // The chunks that make a PNG and a WebP an animation, and the other kinds by their first bytes.
    assert.ok((await save("Save animation as PNG")).includes("acTL"));
    assert.equal((await save("Save animation as GIF")).subarray(0, 6).toString(), "GIF89a");
    const moving = await save("Save animation as WebP");
    assert.equal(moving.subarray(8, 12).toString(), "WEBP");
    assert.ok(moving.includes("ANMF"));
    const still = await save("Save picture as WebP");
    assert.equal(still.subarray(8, 12).toString(), "WEBP");
    assert.ok(!still.includes("ANMF"));
    await close();
});

test("layers: a node, its channels, a unit with its link and its own picture", async () => {
    const { page, close } = await openPage(browser, server.url, "#/layers?photograph=example-cat");
    await page.locator(".channel").first().waitFor();
    await settled(page);
    assert.ok((await page.locator(".graph-block").count()) > 20);
    await page.locator(".filter-picture").or(page.locator(".unit-invitation")).first().waitFor();
    await page.locator(".channel").nth(2).click();
    await page.locator(".signed-picture").waitFor();
    await settled(page);
    await page.getByRole("region", { name: /Channel 2 of/ }).getByRole("radio", { name: "Guided" }).check();
    await settled(page);
    await until(page, () => page.url(), (url) => /channel=2/.test(url) && /unit=guided/.test(url), "the unit's link");
    // One place of the map is a unit of its own, which has a link, too.
    await page.getByRole("application", { name: /^Activation/ }).click({ position: { x: 12, y: 12 } });
    await until(page, () => page.url(), (url) => /place=\d+,\d+/.test(url), "the unit's place in its link");
    await settled(page);
    const title = await text(page, ".unit-title");
    const where = await page.locator(".unit").getByText(/at row \d+, column \d+/).textContent();
    const command = await text(page, ".command");
    await page.reload();
    await page.locator(".signed-picture").waitFor();
    await settled(page);
    assert.equal(await text(page, ".unit-title"), title);
    assert.equal(await page.locator(".unit").getByText(/at row \d+, column \d+/).textContent(), where);
    assert.equal(await text(page, ".command"), command);
    await page.getByRole("button", { name: "Make it" }).click();
    await page.locator(".own-model img").waitFor();
    await page.locator(".own-model").getByRole("button", { name: "Stop" }).click();

    await page.getByLabel("Search the network's layers").fill("pool");
    assert.ok((await page.locator(".graph-found").count()) > 0);
    await page.getByRole("radio", { name: "Gradients" }).check();
    await page.locator(".channel").first().waitFor();
    await close();
});

test("compare: methods and classes, and a report card", async () => {
    const { page, close } = await openPage(browser, server.url, "#/compare?photograph=example-cat&classes=281,285&methods=gradient,guided");
    await page.locator(".report tbody tr").nth(1).waitFor();
    await settled(page);
    assert.equal(await page.locator(".matrix td a").count(), 4);
    const marks = await page.locator(".report tbody tr").first().locator("td").allTextContents();
    assert.equal(marks[0], "1.00", "the first method agrees with itself");
    await page.getByText("DeconvNet", { exact: true }).click();
    await page.locator(".report tbody tr").nth(2).waitFor();
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save report card" }).click()]);
    assert.match(download.suggestedFilename(), /^compare-.*\.png$/);
    await page.locator(".matrix td a").last().click();
    await settled(page);
    assert.match(page.url(), /#\/saliency\?.*map=paper.*rule=guided/);
    await close();
});

test("a computation that is no longer wanted is cancelled", async () => {
    const { page, close } = await openPage(browser, server.url, "#/saliency?photograph=example-coffee&map=paper");
    await settled(page);
    const failed = [];
    page.on("requestfailed", (request) => failed.push(new URL(request.url()).pathname));
    await page.getByLabel("SmoothGrad copies").fill("50");
    // Ten times fifty copies take long on any machine.
    await Promise.all([page.waitForRequest(/\/saliency$/), page.getByLabel("Crops").selectOption("ten")]);
    await page.getByRole("button", { name: "Cancel" }).click();
    await until(page, async () => failed, (paths) => paths.some((path) => path.endsWith("/saliency")), "the cancelled request");
    assert.equal(await page.locator(".busy-on").count(), 0);
    // And the server has time for others at once.
    await page.goto(`${server.url}/#/photograph?photograph=example-rocket`);
    await page.locator(".panel .score-bars a").first().waitFor({ timeout: 5000 });
    await close();
});

test("no view is wider than a small phone", async () => {
    const { page, close } = await openPage(browser, server.url, "#/photograph", { size: { ...PHONE, width: 360 } });
    for (const view of ["photograph", "saliency", "methods", "localise", "class-model", "layers", "compare"]) {
        await page.goto(`${server.url}/#/${view}?photograph=example-cat`);
        await settled(page);
        const [width, limit] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(width <= limit, `${view} is ${width} wide`);
    }
    await close();
});

test("the first load is less than 80 kB of script", async () => {
    const response = await fetch(`${server.url}/page.js`);
    const bytes = Buffer.from(await response.arrayBuffer());
    const { gzipSync } = await import("node:zlib");
    assert.ok(bytes.length < 300_000 && gzipSync(bytes).length < 80_000, `${bytes.length} bytes, ${gzipSync(bytes).length} packed`);
});

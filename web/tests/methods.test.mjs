// Every method of the server's table, with the controls that the table describes.

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

const command = (page) => page.locator(".command-line code").first().textContent();

test("a method's controls are those of the table, and change what is computed", async () => {
    const { page, close } = await openPage(browser, server.url, "#/methods?photograph=example-cat&set=steps%3D2");
    await settled(page);
    const table = await (await fetch(`${server.url}/api/v1/methods`)).json();
    assert.equal(await page.getByLabel("Method", { exact: true }).locator("option").count(), table.length);
    const integrated = table.find(({ name }) => name === "integrated-gradients");
    for (const { name, kind } of integrated.parameters) {
        if (!kind.startsWith("array")) await page.locator(".control, .toggle", { hasText: name }).first().waitFor();
    }
    assert.equal(await page.getByLabel("steps").inputValue(), "2");
    await page.getByText("The map adds up to").waitFor();
    assert.match(await command(page), /--method integrated-gradients --set steps=2$/);
    await page.getByLabel("steps").fill("3");
    await page.getByLabel("steps").press("Enter");
    await page.waitForURL(/steps%3D3/);
    await page.getByLabel("quadrature").selectOption("trapezoid");
    await page.waitForURL(/trapezoid/);
    await page.waitForFunction(() => /steps=3/.test(document.querySelector(".command-line code")?.textContent ?? ""));
    await settled(page);
    assert.match(await command(page), /quadrature=trapezoid/);
    await close();
});

test("a method that looks at layers takes some, and a target is any value", async () => {
    const { page, close } = await openPage(browser, server.url, "#/methods?photograph=example-cat&method=grad-cam", { expected: /status of 404/ });
    await settled(page);
    await page.getByLabel("Layers").waitFor();
    await page.getByLabel("Target").fill("281 - 285");
    await page.getByLabel("Target").press("Enter");
    await page.waitForFunction(() => /--target/.test(document.querySelector(".command-line code")?.textContent ?? ""));
    await settled(page);
    assert.match(await command(page), /--method grad-cam --target '281 - 285'$/);
    const canvas = page.locator(".stage canvas").first();
    const colours = await canvas.evaluate((element) => new Set(element.getContext("2d").getImageData(0, 0, element.width, element.height).data).size);
    assert.ok(colours > 10, `${colours} levels`);
    await page.getByLabel("Target").fill("no such class");
    await page.getByLabel("Target").press("Enter");
    await page.getByText("no such class").first().waitFor();
    await close();
});

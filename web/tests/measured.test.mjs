// The view Compare shows what `deepinside report` computes: the same numbers and verdicts, with its progress and a way to end it.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { openPage, settled, startBrowser, startServer } from "./support.mjs";

let server, browser;
before(async () => {
    server = await startServer();
    browser = await startBrowser();
});
after(async () => {
    await browser?.close();
    await server?.stop();
});

const METHODS = ["gradient", "guided", "grad-cam"];

test("compare: every measured map has its picture, the server's numbers and a verdict", async () => {
    const body = { photograph: "example-cat", target: "281", methods: METHODS };
    const response = await fetch(`${server.url}/api/v1/reports`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const report = await response.json();
    assert.equal(response.status, 200, JSON.stringify(report));
    assert.deepEqual(report.cards.map(({ method }) => method), METHODS);
    assert.deepEqual(report.controls.map(({ name }) => name), ["random", "centre", "edges"]);

    const { page, close } = await openPage(browser, server.url, `#/compare?photograph=example-cat&classes=281&methods=gradient&measured=${METHODS.join("+")}`);
    await page.waitForSelector(".measured .measured-row", { timeout: 60_000 });
    await settled(page);
    const rows = await page.$$eval(".measured .measured-row", (rows) =>
        rows.map((row) => ({ title: row.querySelector("th").textContent, numbers: [...row.querySelectorAll(".number")].map((cell) => cell.textContent), verdict: row.nextElementSibling.textContent })),
    );
    const written = (value, digits = 3) => value.toFixed(digits).replace("-", "−");
    const faithful = ({ deletion, insertion, difference }) => [deletion, insertion, difference].map((value) => written(value));
    assert.deepEqual(rows.map(({ title }) => title), [...report.cards.map(({ title }) => title), "random map", "centre map", "edges map"]);
    [...report.cards, ...report.controls].forEach((card, index) => {
        assert.deepEqual(rows[index].numbers.slice(0, 3), faithful(card.faithfulness));
        assert.ok(rows[index].verdict.startsWith(card.verdict ?? "It knows nothing of the network."), rows[index].verdict);
    });
    report.cards.forEach((card, index) => assert.equal(rows[index].numbers[3], card.randomised.map((value) => written(value, 2)).join(", ")));
    const colours = await page.$$eval(".measured canvas", (canvases) => canvases.map((canvas) => new Set(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data).size));
    assert.equal(colours.length, 6);
    assert.ok(colours.every((count) => count > 20), `pictures of ${colours} levels`);
    await close();
});

test("compare: a long measurement says how far it is, and can be cancelled", async () => {
    const { page, close } = await openPage(browser, server.url, "#/compare?photograph=example-cat&classes=281&methods=gradient&measured=rise:samples=1000+kernel-shap:samples=300", { expected: /aborted/ });
    const working = page.locator(".measured .working");
    await working.getByText(/\d+ %/).waitFor({ timeout: 60_000 });
    await working.getByRole("button", { name: "Cancel" }).click();
    await page.getByText("Measuring the maps was cancelled.").waitFor();
    assert.equal(await page.locator(".measured .measured-row").count(), 0);
    await close();
});

// The site that `deepinside publish` makes: it opens from a disk, asks no server for anything, finds what is searched, and fits a phone.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { DESKTOP, PHONE, root, startBrowser } from "./support.mjs";

let browser, folder, first;
before(async () => {
    const program = path.resolve(process.env.DEEPINSIDE ?? path.join(root, "target/release/deepinside"));
    assert.ok(existsSync(program), `${program} is missing: build it with \`cargo build --release\`, or name another with DEEPINSIDE`);
    folder = mkdtempSync(path.join(tmpdir(), "deepinside-site-"));
    const flags = ["--units", "3", "--classes", "281,285", "--iterations", "2", "--top", "3"];
    execFileSync(program, ["publish", path.join(root, "examples"), "--out", path.join(folder, "site"), ...flags], { stdio: "ignore" });
    first = pathToFileURL(path.join(folder, "site/index.html")).href;
    browser = await startBrowser();
});
after(async () => {
    await browser?.close();
    if (folder) rmSync(folder, { recursive: true });
});

/** A page whose requests all go to the disk, and whose policy nothing violates. */
async function open(address, size) {
    const context = await browser.newContext({ viewport: size });
    const page = await context.newPage();
    const faults = [];
    page.on("request", (request) => {
        if (!request.url().startsWith("file://")) faults.push(`a request left the disk: ${request.url()}`);
    });
    page.on("requestfailed", (request) => {
        // A page that is left while a picture is still being fetched gives that one up.
        const reason = request.failure()?.errorText;
        if (reason !== "net::ERR_ABORTED") faults.push(`there is no ${request.url()}: ${reason}`);
    });
    page.on("pageerror", (error) => faults.push(`a script threw: ${error}`));
    page.on("console", (message) => {
        if (message.type() === "error") faults.push(`the console says: ${message.text()}`);
    });
    await page.goto(address);
    const close = async () => {
        assert.deepEqual(faults, []);
        await context.close();
    };
    return { page, close };
}

test("every page opens from the disk, with all of its pictures", async () => {
    const { page, close } = await open(first, DESKTOP);
    const links = await page.locator("main a").evaluateAll((links) => [...new Set(links.map((link) => link.href.replace(/#.*/, "")))]);
    assert.ok(links.length >= 5, links.join("\n"));
    for (const address of [first, ...links]) {
        await page.goto(address);
        // Those that are fetched when they come into view, too.
        await page.evaluate(() => document.querySelectorAll("img").forEach((image) => (image.loading = "eager")));
        await page.waitForFunction(() => [...document.images].every((image) => image.complete));
        const broken = await page.evaluate(() => [...document.images].filter((image) => !image.naturalWidth).map((image) => image.src));
        assert.deepEqual(broken, [], address);
        assert.equal(await page.locator("main h1").count(), 1, address);
    }
    await close();
});

test("classes, layers and units are found, and a link to a unit leads there", async () => {
    const { page, close } = await open(first, DESKTOP);
    await page.getByRole("searchbox").fill("tabby");
    await page.locator("#found a").first().click();
    assert.match(page.url(), /classes\/0281\.html$/);
    await page.getByRole("searchbox").fill("unit 2");
    await page.locator("#found a").first().click();
    assert.match(page.url(), /layers\/.*#unit-2$/);
    assert.ok(await page.locator("#unit-2").isVisible());
    await page.getByRole("searchbox").fill("nothing like it");
    assert.equal(await page.locator("#found").innerText(), "nothing is called so");
    await close();
});

test("pages fit a phone", async () => {
    const { page, close } = await open(first, PHONE);
    const links = await page.locator("main a").evaluateAll((links) => [...new Set(links.map((link) => link.href.replace(/#.*/, "")))]);
    for (const address of [first, ...links]) {
        await page.goto(address);
        const [needed, there] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(needed <= there, `${address}: ${needed} pixels on a screen of ${there}`);
    }
    await close();
});

test("a style or script within a page is refused by its policy", async () => {
    const { page } = await open(first, DESKTOP);
    const ran = await page.evaluate(() => {
        const script = document.createElement("script");
        script.textContent = "window.wasRun = true";
        document.body.append(script);
        return window.wasRun ?? false;
    });
    assert.equal(ran, false);
    await page.context().close();
});

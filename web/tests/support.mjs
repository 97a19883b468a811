// What the browser tests share: the server under test, Chromium, and pages that are watched for what a page must not do.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import pixelmatch from "pixelmatch";
import { chromium } from "playwright-core";
import { PNG } from "pngjs";

const here = path.dirname(fileURLToPath(import.meta.url));
export const root = path.resolve(here, "../..");
export const CAT = path.join(root, "examples/cat.png");

/** The file of another network than the built-in one, where this machine has one: `DEEPINSIDE_TEST_MODEL`. */
export const extraModel = process.env.DEEPINSIDE_TEST_MODEL;

/** Starts `deepinside serve` on a free port, or uses the one at `DEEPINSIDE_URL`. */
export function startServer(...flags) {
    return startServerIn(process.cwd(), ...flags);
}

/** The same with a folder as the working directory, from which paths among the flags go out. */
export async function startServerIn(folder, ...flags) {
    if (process.env.DEEPINSIDE_URL) return { url: process.env.DEEPINSIDE_URL.replace(/\/$/, ""), stop: async () => undefined };
    const program = path.resolve(process.env.DEEPINSIDE ?? path.join(root, "target/release/deepinside"));
    assert.ok(existsSync(program), `${program} is missing: build it with \`cargo build --release\`, or name another with DEEPINSIDE`);
    const port = flags.includes("--port") ? [] : ["--port", "0"];
    const child = spawn(program, ["serve", ...port, ...flags], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
    const url = await new Promise((resolve, reject) => {
        let said = "";
        child.stdout.on("data", (chunk) => {
            said += chunk;
            const found = said.match(/http:\/\/\S+/);
            if (found) resolve(found[0].replace(/\/$/, ""));
        });
        child.on("exit", (code) => reject(new Error(`deepinside serve ended with ${code} before it said where it listens`)));
    });
    const stop = () =>
        new Promise((resolve) => {
            child.removeAllListeners("exit");
            child.on("exit", resolve);
            child.kill("SIGTERM");
        });
    /** Sends a signal, and waits for the end that SIGKILL brings. */
    const signal = (name) =>
        new Promise((resolve) => {
            child.removeAllListeners("exit");
            if (name === "SIGKILL") child.on("exit", resolve);
            child.kill(name);
            if (name !== "SIGKILL") resolve();
        });
    return { url, stop, signal };
}

export async function startBrowser() {
    const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
    assert.ok(existsSync(executablePath), `${executablePath} is missing: install Chromium, or name it with CHROMIUM`);
    return chromium.launch({
        executablePath,
        args: [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--use-fake-device-for-media-stream=fps=30",
            "--use-fake-ui-for-media-stream",
        ],
    });
}

export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

/**
 * A page that is watched: `check()` fails when a request left the server, the content security policy was violated, or a script
 * threw. Answers that a test provokes to fail are named by `expected`, a pattern of the console's message.
 */
export async function openPage(browser, url, hash = "#/photograph", { scheme = "light", size = DESKTOP, isTouched = false, expected } = {}) {
    const context = await browser.newContext({ viewport: size, colorScheme: scheme, reducedMotion: "reduce", hasTouch: isTouched, isMobile: isTouched, acceptDownloads: true, permissions: ["clipboard-read", "clipboard-write"] });
    const page = await context.newPage();
    const origin = new URL(url).origin;
    const faults = [];
    page.on("request", (request) => {
        const address = request.url();
        if (!address.startsWith(`${origin}/`) && !/^(data|blob):/.test(address)) faults.push(`a request left the server: ${address}`);
    });
    page.on("pageerror", (error) => faults.push(`a script threw: ${error.stack ?? error}`));
    page.on("console", (message) => {
        if (message.type() === "error" && !expected?.test(message.text())) faults.push(`the console says: ${message.text()}`);
    });
    await page.addInitScript(() => {
        document.addEventListener("securitypolicyviolation", (event) => console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
    });
    await page.goto(`${url}/${hash}`);
    const check = () => assert.deepEqual(faults, []);
    const close = async () => {
        check();
        await context.close();
    };
    return { page, check, close };
}

/** Waits until nothing is computed, and the picture in sight is painted. */
export async function settled(page) {
    await page.waitForFunction(() => !document.querySelector(".busy-on"), undefined, { timeout: 30_000 });
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
}

/** Waits until a value read in the page passes a test. */
export async function until(page, read, passes, what, timeout = 20_000) {
    const end = Date.now() + timeout;
    let value;
    do {
        value = await read();
        if (passes(value)) return value;
        await page.waitForTimeout(50);
    } while (Date.now() < end);
    assert.fail(`${what}: still ${JSON.stringify(value)}`);
}

/**
 * Compares a screenshot with the picture of that name. Fonts and rounding differ between machines, so a share of the pixels may differ.
 * `UPDATE_PICTURES=1` takes new ones.
 */
export async function comparePicture(name, bytes, share = 0.01) {
    const file = path.join(here, "pictures", `${name}.png`);
    if (process.env.UPDATE_PICTURES) {
        await mkdir(path.dirname(file), { recursive: true });
        await writeFile(file, bytes);
        return;
    }
    assert.ok(existsSync(file), `there is no ${file} to compare with: take it with UPDATE_PICTURES=1, look at it, and commit it`);
    const [expected, found] = [PNG.sync.read(await readFile(file)), PNG.sync.read(bytes)];
    assert.deepEqual([found.width, found.height], [expected.width, expected.height], `the size of ${name}`);
    const difference = new PNG({ width: found.width, height: found.height });
    const count = pixelmatch(expected.data, found.data, difference.data, found.width, found.height, { threshold: 0.12 });
    if (count > share * found.width * found.height) {
        const folder = path.join(here, "../test-results");
        await mkdir(folder, { recursive: true });
        await writeFile(path.join(folder, `${name}-found.png`), bytes);
        await writeFile(path.join(folder, `${name}-difference.png`), PNG.sync.write(difference));
        assert.fail(`${name}: ${count} of ${found.width * found.height} pixels differ; see ${folder}`);
    }
}

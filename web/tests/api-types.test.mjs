// The types of the server's interface are those of its own document.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { FILE, generate, typeOf } from "../api-types.mjs";
import { startServer } from "./support.mjs";

test("the types are made from the document that the server has now", async () => {
    const server = await startServer();
    try {
        const document = await (await fetch(`${server.url}/api/v1/openapi.json`)).json();
        const stale = "src/api-types.ts is stale: run `npm run api-types` and commit what changes";
        assert.equal(await readFile(FILE, "utf8"), generate(document), stale);
    } finally {
        await server.stop();
    }
});

test("schemas become the types that they describe", () => {
    const cases = [
        [{ type: "integer", minimum: 0 }, "number"],
        [{ type: ["string", "null"] }, "string | null"],
        [{ oneOf: [{ $ref: "#/components/schemas/Numbers" }, { type: "null" }] }, "Numbers | null"],
        [{ type: "array", items: { type: "string" } }, "readonly string[]"],
        [{ type: "array", items: { oneOf: [{ type: "string" }, { type: "null" }] } }, "readonly (string | null)[]"],
        [{ type: ["array", "null"], items: { type: "number" }, minItems: 2, maxItems: 2 }, "readonly [number, number] | null"],
        [{ enum: ["one", "two"], type: "string" }, '"one" | "two"'],
        [{ type: "object", additionalProperties: { type: "boolean" } }, "Readonly<Record<string, boolean>>"],
        [{ type: "object", properties: { "a-b": { type: "null" }, c: { type: "boolean" } }, required: ["c"] }, '{\n    readonly "a-b"?: null;\n    readonly c: boolean;\n}'],
    ];
    for (const [schema, expected] of cases) assert.equal(typeOf(schema), expected);
    assert.throws(() => typeOf({ type: "tuple" }), /does not know/);
});

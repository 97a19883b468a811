// Makes `src/api-types.ts` from the server's OpenAPI document: `npm run api-types`. `tests/api-types.test.mjs` says when it is stale.
//
// Generators of this kind (openapi-typescript 7) print through TypeScript 5's compiler, which the page's TypeScript 7 has no longer;
// what the document uses of JSON Schema is little, so that it is written out here.

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";

export const FILE = fileURLToPath(new URL("src/api-types.ts", import.meta.url));

const WIDTH = 140;
const METHODS = ["get", "post", "put", "patch", "delete"];

/** Comment lines of a description, wrapped. */
function comment(text, indent) {
    if (!text) return "";
    const lines = [""];
    for (const word of text.replaceAll("*/", "* /").split(/\s+/)) {
        const line = lines.at(-1);
        if (line && indent.length + line.length + word.length + 4 > WIDTH) lines.push(word);
        else lines[lines.length - 1] = line ? `${line} ${word}` : word;
    }
    if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
    return `${indent}/**\n${lines.map((line) => `${indent} * ${line}\n`).join("")}${indent} */\n`;
}

const nameOf = (reference) => reference.replace("#/components/schemas/", "");
const property = (name) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));

/** The type of a schema, as TypeScript writes it. */
export function typeOf(schema, indent = "") {
    if (schema.$ref) return nameOf(schema.$ref);
    if (schema.enum) return schema.enum.map((word) => JSON.stringify(word)).join(" | ");
    const several = schema.oneOf ?? schema.anyOf;
    if (several) return several.map((one) => typeOf(one, indent)).join(" | ");
    if (schema.allOf) return schema.allOf.map((one) => typeOf(one, indent)).join(" & ");
    if (Array.isArray(schema.type)) return schema.type.map((type) => typeOf({ ...schema, type }, indent)).join(" | ");
    switch (schema.type) {
        case "null":
        case "boolean":
            return schema.type;
        case "string":
            return schema.format === "binary" ? "Blob" : "string";
        case "integer":
        case "number":
            return "number";
        case "array":
            return arrayOf(schema, indent);
        case "object":
            return objectOf(schema, indent);
        case undefined:
            return "unknown";
        default:
            throw new Error(`api-types.mjs does not know the type ${JSON.stringify(schema.type)}`);
    }
}

function arrayOf({ items = {}, minItems, maxItems }, indent) {
    const item = typeOf(items, indent);
    if (minItems !== undefined && minItems === maxItems) return `readonly [${Array(minItems).fill(item).join(", ")}]`;
    return /[ |&]/.test(item) && !item.startsWith("{") ? `readonly (${item})[]` : `readonly ${item}[]`;
}

function objectOf({ properties, required = [], additionalProperties }, indent) {
    if (!properties) {
        const value = additionalProperties && additionalProperties !== true ? typeOf(additionalProperties, indent) : "unknown";
        return `Readonly<Record<string, ${value}>>`;
    }
    const inner = `${indent}    `;
    const members = Object.entries(properties).map(([name, schema]) => {
        // What an optional member means is said where it refers to.
        const said = schema.description ?? schema.oneOf?.find((one) => one.description)?.description;
        return `${comment(said, inner)}${inner}readonly ${property(name)}${required.includes(name) ? "" : "?"}: ${typeOf(schema, inner)};\n`;
    });
    return `{\n${members.join("")}${indent}}`;
}

/** What an operation takes and answers in JSON; undefined where it is about files alone. */
function operation({ requestBody, responses }) {
    const json = (content) => content?.["application/json"]?.schema;
    const success = Object.entries(responses).find(([status]) => status.startsWith("2"));
    const [body, answer] = [json(requestBody?.content), json(success?.[1].content)];
    if (!body && !answer) return undefined;
    return `{ readonly body: ${body ? typeOf(body, "    ") : "undefined"}; readonly answer: ${answer ? typeOf(answer, "    ") : "undefined"} }`;
}

export function generate(document) {
    let text = "// Made from the server's OpenAPI document by `npm run api-types`: do not change it by hand.\n";
    for (const [name, schema] of Object.entries(document.components.schemas)) {
        const type = typeOf(schema);
        text += `\n${comment(schema.description, "")}`;
        text += type.startsWith("{") && !schema.allOf ? `export interface ${name} ${type}\n` : `export type ${name} = ${type};\n`;
    }
    text += "\n/** What is sent to each address in JSON, and what it answers in JSON. */\nexport interface Operations {\n";
    for (const [path, operations] of Object.entries(document.paths)) {
        for (const method of METHODS.filter((method) => operations[method])) {
            const type = operation(operations[method]);
            if (type) text += `    readonly ${JSON.stringify(`${method} ${path.replace("/api/v1", "")}`)}: ${type};\n`;
        }
    }
    return `${text}}\n`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
    const given = process.argv[2];
    let document;
    if (given) document = JSON.parse(await readFile(given, "utf8"));
    else {
        const { startServer } = await import("./tests/support.mjs");
        const server = await startServer();
        document = await (await fetch(`${server.url}/api/v1/openapi.json`)).json();
        await server.stop();
    }
    await writeFile(FILE, generate(document));
}

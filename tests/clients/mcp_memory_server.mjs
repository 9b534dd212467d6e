// The protocol's own memory server and `quipu mcp --profile memory`: each is asked the same, and both have to answer the same.
// needs: npm @modelcontextprotocol/sdk@1.32.2 @modelcontextprotocol/server-memory@2026.8.31
// serves: no
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const { QUIPU, SCRATCH } = process.env;
mkdirSync(SCRATCH, { recursive: true });
let failures = 0;

async function connect(command, args, env) {
    const client = new Client({ name: "both", version: "1" });
    await client.connect(new StdioClientTransport({ command, args, env: { ...process.env, ...env }, stderr: "ignore" }));
    return client;
}
const theirs = await connect("npx", ["mcp-server-memory"], { MEMORY_FILE_PATH: `${SCRATCH}/memory.jsonl` });
const ours = await connect(QUIPU, ["--store", `${SCRATCH}/store`, "mcp", "--profile", "memory"], {});

const E = (name, entityType, ...observations) => ({ name, entityType, observations });
const R = (from, relationType, to) => ({ from, to, relationType });
const calls = [
    ["read_graph", {}],
    ["search_nodes", { query: "x" }],
    ["create_entities", { entities: [E("Ana", "person", "likes tea", "bakes"), E("Acme", "firm"), E("Ünïcode", "Word", "ΣΩ")] }],
    ["create_entities", { entities: [E("Ana", "cat", "x"), E("Ben", "person", "two\nlines", "", "two\nlines")] }],
    ["create_entities", { entities: [E("Twin", "t", "1"), E("Twin", "t", "2")] }],
    ["create_entities", { entities: [] }],
    ["create_relations", { relations: [R("Ana", "works at", "Acme"), R("Ben", "knows", "nobody"), R("Ana", "works at", "Acme")] }],
    ["create_relations", { relations: [R("Ana", "works at", "Acme"), R("Acme", "employs", "Ana")] }],
    ["add_observations", { observations: [{ entityName: "Ana", contents: ["bakes", "runs", "runs"] }, { entityName: "Ana", contents: ["runs", "swims"] }] }],
    ["add_observations", { observations: [{ entityName: "Ana", contents: ["lost"] }, { entityName: "Nobody", contents: ["x"] }] }],
    ["add_observations", { observations: [{ entityName: "Twin", contents: ["3"] }] }],
    ["read_graph", {}],
    ["search_nodes", { query: "TEA" }],
    ["search_nodes", { query: "FIRM" }],
    ["search_nodes", { query: "ünï" }],
    ["search_nodes", { query: "σ" }],
    ["search_nodes", { query: "" }],
    ["search_nodes", { query: "two\nlines" }],
    ["open_nodes", { names: ["Ana", "nobody"] }],
    ["open_nodes", { names: [] }],
    ["open_nodes", { names: ["Twin"] }],
    ["delete_observations", { deletions: [{ entityName: "Ben", observations: ["two\nlines"] }, { entityName: "Nobody", observations: ["x"] }] }],
    ["delete_relations", { relations: [R("Ana", "works at", "Acme"), R("a", "b", "c")] }],
    ["read_graph", {}],
    ["delete_entities", { entityNames: ["Ana", "Nobody"] }],
    ["read_graph", {}],
    ["create_entities", { entities: [E("Ana", "person")] }],
    ["delete_entities", { entityNames: ["Twin", "Ben", "Ana", "Acme", "Ünïcode"] }],
    ["read_graph", {}],
];
for (const [number, [name, args]] of calls.entries()) {
    const [a, b] = await Promise.all([theirs, ours].map((c) => c.callTool({ name, arguments: args })));
    try {
        assert.deepEqual(b.content, a.content);
        assert.deepEqual(b.structuredContent, a.structuredContent);
        assert.equal(!!b.isError, !!a.isError);
        console.log("ok", number, name);
    } catch (error) {
        failures++;
        console.log(String(error.message ?? error));
        console.log("not ok", number, name);
    }
}
try {
    const plain = (t) => ({ name: t.name, title: t.title, description: t.description, annotations: { ...t.annotations, title: undefined } });
    const [a, b] = await Promise.all([theirs, ours].map(async (c) => (await c.listTools()).tools.map(plain)));
    assert.deepEqual(b, a);
    console.log("ok names, titles, descriptions and hints of the tools");
} catch (error) {
    failures++;
    console.log(String(error.message ?? error));
    console.log("not ok names, titles, descriptions and hints of the tools");
}
await theirs.close();
await ours.close();
process.exit(failures ? 1 : 0);

// The MCP TypeScript SDK as a client of `quipu mcp` over stdio, and the inspector's command line.
// needs: npm @modelcontextprotocol/sdk@1.32.2 @modelcontextprotocol/inspector@0.15.0
// serves: no
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";

const { QUIPU, SCRATCH } = process.env;
const store = `${SCRATCH}/store`;
let failures = 0;

async function tried(name, what) {
    try {
        await what();
        console.log("ok", name);
    } catch (error) {
        failures++;
        console.log(error);
        console.log("not ok", name);
    }
}

const client = new Client({ name: "typescript-client", version: "1" });
await client.connect(new StdioClientTransport({ command: QUIPU, args: ["--store", store, "mcp"] }));
const call = async (name, args) => client.callTool({ name, arguments: args });

await tried("the newest revision of the initialize era is agreed on", () => {
    assert.equal(client.getServerVersion().name, "quipu");
    assert.deepEqual(client.getServerCapabilities().resources, { subscribe: true });
});
await tried("answers keep the schemas of their tools", async () => {
    // The SDK checks structured content against the schemas that tools/list gave.
    assert.equal((await client.listTools()).tools.length, 9);
    assert.equal((await call("remember", { id: "a", text: "Tom keeps bees" })).structuredContent.changed, true);
    assert.equal((await call("recall", { query: "bees" })).structuredContent.results[0].id, "a");
    await call("update", { id: "a", text: "Tom keeps two hives" });
    assert.equal((await call("history", { id: "a" })).structuredContent.revisions.length, 2);
    assert.equal((await call("diff", {})).structuredContent.changes.length, 1);
    await call("branch", { action: "create", name: "trial" });
    assert.equal((await call("branch", { action: "list" })).structuredContent.branches.length, 2);
    assert.equal((await call("get", { id: "none" })).isError, true);
    await assert.rejects(call("nothing", {}), /Unknown tool/);
});
await tried("who subscribes hears of changes", async () => {
    const heard = new Promise((resolve) =>
        client.setNotificationHandler(ResourceUpdatedNotificationSchema, (n) => resolve(n.params.uri)));
    await client.subscribeResource({ uri: "quipu://records/a" });
    await call("update", { id: "a", text: "Tom keeps three hives" });
    assert.equal(await heard, "quipu://records/a");
    await client.unsubscribeResource({ uri: "quipu://records/a" });
});
await tried("resources, prompts, completion, logging and ping", async () => {
    assert.equal((await client.listResources()).resources[0].uri, "quipu://records/a");
    assert.match((await client.readResource({ uri: "quipu://records/a/at/HEAD~1" })).contents[0].text, /two hives/);
    await assert.rejects(client.readResource({ uri: "quipu://records/none" }), /-32002/);
    assert.match((await client.getPrompt({ name: "recall", arguments: { topic: "hives" } })).messages[0].content.text, /three/);
    const ref = { type: "ref/resource", uri: "quipu://records/{id}" };
    assert.deepEqual((await client.complete({ ref, argument: { name: "id", value: "" } })).completion.values, ["a"]);
    await client.setLoggingLevel("warning");
    await client.ping();
});
await client.close();

const inspect = (...args) =>
    JSON.parse(execFileSync("npx", ["mcp-inspector", "--cli", QUIPU, "--store", store, "mcp", ...args], { encoding: "utf8" }));
await tried("the inspector lists tools and calls one", () => {
    assert.equal(inspect("--method", "tools/list").tools[0].name, "remember");
    const answer = inspect("--method", "tools/call", "--tool-name", "recall", "--tool-arg", "query=hives");
    assert.equal(answer.structuredContent.results[0].id, "a");
    assert.equal(inspect("--method", "resources/list").resources.length, 1);
});
process.exit(failures ? 1 : 0);

// mem0's client for Node: every method of it that a server answers.
// needs: npm mem0ai@3.1.6
import assert from "node:assert/strict";
import { MemoryClient } from "mem0ai";

const { QUIPU_URL: host, QUIPU_KEY: apiKey } = process.env;
const client = new MemoryClient({ apiKey, host });
let failures = 0;
const ids = {};
const nobody = "00000000-0000-4000-8000-000000000000";

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

await tried("the_client_pings", () => client.ping());

await tried("a_wrong_key_is_refused", async () => {
  await assert.rejects(new MemoryClient({ apiKey: "wrong", host }).getAll({ filters: { user_id: "ana" } }), /Invalid API key/);
});

await tried("messages_are_added", async () => {
  const answer = await client.add(
    [
      { role: "user", content: "I bake rye bread." },
      { role: "assistant", content: "Good!" },
    ],
    { userId: "ana", metadata: { camelCase: { inner_key: 1 } } },
  );
  assert.equal(answer.status, "SUCCEEDED");
  assert.ok(answer.eventId);
  assert.deepEqual(answer.results.map((r) => r.event), ["ADD", "ADD"]);
  ids.bread = answer.results[0].id;
  ids.agent = (await client.add([{ role: "user", content: "Answers in verse." }], { agentId: "poet", infer: false })).results[0].id;
  ids.run = (await client.add([{ role: "user", content: [{ type: "text", text: "Only in this run." }] }],
    { userId: "ana", runId: "r1", appId: "shop", infer: false })).results[0].id;
});

await tried("nobody_named_is_a_bad_request", async () => {
  await assert.rejects(client.add([{ role: "user", content: "to nobody" }], {}), /user_id/);
  await assert.rejects(client.search("bread", { filters: {} }), /filters must contain/);
});

await tried("a_memory_is_got_by_its_id", async () => {
  const memory = await client.get(ids.bread);
  assert.equal(memory.memory, "I bake rye bread.");
  assert.equal(memory.userId, "ana");
  assert.deepEqual(memory.metadata, { camelCase: { inner_key: 1 } });
  assert.ok(new Date(memory.createdAt).getTime() > 0);
  await assert.rejects(client.get(nobody), /Memory not found/);
});

await tried("memories_are_listed", async () => {
  const list = await client.getAll({ filters: { user_id: "ana" } });
  assert.equal(list.count, 3);
  assert.equal(list.results.length, 3);
  const page = await client.getAll({ filters: { OR: [{ user_id: "ana" }, { agent_id: "poet" }] }, page: 2, pageSize: 3 });
  assert.equal(page.results.length, 1);
  assert.ok(page.previous);
});

await tried("memories_are_found", async () => {
  const { results } = await client.search("what bread?", { filters: { user_id: "ana" } });
  assert.equal(results[0].id, ids.bread);
  assert.ok(results[0].score > 0 && results[0].score <= 1);
  assert.deepEqual((await client.search("what bread?", { filters: { user_id: "ben" } })).results, []);
  assert.equal((await client.search("bread run good", { filters: { user_id: "ana" }, topK: 1 })).results.length, 1);
});

await tried("a_memory_is_changed_and_its_history_told", async () => {
  const memory = await client.update(ids.bread, { text: "I bake wheat bread." });
  assert.equal((Array.isArray(memory) ? memory[0] : memory).memory, "I bake wheat bread.");
  const history = await client.history(ids.bread);
  assert.deepEqual(history.map((e) => e.event), ["ADD", "UPDATE"]);
  assert.equal(history[1].oldMemory, "I bake rye bread.");
});

await tried("many_are_changed_and_deleted_at_once", async () => {
  const made = [];
  for (const n of [1, 2])
    made.push((await client.add([{ role: "user", content: `thing ${n}` }], { userId: "many", infer: false })).results[0].id);
  await client.batchUpdate(made.map((memoryId) => ({ memoryId, text: "changed" })));
  const { results } = await client.getAll({ filters: { user_id: "many" } });
  assert.deepEqual(results.map((m) => m.memory), ["changed", "changed"]);
  await client.batchDelete(made);
  assert.equal((await client.getAll({ filters: { user_id: "many" } })).count, 0);
});

await tried("feedback_is_taken", async () => {
  const answer = await client.feedback({ memoryId: ids.bread, feedback: "POSITIVE", feedbackReason: "true" });
  assert.equal(answer.feedback, "POSITIVE");
});

await tried("exports_are_made", async () => {
  const made = await client.createMemoryExport({ schema: { type: "object" }, filters: { user_id: "ana" } });
  assert.ok(made.id);
  const got = await client.getMemoryExport({ memoryExportId: made.id });
  assert.equal(got.results.length, 3);
});

await tried("projects_have_settings", async () => {
  await client.updateProject({ customInstructions: "Only food." });
  const project = await client.getProject({ fields: ["custom_instructions"] });
  assert.equal(project.customInstructions, "Only food.");
});

await tried("webhooks_are_kept", async () => {
  const hook = await client.createWebhook({ name: "hook", url: "https://example.org/x", projectId: "default", eventTypes: ["memory_add"] });
  assert.ok(hook.webhookId);
  await client.updateWebhook({ webhookId: hook.webhookId, name: "other", url: "https://example.org/y", eventTypes: ["memory_delete"] });
  const hooks = await client.getWebhooks({ projectId: "default" });
  assert.equal(hooks[0].name, "other");
  await client.deleteWebhook({ webhookId: hook.webhookId });
});

await tried("users_are_listed_and_deleted", async () => {
  await client.add([{ role: "user", content: "odd" }], { userId: "odd/name@example.org", infer: false });
  const users = await client.users();
  assert.ok(users.results.some((u) => u.type === "user" && u.name === "odd/name@example.org"));
  await client.deleteUsers({ userId: "odd/name@example.org" });
  await client.deleteUsers({ agentId: "poet" });
  assert.ok(!(await client.users()).results.some((u) => u.name === "poet" || u.name.startsWith("odd")));
});

await tried("memories_are_deleted", async () => {
  assert.equal((await client.delete(ids.bread)).message, "Memory deleted successfully!");
  await assert.rejects(client.get(ids.bread), /Memory not found/);
  await client.deleteAll({ userId: "ana" });
  assert.equal((await client.getAll({ filters: { user_id: "ana" } })).count, 0);
});

process.exit(failures ? 1 : 0);

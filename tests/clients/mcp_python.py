"""The MCP Python SDK as a client of `quipu mcp` over stdio: in the initialize era, in the modern one, and choosing by itself."""
# needs: pip mcp==2.3.0
# serves: no
import asyncio
import os
import traceback

from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError

failures = 0


def server(name, *arguments):
    store = os.path.join(os.environ["SCRATCH"], name)
    return StdioServerParameters(command=os.environ["QUIPU"], args=["--store", store, "mcp", *arguments])


async def fails(call):
    try:
        await call
    except MCPError as error:
        return error
    raise AssertionError("it did not fail")


async def tools(client, mode):
    listed = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert list(listed) == ["remember", "recall", "get", "update", "forget", "history", "diff", "revert", "branch"], listed
    assert listed["recall"].annotations.read_only_hint and not listed["forget"].annotations.read_only_hint
    assert listed["recall"].output_schema["required"] == ["results"]
    made = (await client.call_tool("remember", {"text": f"Ana bakes rye bread ({mode})", "id": f"{mode}/1"})).structured_content
    assert made["changed"] and made["id"] == f"{mode}/1", made
    found = (await client.call_tool("recall", {"query": "rye bread"})).structured_content["results"]
    assert any(r["id"] == f"{mode}/1" for r in found), found
    await client.call_tool("update", {"id": f"{mode}/1", "text": "Ana bakes wheat bread"})
    shown = (await client.call_tool("diff", {})).structured_content["changes"]
    assert shown[0]["fields"][0]["after"] == "Ana bakes wheat bread", shown
    await client.call_tool("revert", {"revision": "HEAD"})
    assert "rye" in (await client.call_tool("get", {"id": f"{mode}/1"})).structured_content["text"]
    refused = await client.call_tool("get", {"id": "none"})
    assert refused.is_error and "no such record" in refused.content[0].text, refused
    assert (await fails(client.call_tool("nothing", {}))).error.code == -32602


async def resources(client, mode):
    assert any(str(r.uri) == f"quipu://records/{mode}%2F1" for r in (await client.list_resources()).resources)
    assert len((await client.list_resource_templates()).resource_templates) == 3
    read = await client.read_resource(f"quipu://records/{mode}%2F1/history")
    assert "revert" in read.contents[0].text, read
    assert (await fails(client.read_resource("quipu://records/none"))).error.code in (-32602, -32002)


async def prompts(client, mode):
    assert [p.name for p in (await client.list_prompts()).prompts] == ["recall", "review"]
    got = await client.get_prompt("recall", {"topic": "bread"})
    assert "rye bread" in got.messages[0].content.text, got


async def subscription(client, mode):
    if mode == "legacy":
        return
    uri = "quipu://records/watched"
    async with client.listen(resource_subscriptions=[uri]) as events:
        await client.call_tool("remember", {"text": "x", "id": "watched"})
        event = await asyncio.wait_for(anext(aiter(events)), 60)
        assert event.uri == uri, event


async def talk(mode):
    async with Client(server(mode), mode=mode) as client:
        assert client.server_info.name == "quipu" if client.server_info else mode != "legacy"
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28"), client.protocol_version
        for part in (tools, resources, prompts, subscription):
            await part(client, mode)


async def the_nine_tools_of_the_memory_server(mode):
    async with Client(server("graph-" + mode, "--profile", "memory"), mode=mode) as client:
        entity = {"name": "Ana", "entityType": "person", "observations": ["bakes"]}
        made = await client.call_tool("create_entities", {"entities": [entity]})
        assert made.structured_content == {"entities": [entity]}, made
        graph = await client.call_tool("read_graph", {})
        assert graph.structured_content == {"entities": [entity], "relations": []}, graph
        refused = await client.call_tool("add_observations", {"observations": [{"entityName": "Ben", "contents": ["x"]}]})
        assert refused.is_error and refused.content[0].text == "Entity with name Ben not found", refused


for talk_of in (talk, the_nine_tools_of_the_memory_server):
    for chosen in ("legacy", "auto", "2026-07-28"):
        try:
            asyncio.run(asyncio.wait_for(talk_of(chosen), 120))
            print("ok", talk_of.__name__, chosen, flush=True)
        except BaseException:
            failures += 1
            traceback.print_exc()
            print("not ok", talk_of.__name__, chosen, flush=True)
raise SystemExit(1 if failures else 0)

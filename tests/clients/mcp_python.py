"""The MCP Python SDK as a client of `quipu mcp` and of `quipu serve`: in the initialize era, in the modern one, and choosing by itself."""
# needs: pip mcp==2.3.0
# serves: no
import asyncio
import contextlib
import os
import re
import subprocess
import traceback

from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError

failures = 0


@contextlib.contextmanager
def stdio(name, profile):
    store = os.path.join(os.environ["SCRATCH"], name)
    yield StdioServerParameters(command=os.environ["QUIPU"], args=["--store", store, "mcp", "--profile", profile])


@contextlib.contextmanager
def http(name, profile):
    """A server of its own, on a port that is free; without keys."""
    folder = os.path.join(os.environ["SCRATCH"], name + "-http")
    command = [os.environ["QUIPU"], "--store", folder, "serve", "--port", "0", "--keys", folder + "-keys.json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        try:
            yield re.search(r"http://\S+", running.stdout.readline()).group() + "/mcp/" + profile
        finally:
            running.terminate()


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


async def talk(transport, mode):
    with transport(mode, "quipu") as server:
        await talk_to(server, mode)


async def talk_to(server, mode):
    async with Client(server, mode=mode) as client:
        assert client.server_info.name == "quipu" if client.server_info else mode != "legacy"
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28"), client.protocol_version
        for part in (tools, resources, prompts, subscription):
            await part(client, mode)


async def the_nine_tools_of_the_memory_server(transport, mode):
    with transport("graph-" + mode, "memory") as server:
        await ask_the_graph(server, mode)


async def ask_the_graph(server, mode):
    async with Client(server, mode=mode) as client:
        entity = {"name": "Ana", "entityType": "person", "observations": ["bakes"]}
        made = await client.call_tool("create_entities", {"entities": [entity]})
        assert made.structured_content == {"entities": [entity]}, made
        graph = await client.call_tool("read_graph", {})
        assert graph.structured_content == {"entities": [entity], "relations": []}, graph
        refused = await client.call_tool("add_observations", {"observations": [{"entityName": "Ben", "contents": ["x"]}]})
        assert refused.is_error and refused.content[0].text == "Entity with name Ben not found", refused


for transport in (stdio, http):
    for talk_of in (talk, the_nine_tools_of_the_memory_server):
        for chosen in ("legacy", "auto", "2026-07-28"):
            name = f"{talk_of.__name__} {transport.__name__} {chosen}"
            try:
                asyncio.run(asyncio.wait_for(talk_of(transport, chosen), 120))
                print("ok", name, flush=True)
            except BaseException:
                failures += 1
                traceback.print_exc()
                print("not ok", name, flush=True)
raise SystemExit(1 if failures else 0)

"""Anthropic's memory tool: each command goes to the SDK's helper on a folder and to `quipu mcp --profile anthropic`, and both have to say the same."""
# needs: pip anthropic==2.13.0 mcp==2.3.0
# serves: no
import asyncio
import os
import re

from anthropic.lib.tools import ToolError
from anthropic.tools import BetaLocalFilesystemMemoryTool
from mcp import Client, StdioServerParameters

M = "/memories"
TEXT = "one\ntwo\nthree\nfour\nfive\nsix\n"
COMMANDS = [
    dict(command="view", path=M),
    dict(command="create", path=M + "/a.txt", file_text=TEXT),
    dict(command="create", path=M + "/a.txt", file_text="again"),
    dict(command="create", path=M + "/deep/er/b.md", file_text="x" * 1536),
    dict(command="create", path=M + "/deep/c.md", file_text=""),
    dict(command="create", path=M + "/.hidden", file_text="h"),
    dict(command="create", path=M + "/b", file_text="no line end"),
    dict(command="view", path=M),
    dict(command="view", path=M + "/deep"),
    dict(command="view", path=M + "/a.txt"),
    dict(command="view", path=M + "/b"),
    dict(command="view", path=M + "/deep/c.md"),
    *[dict(command="view", path=M + "/a.txt", view_range=r) for r in ([2, 4], [3, -1], [0, 2], [5, 99], [50, 60])],
    dict(command="view", path=M + "/none"),
    dict(command="str_replace", path=M + "/a.txt", old_str="three", new_str="THREE\nand more"),
    dict(command="str_replace", path=M + "/a.txt", old_str="one", new_str="1"),
    dict(command="str_replace", path=M + "/a.txt", old_str="six\n", new_str=""),
    dict(command="str_replace", path=M + "/a.txt", old_str="absent", new_str="x"),
    dict(command="str_replace", path=M + "/a.txt", old_str="o", new_str="x"),
    dict(command="str_replace", path=M + "/none", old_str="a", new_str="b"),
    dict(command="str_replace", path=M + "/deep", old_str="a", new_str="b"),
    dict(command="create", path=M + "/aaa", file_text="aaa\naaaa"),
    dict(command="str_replace", path=M + "/aaa", old_str="aa", new_str="b"),
    dict(command="view", path=M + "/a.txt"),
    *[dict(command="insert", path=M + "/a.txt", insert_line=n, insert_text=t)
      for n, t in ((0, "top"), (3, "middle\n"), (8, "end\n\n"), (99, "x"), (-1, "x"), (2, ""))],
    dict(command="view", path=M + "/a.txt"),
    dict(command="insert", path=M + "/b", insert_line=1, insert_text="more"),
    dict(command="view", path=M + "/b"),
    dict(command="create", path=M + "/odd", file_text="a\fb\u2028c\r\nd\n\n"),
    dict(command="insert", path=M + "/odd", insert_line=4, insert_text="e"),
    dict(command="insert", path=M + "/odd", insert_line=0, insert_text="top"),
    dict(command="view", path=M + "/odd"),
    dict(command="insert", path=M + "/deep/c.md", insert_line=0, insert_text="first"),
    dict(command="insert", path=M + "/deep/c.md", insert_line=7, insert_text="first"),
    dict(command="insert", path=M + "/none", insert_line=0, insert_text="x"),
    dict(command="insert", path=M + "/deep", insert_line=0, insert_text="x"),
    dict(command="rename", old_path=M + "/b", new_path=M + "/new/b"),
    dict(command="rename", old_path=M + "/b", new_path=M + "/c"),
    dict(command="rename", old_path=M + "/none", new_path=M + "/new/b"),
    dict(command="rename", old_path=M + "/deep", new_path=M + "/deeper"),
    dict(command="view", path=M),
    dict(command="delete", path=M + "/a.txt"),
    dict(command="delete", path=M + "/a.txt"),
    dict(command="delete", path=M + "/deeper"),
    dict(command="delete", path=M),
    dict(command="view", path=M),
    dict(command="view", path="/etc/passwd"),
    dict(command="view", path=M + "/../../etc/passwd"),
]


def of_helper(tool, command):
    try:
        return False, tool.call(command)
    except ToolError as error:
        return True, str(error)


def sizes_of_folders_aside(text):
    return re.sub(r"^\S+\t(/memories(?:/[^\n]*/)?|/memories[^\n.]*)$", r"SIZE\t\1", text, flags=re.M) if text.startswith("Here're") else text


async def main():
    scratch, failures = os.environ["SCRATCH"], 0
    os.makedirs(scratch, exist_ok=True)
    helper = BetaLocalFilesystemMemoryTool(base_path=os.path.join(scratch, "folder"))
    server = StdioServerParameters(command=os.environ["QUIPU"],
                                   args=["--store", os.path.join(scratch, "store"), "mcp", "--profile", "anthropic"])
    async with Client(server, mode="auto") as client:
        for number, command in enumerate(COMMANDS):
            failed, text = of_helper(helper, command)
            answer = await client.call_tool("memory", command)
            ours = answer.content[0].text
            good = answer.is_error == failed and sizes_of_folders_aside(ours) == sizes_of_folders_aside(text)
            print("ok" if good else "not ok", number, command["command"], flush=True)
            if not good:
                failures += 1
                print(f"  {command}\n  helper: {failed} {text!r}\n  quipu:  {answer.is_error} {ours!r}")
    raise SystemExit(1 if failures else 0)


asyncio.run(main())

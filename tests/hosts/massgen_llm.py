"""A language model for MassGen on loopback: massgen_llm.py LOG. Prints its port; writes every request into LOG, a line each.

Speaks OpenAI's chat completions, streamed and not. An agent that has seen no answers gives one (`new_answer`); with answers
before it, it votes for the first. Where there is nothing to vote on, it says the answer.
"""

import http.server
import json
import re
import sys

FACT = "The bakery opens at nine and sells rye bread."


class Handler(http.server.BaseHTTPRequestHandler):
    log = None

    def log_message(self, *_):
        pass

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.log.write(json.dumps(request) + "\n")
        self.log.flush()
        message = answer_to(request)
        self.send_response(200)
        if request.get("stream"):
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for call in message.get("tool_calls", ()):
                call["index"] = 0
            reason = "tool_calls" if "tool_calls" in message else "stop"
            for delta, finish in ((message, None), ({}, reason)):
                self.wfile.write(b"data: " + json.dumps(chunk(request, delta=delta, finish=finish)).encode() + b"\n\n")
            self.wfile.write(b"data: [DONE]\n\n")
        else:
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(chunk(request, message=message, finish="stop")).encode())


def chunk(request, finish, **part):
    kind = "chat.completion.chunk" if "delta" in part else "chat.completion"
    choice = {"index": 0, "finish_reason": finish, **part}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {"id": "1", "object": kind, "created": 1, "model": request.get("model", "stub"), "choices": [choice], "usage": usage}


def answer_to(request):
    said = json.dumps(request["messages"])
    tools = {tool["function"]["name"]: tool["function"] for tool in request.get("tools", ()) if "function" in tool}
    if "vote" in tools and re.search(r"<agent\d", said):
        first = tools["vote"]["parameters"]["properties"]["agent_id"]["enum"][0]
        return called("vote", {"agent_id": first, "reason": "it is right"})
    if "vote" in tools:
        return called("new_answer", {"content": FACT})
    return {"role": "assistant", "content": FACT}


def called(name, arguments):
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}


def main():
    with open(sys.argv[1], "a", encoding="utf-8") as Handler.log:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()

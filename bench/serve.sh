#!/bin/sh
# make bench-serve: quipu serve beside a FastAPI application of the same routes that does no work, on this machine, in one run.
#
# N=10000 records to search, CONNECTIONS=64, SECONDS_EACH=6, ROUNDS=2. Needs wrk; FastAPI and uvicorn are fetched into $BUILD/clients.
# Prints requests a second and the times that 50 and 99 of 100 requests took.
: "${QUIPU:?}" "${BUILD:?}" "${N:=10000}" "${CONNECTIONS:=64}" "${SECONDS_EACH:=6}" "${ROUNDS:=2}"
command -v wrk >/dev/null 2>&1 || { echo "bench-serve: skipped, it needs wrk" && exit 0; }
place=$BUILD/clients/fastapi
if [ ! -e "$place/complete" ]; then
    mkdir -p "$place"
    { python3 -m venv "$place/venv" && "$place/venv/bin/pip" -q --disable-pip-version-check install fastapi 'uvicorn[standard]'; } >"$place/log" 2>&1 ||
        { echo "bench-serve: skipped, FastAPI cannot be installed: $(tail -n 1 "$place/log")" && exit 0; }
    : >"$place/complete"
fi
work=$(mktemp -d) || exit 1
ours=
theirs=
trap 'kill $ours $theirs 2>/dev/null; wait; rm -rf "$work"' EXIT
cd "$work" || exit 1

cat >stub.py <<'PYTHON'
from typing import Any, Dict, List, Optional

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Message(BaseModel):
    role: str
    content: str


class Memories(BaseModel):
    messages: List[Message]
    user_id: Optional[str] = None
    metadata: Optional[Dict[str, Any]] = None
    infer: Optional[bool] = None


class Question(BaseModel):
    query: str
    user_id: Optional[str] = None
    filters: Optional[Dict[str, Any]] = None
    top_k: Optional[int] = None


@app.get("/healthz")
def health():
    return {"status": "ok"}


@app.post("/search")
def search(question: Question):
    return {"results": []}


@app.post("/memories")
def add(memories: Memories):
    return {"results": []}
PYTHON
cat >search.lua <<'LUA'
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local w = { "bread", "river", "winter", "market", "letter", "garden", "music", "harbour", "doctor", "travel", "kitchen", "window" }
request = function()
    return wrk.format(nil, "/search", nil, '{"query":"' .. w[math.random(#w)] .. " " .. w[math.random(#w)] .. " " .. w[math.random(#w)] ..
        '","user_id":"u' .. math.random(0, 9) .. '","top_k":10}')
end
LUA
cat >add.lua <<'LUA'
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local n = 0
request = function()
    n = n + 1
    return wrk.format(nil, "/memories", nil, '{"messages":[{"role":"user","content":"knot ' .. n .. " of " .. math.random(1000000000) ..
        '"}],"user_id":"add","infer":false}')
end
LUA
# One word in ten is of the twelve that are asked for, the rest of 3,000 others; ten users.
awk -v n="$N" 'BEGIN {
    srand(1)
    split("bread river winter market letter garden music harbour doctor travel kitchen window", w, " ")
    for (i = 0; i < n; i++) {
        printf "{\"id\":\"r%d\",\"scope\":{\"user\":\"u%d\"},\"text\":\"", i, i % 10
        for (k = 0; k < 20; k++)
            printf "%s ", rand() < .1 ? w[1 + int(rand() * 12)] : "word" int(rand() * 3000)
        print "\"}"
    }
}' >records.jsonl
"$QUIPU" --store store import records.jsonl --quiet || exit 1

"$QUIPU" serve --store store --keys none.json --port 0 >url 2>log &
ours=$!
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$place/venv/bin/uvicorn" stub:app --port "$port" --log-level warning >stub.log 2>&1 &
theirs=$!
sleep 5
url=$(sed -n 's/^listening on //p' url)

measure() { # WHAT URL PATH SCRIPT
    wrk -t1 -c"$CONNECTIONS" -d"${SECONDS_EACH}s" --latency ${4:+-s "$4"} "$2$3" >out 2>&1
    awk -v what="$1" -v path="$3" '/ 50%/ { p50 = $2 } / 99%/ { p99 = $2 } /Requests\/sec/ { rate = $2 } /Non-2xx/ { bad = $NF }
        END { printf "%-8s %-10s %9.0f requests/s, 50%% within %s, 99%% within %s%s\n", what, path, rate, p50, p99, bad ? ", failed: " bad : "" }' out
}

for _ in $(seq "$ROUNDS"); do
    for route in "/healthz" "/search search.lua" "/memories add.lua"; do
        set -- $route
        measure fastapi "http://127.0.0.1:$port" "$1" "$2"
        measure quipu "$url" "$1" "$2"
    done
done
echo "load: $(cut -d ' ' -f 1 /proc/loadavg)"

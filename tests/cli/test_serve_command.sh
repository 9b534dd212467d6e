# quipu serve and quipu keys as programs: who is let in, signals, and what is left after kill -9.
# shellcheck disable=SC2317
. "$(dirname "$0")/lib.sh"

"$QUIPU" serve --port 0 --keys /nowhere/keys.json --store "$work/probe" --listen 127.0.0.1.1 >"$work/log" 2>&1
if grep -q 'built without libmicrohttpd' "$work/log"; then
    skip everything "built without libmicrohttpd"
    finish
    exit 0
fi

# Starts a server with more options; its address is in $url, its process in $server.
serve() {
    : >url
    "$QUIPU" serve --port 0 --keys keys.json "$@" >url 2>log </dev/null &
    server=$!
    for _ in $(seq 1200); do
        url=$(sed -n 's/^listening on //p' url)
        [ -z "$url" ] || return 0
        kill -0 "$server" 2>/dev/null || { cat log && return 1; }
        sleep 0.05
    done
    return 1
}

end() { # SIGNAL: the server has to end well
    kill -s "$1" "$server"
    wait "$server"
    status=$?
    cp log err && : >out && expect_status 0
}

# METHOD PATH [BODY [KEY]]: prints the status and the body.
ask() {
    python3 - "$url" "$@" <<'PYTHON' >answer
import sys, urllib.request, urllib.error
url, method, path, body, key = (sys.argv[1:] + ["", ""])[:5]
request = urllib.request.Request(url + path, body.encode() or None, {"X-API-Key": key} if key else {}, method=method)
try:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=100) as answer:
        print(answer.status, answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
PYTHON
}

answers() { # each argument is part of the last answer
    for expected; do
        grep -qF -- "$expected" answer || { cat answer log && fault "the answer does not have: $expected"; } || return 1
    done
}

begins_and_ends() {
    serve && ask GET /healthz && answers '200 {"status":"ok"}' && grep -q 'open to every program on this machine' log &&
        ask POST /memories '{"messages":"rye bread","user_id":"ana"}' && answers 200 '"event":"ADD"' && end TERM &&
        grep -q '"event":"ended"' log && ok list && prints 'rye bread' && serve && ask POST /search '{"query":"bread","user_id":"ana"}' &&
        answers 'rye bread' && end INT
}
check a_signal_ends_it_well begins_and_ends

lets_in() {
    run keys --keys keys.json && [ ! -s out ] && ok keys add --keys keys.json --user ana --label phone && key=$(cat out) &&
        ok keys --keys keys.json --json && prints '"role":"write","label":"phone","user":"ana"' && id=$(sed 's/.*"id":"\([0-9a-f]*\)".*/\1/' out) &&
        serve --log all && ask POST /memories '{"messages":"rye bread"}' && answers '401 ' && ask POST /memories '{"messages":"rye bread"}' "$key" &&
        answers 200 && ask POST /memories '{"messages":"x","user_id":"ben"}' "$key" && answers '403 ' && ok keys remove "$id" --keys keys.json &&
        ok keys add --keys keys.json --role read && ask POST /memories '{"messages":"rye bread"}' "$key" && answers '401 ' &&
        ask GET '/memories?user_id=ana' '' "$(cat out)" && answers 'rye bread' && end TERM && ! grep -q "${key#qk_*_}" log && ! grep -q bread log &&
        grep -q '"route":"/memories","status":401' log
}
check keys_let_in_and_are_never_shown lets_in

refuses() {
    run serve --listen 0.0.0.0 --keys keys.json && complains 3 'quipu keys add' && run serve --require-key --keys keys.json && complains 3 'there is no key yet' &&
        run serve --port 70000 && complains 2 port && run serve --tls-cert x && complains 3 'cannot read x' && run serve --log loudly && complains 2 'all, failures or nothing' &&
        run serve --prefix memory && complains 2 '/memory' && run serve --listen example.org --keys keys.json --port 0 && complains 3 'no key yet' &&
        run keys remove nothing --keys keys.json && complains 1 'there is no key "nothing"' && run keys add --role king --keys keys.json && complains 2 'read, write or admin' &&
        run keys remove && complains 2 'remove ID' && run keys take && complains 2 'list, add or remove' && run keys add --label '' --keys keys.json && complains 2 label &&
        echo '{' >bad.json && chmod 600 bad.json && run serve --keys bad.json && complains 3 'cannot use the keys' && run keys --keys bad.json && complains 2 'cannot list'
}
check what_cannot_be_is_said refuses

# Clients write from several threads; every answered id is there after kill -9.
killed() {
    serve && python3 - "$url" "$server" <<'PYTHON' || return 1
import http.client, json, os, signal, sys, threading
host, pid, answered = sys.argv[1].split("//")[1], int(sys.argv[2]), []

def write(n):
    connection = http.client.HTTPConnection(host, timeout=100)
    for i in range(100000):
        body = json.dumps({"messages": f"knot {n} {i}", "user_id": "ana", "infer": False})
        try:
            connection.request("POST", "/memories", body)
            answer = connection.getresponse()
            text = answer.read()
        except OSError:
            return
        except http.client.HTTPException:
            return
        assert answer.status == 200, text
        answered.append(json.loads(text)["results"][0]["id"])
        if len(answered) == 150:
            os.kill(pid, signal.SIGKILL)

threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with open("answered", "w") as out:
    out.write("".join(f"{id}\n" for id in sorted(answered)))
sys.exit(len(answered) < 150)
PYTHON
    wait "$server" 2>/dev/null
    ok export stored.jsonl && sed 's/.*"id":"\([^"]*\)".*/\1/' stored.jsonl | sort >stored && [ -z "$(comm -23 answered stored)" ] && ok verify &&
        serve && ask GET '/memories?user_id=ana&top_k=1' && answers '200 {"results":[{"id"' && end TERM
}
check every_answered_write_survives_kill killed

finish

# reembed, and what stats tells of vectors: none is needed for a write, none of two models are mixed.
. "$(dirname "$0")/lib.sh"

# Vectors are made where somebody asks for them, and by no thread: so what is pending can be counted.
printf '{"backend_config":{"embed":"asked"}}' >"$work/asked.json"

fill() {
    "$QUIPU" --config "$work/asked.json" --embedder "$1" add "we bought a blue bicycle" --id bike >/dev/null &&
        "$QUIPU" --config "$work/asked.json" --embedder "$1" add "the oven is broken again" --id oven >/dev/null
}

pending() {
    fill hash && ok stats && prints '^vector_model +hash-v1:1024' '^vectors_pending +2' '^vectors +0' &&
        ok reembed && prints '^2 vectors made by hash-v1:1024; 0 pending' && ok stats --json && prints '"vectors":2,"vectors_pending":0' &&
        ok reembed --json && prints '"made":0,"pending":0,"vectors":2'
}
check stats_count_what_is_pending_and_reembed_makes_it pending

exchanged() {
    echo '{"embedder_config":{"dimension":64}}' >small.json && fill hash && ok reembed && ok --config small.json --embedder hash stats &&
        prints 'hash-v1:64' '^vectors_pending +2' && ok stats && prints 'hash-v1:1024' '^vectors_pending +0' &&
        ok --config small.json --embedder hash reembed && prints '^2 vectors made by hash-v1:64' && ok stats && prints 'hash-v1:64' '^vectors_pending +0' &&
        ok search bycicle --explain && prints 'bike' 'cosine='
}
check another_embedder_takes_the_place_once_all_vectors_are_there exchanged

nobody() {
    "$QUIPU" add "a blue bicycle" --id bike >/dev/null && run reembed && complains 3 'choose an embedder' && ok stats && prints_not vector
}
check without_an_embedder_there_are_no_vectors nobody

away() {
    echo '{"backend_config":{"embed":"asked"},"embedder":"openai","embedder_config":{"base_url":"http://127.0.0.1:1/v1","model":"m","dimension":8,"attempts":1}}' >away.json &&
        ok --config away.json add "a blue bicycle" --id bike && ok --config away.json stats && prints '^vectors_pending +1' &&
        ok --config away.json search bicycle && prints bike && run --config away.json reembed && complains 3 'cannot be reached' &&
        ok --config away.json stats && prints '^vectors_pending +1' '^vectors_failed_at +20' '^vectors_failure +.*cannot be reached'
}
check a_write_is_kept_and_found_while_the_endpoint_is_away away

every_backend() {
    for backend in git sqlite json; do
        QUIPU_STORE=$PWD/$backend
        "$QUIPU" --config "$work/asked.json" --backend $backend --embedder hash add "a blue bicycle" >/dev/null && ok stats && prints 'hash-v1:1024' '^vectors_pending +1' &&
            ok reembed && ok stats && prints '^vectors_pending +0' || return 1
    done
}
check backends_that_last_tell_what_is_pending every_backend

slow_endpoint() { # answers once that it is busy, later well; and a search of words goes on all the while
    cat >server.py <<'END'
import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        texts = asked["input"]
        bad = os.path.exists("bad") and texts != ["bicycle"]
        body = b"{}" if bad else json.dumps({"data": [{"index": i, "embedding": [1.0, float(len(t))]} for i, t in enumerate(texts)]}).encode()
        self.send_response(500 if bad else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
open("port.new", "w").write(str(server.server_port))
os.rename("port.new", "port")
server.serve_forever()
END
    python3 server.py & server=$!
    trap 'kill $server' EXIT
    for i in 1 2 3 4 5 6 7 8 9 10; do [ -f port ] && break; sleep 0.3; done
    echo "{\"backend_config\":{\"embed\":\"asked\"},\"embedder\":\"openai\",\"embedder_config\":{\"base_url\":\"http://127.0.0.1:$(cat port)/v1\",\"model\":\"m\",\"dimension\":2,\"attempts\":1}}" >config.json
    touch bad && ok --config config.json add "a blue bicycle" --id bike && ok --config config.json search bicycle --json && prints '"bike"' '"vectors_pending":1' &&
        grep -q 'HTTP 500' err && run --config config.json search bicycle --wait && complains 3 'HTTP 500' && rm bad &&
        ok --config config.json search bicycle --wait --explain --json && prints '"cosine"' && prints_not vectors_pending && ok --config config.json stats && prints '^vectors_pending +0' && prints_not vectors_fail
}
check what_an_embedder_fails_at_is_pending_and_made_later slow_endpoint

models() {
    mkdir -p models/tiny hub/models--org--small/snapshots/1 && touch models/tiny/model.safetensors hub/models--org--small/snapshots/1/model.safetensors &&
        QUIPU_MODELS=$PWD/models HF_HUB_CACHE=$PWD/hub && export QUIPU_MODELS HF_HUB_CACHE && ok models && prints "^tiny +$PWD/models/tiny" "^org/small +$PWD/hub/" "^looked in +$PWD/models" &&
        ok models --json && prints '^\{"models":\[\{"name":"tiny","folder":"[^"]*"\},\{"name":"org/small".*\],"looked_in":\[".*"\]\}$' &&
        QUIPU_MODELS=$PWD/nothing HF_HUB_CACHE=$PWD/nothing ok models && grep -q 'no models found' err
}
check models_are_listed_with_where_they_are models

finish

# The mem0 backend against a mem0 server (quipu serve, which released clients of mem0 are tested with): every command, data in and
# out to the byte, swaps both ways, memories that others made and changed; and an endpoint that behaves badly.
# shellcheck disable=SC2317
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

"$QUIPU" serve --port 0 --keys /nowhere/keys.json --store "$work/probe" --listen 127.0.0.1.1 >"$work/log" 2>&1
if grep -q 'built without libmicrohttpd' "$work/log"; then
    skip everything "built without libmicrohttpd"
    finish
    exit 0
fi

server='' proxy=''

# A server of its own for each test, which ends with it: its address is in $url.
begin() {
    trap 'kill $server $proxy 2>/dev/null; wait' EXIT
    : >url
    "$QUIPU" --store remote serve --port 0 --keys "$PWD/keys.json" >url 2>server.log </dev/null &
    server=$!
    until url=$(sed -n 's/^listening on //p' url) && [ -n "$url" ]; do
        kill -0 $server || { cat server.log && return 1; }
        sleep 0.05
    done
}

# API [ADDRESS [MORE SETTINGS]]: config.json, by which a store is of that server.
configure() {
    printf '{"backend":"mem0","backend_config":{"url":"%s","api":"%s","fresh_ms":0%s}}' "${2:-$url}" "$1" "$3" >config.json
}

mem0() {
    ok --config config.json "$@"
}

post() { # PATH BODY
    curl -sf --noproxy '*' -H 'Content-Type: application/json' -d "$2" "$url$1" >answer
}

life() { # API
    begin && configure "$1" && mem0 add "likes tea" --id t --user ana --tag a && mem0 add "a blue bicycle" --id b --session s1 && mem0 add "whose is this" --id n &&
        mem0 list && prints 'likes tea' 'a blue bicycle' 'whose is this' && mem0 search bicycle && prints bicycle && mem0 update t "likes coffee" &&
        mem0 get t --json && prints '"text":"likes coffee"' '"user":"ana"' && mem0 delete n && run --config config.json get n && expect_status 1 &&
        mem0 stats && prints '^backend +mem0' '^records +2$' "^api +$1" && run --config config.json log && complains 3 'history/1' 'mem0' &&
        run --config config.json get t --as-of HEAD && complains 3 'as_of|as-of|past' &&
        run --config config.json add x --id t && expect_status 1 && [ "$(find store -type f ! -perm 600 | wc -l)" -eq 0 ]
}

life_platform() { life platform; }
life_oss() { life oss; }

records() { # a store with what mem0 has no place for
    ok --store here --backend git add "one" --id r --user ana --app notes --tag a --tag b --importance 0.25 && ok --store here add "Grüße, 東京 \"quoted\"" --id u/2 --agent bot &&
        ok --store here add "later" --id z --key k --category c && ok --store here export here.jsonl
}

round_trip() { # API
    begin && records && configure "$1" && mem0 import here.jsonl && mem0 export there.jsonl && cmp here.jsonl there.jsonl
}
round_trip_oss() { round_trip oss; }
round_trip_platform() { round_trip platform; }

swapped() { # there and back: nothing is lost; that the history stays behind is said first
    begin && records && run --store here swap mem0 --to away --with "{\"url\":\"$url\",\"api\":\"platform\"}" && complains 3 'does not take in history' &&
        ok --store here swap mem0 --to away --yes --with "{\"url\":\"$url\",\"api\":\"platform\"}" && prints '^3 records' && ok --store away export away.jsonl &&
        cmp here.jsonl away.jsonl && ok --store away swap sqlite --to back && ok --store back export back.jsonl && cmp here.jsonl back.jsonl
}

foreign() { # what mem0's own programs made and changed
    begin && post /memories '{"messages":[{"role":"user","content":"from elsewhere"}],"user_id":"bob","infer":false,"metadata":{"a":1}}' &&
        id=$(sed -n 's/.*"id":"\([^"]*\)".*/\1/p' answer) && configure oss && mem0 get "$id" --json && prints '"text":"from elsewhere"' '"user":"bob"' '"a":1' &&
        mem0 add "mine" --id m --user bob && remote=$(curl -sf --noproxy '*' "$url/memories?user_id=bob" | sed -n 's/.*"id":"\([^"]*\)","memory":"mine".*/\1/p') &&
        curl -sf --noproxy '*' -X PUT -H 'Content-Type: application/json' -d '{"text":"changed there"}' "$url/memories/$remote" >answer &&
        mem0 get m --json && prints '"text":"changed there"' && mem0 update "$id" "changed here" &&
        curl -sf --noproxy '*' "$url/memories/$id" | grep -q '"memory":"changed here"' && mem0 delete "$id" && mem0 list && prints_not 'changed here'
}

alone() { # what is not shared sees itself alone
    begin && configure platform && mem0 add "shared" --id s && configure platform "$url" ',"shared":false' && mem0 --store own add "own" --id o --user "with blanks" && mem0 --store own get o && mem0 --store own list && prints_not shared && configure platform && mem0 list && prints shared
}

refused() {
    begin && configure oss && mem0 add ok --id a && run --config config.json add x --user 'two words' && complains 2 'white space' && configure oss http://127.0.0.1:9 &&
        run --config config.json list && complains 2 'use that address' && printf '{"backend":"mem0"}' >config.json && run --store no --config config.json list && complains 2 'url' &&
        configure oss "$url" ',"api_key":"secret"' && run --config config.json list && complains 2 'key_env' && prints_not secret &&
        configure oss "$url" ',"key_env":"NOT_SET_HERE"' && run --config config.json list && complains 3 NOT_SET_HERE && configure oss "$url" ',"urll":1' &&
        run --config config.json list && complains 2 urll && configure oss http://mem0.example ',"key_file":"key"' && (umask 077 && echo k >key) &&
        run --config config.json --store far list && complains 2 'unencrypted'
}

begin_proxy() {
    begin && echo good >how || return 1
    python3 "$here/../support/mem0_proxy.py" "$url" &
    proxy=$!
    until [ -f port ]; do
        kill -0 $proxy || return 1
        sleep 0.05
    done
    (umask 077 && echo sk-this-must-stay-secret-4711 >key)
    through "$1"
}

through() { # MORE SETTINGS
    configure oss "http://127.0.0.1:$(cat port)" ",\"key_file\":\"$PWD/key\",\"timeout\":${2:-100}$1"
}

secret_kept() {
    ! grep -rl sk-this-must-stay out err store config.json server.log
}

bad() { # HOW MESSAGE [SECONDS]: nothing is lost, the reason is said, and it goes on once the endpoint is well
    begin_proxy ',"attempts":1' && mem0 add "first" --id a && grep -q sk-this-must-stay seen && echo "$1" >how && through ',"attempts":1' "${3:-100}" && run --config config.json add "second" --id b &&
        complains 3 "$2" && secret_kept && run --config config.json list && complains 3 "$2" && secret_kept && echo good >how && through ',"attempts":1' && mem0 list && prints first && prints_not second &&
        mem0 add "second" --id b && mem0 list && prints second
}
denied() { bad 401 'refuses the key'; }
down() { bad 503 'cannot answer now'; }
garbage() { bad garbage 'no JSON'; }
shape() { bad shape 'no list'; }
slow() { bad slow 'no answer|time|reached' 1; }
cut() { bad cut 'reached|closed|transfer'; }
away() { bad away 'reached'; }

again() { # HOW: every other request is refused, and all is well
    begin_proxy && echo "$1" >how && mem0 add "first" --id a && mem0 add "second" --id b && mem0 list && prints first second && secret_kept
}
again_429() { again 429; }
again_500() { again 500; }

lost() { # the answer of an addition is lost: it is looked for, and there once
    begin_proxy ',"attempts":1' && mem0 add "first" --id a && echo lost >how && mem0 add "second" --id b && mem0 list && prints second &&
        [ "$(curl -sf --noproxy '*' "$url/memories?user_id=quipu" | grep -o '"memory":"second"' | wc -l)" -eq 1 ]
}

check a_self_hosted_server_lives_through_the_commands life_oss
check a_platform_lives_through_the_commands life_platform
check data_goes_in_and_out_of_a_self_hosted_server_to_the_byte round_trip_oss
check data_goes_in_and_out_of_a_platform_to_the_byte round_trip_platform
check a_swap_to_mem0_and_back_loses_nothing swapped
check what_others_made_and_changed_there_is_shown foreign
check a_store_that_is_not_shared_sees_itself_alone alone
check what_cannot_be_is_refused_by_name refused
check a_refused_key_is_said denied
check a_remote_that_is_down_is_said down
check an_answer_that_is_no_json_is_said garbage
check an_answer_of_another_shape_is_said shape
check a_slow_remote_is_not_waited_for slow
check half_an_answer_is_none cut
check a_connection_that_ends_is_said away
check too_many_requests_are_sent_again again_429
check a_server_error_is_sent_again again_500
check an_addition_whose_answer_is_lost_is_there_once lost
finish

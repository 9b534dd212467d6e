# `quipu mcp`: whole conversations on standard input and output.
. "$(dirname "$0")/lib.sh"

open='{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"some-client","version":"1"}}}'

talk() { # LINE... -- ARGUMENTS: a conversation, one message a line
    : >in
    while [ "$1" != -- ]; do
        printf '%s\n' "$1" >>in
        shift
    done
    shift
    feed in mcp "$@"
}

tool() { # ID NAME ARGUMENTS
    printf '{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":"%s","arguments":%s}}' "$1" "$2" "$3"
}

one_conversation() {
    talk "$open" '{"jsonrpc":"2.0","method":"notifications/initialized"}' \
        "$(tool 1 remember '{"id":"r","text":"Ana likes rye bread"}')" "$(tool 2 recall '{"query":"bread"}')" -- && expect_status 0 &&
        prints '"id":0,"result":\{"protocolVersion":"2025-06-18"' '"id":1,"result".*"changed":true' \
            '"id":2,"result".*"structuredContent":\{"results":\[\{.*"text":"Ana likes rye bread"' &&
        [ "$(grep -c '' out)" -eq 3 ] && [ ! -s err ] && ok get r && prints 'rye bread'
}
check what_a_client_remembers_is_in_the_store one_conversation

who_acts() {
    unset QUIPU_AUTHOR
    talk "$open" "$(tool 1 remember '{"id":"a","text":"x"}')" -- && ok log --json && prints '"author":"some-client"' '"source":"quipu-mcp/' &&
        talk "$open" "$(tool 1 remember '{"id":"b","text":"x"}')" -- --agent planner && ok log -n 1 --json && prints '"author":"planner"'
}
check the_client_is_the_author_unless_somebody_is_named who_acts

bound() {
    ok add secret --id s --user ben && talk "$open" "$(tool 1 get '{"id":"s"}')" "$(tool 2 remember '{"id":"m","text":"mine"}')" -- --user ana &&
        prints '"id":1,"result".*"isError":true' && prints_not secret && ok get m --json && prints '"user":"ana"'
}
check a_server_with_a_user_sees_that_user_only bound

only_reads() {
    run mcp --read-only && complains 3 'cannot open the store' && ok add x --id r &&
        talk "$open" "$(tool 1 get '{"id":"r"}')" "$(tool 2 forget '{"ids":["r"]}')" -- --read-only && expect_status 0 &&
        prints '"id":1,"result"' '"id":2,"error".*Unknown tool'
}
check a_server_that_only_reads_changes_nothing only_reads

wrong_usage() {
    run mcp --profile nothing && complains 2 'there is none of this name; known are quipu, memory, anthropic, openmemory, goose' && run mcp x && expect_status 2 && prints_nothing
}
check a_profile_that_is_not_there_is_named wrong_usage

both_eras() {
    meta='"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'
    talk '{"jsonrpc":"2.0","id":"server-discover-probe-1","method":"server/discover"}' "$open" \
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/discover\",\"params\":{$meta}}" \
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\",\"params\":{$meta}}" '{"jsonrpc":"2.0","id":3,"method":"tools/list"}' -- &&
        prints '^\{"jsonrpc":"2.0","id":"server-discover-probe-1","error":\{"code":-32602' '"id":1,"result":\{"supportedVersions":\["2026-07-28"\]' \
            '"id":2,"result".*"resultType":"complete"' '"id":3,"result":\{"tools"' && ! grep '"id":3' out | grep resultType
}
check both_eras_are_served_in_one_process both_eras

told_to_end() {
    mkfifo pipe || return 1
    "$QUIPU" mcp <pipe >out 2>err &
    pid=$!
    exec 9>pipe
    printf '%s\n' "$open" >&9
    until [ -s out ]; do sleep 0.05; done
    kill -TERM $pid
    wait $pid
    status=$?
    exec 9>&-
    expect_status 0 && [ ! -s err ]
}
check a_signal_ends_it_politely told_to_end

finish

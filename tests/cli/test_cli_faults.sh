# Bad input and bad surroundings: a clear error, the right exit status, nothing lost.
. "$(dirname "$0")/lib.sh"

bad_text() {
    run add "$(printf 'caf\351')" && complains 2 'UTF-8' && printf 'a\377b' >text && feed text add - && complains 2 'text is not UTF-8 \(byte 2\)' &&
        printf 'a\000b' >text && feed text add - && complains 2 'NUL' && run search "$(printf '\377')" && complains 2 'UTF-8' && [ ! -e store ]
}
check text_that_is_not_utf8_is_refused bad_text

bad_id() {
    long=$(printf '%0256d' 0) && run add x --id "$long" && complains 2 'id' '255' && ok add x --id "$(printf '%0255d' 0)" &&
        run add x --id "" && complains 2 'id' && run get "$long" && [ "$status" -ne 0 ] && printf '{"id":"a\\u0000b","text":"x"}\n' >in && run import in && complains 3 'in:1: ' &&
        ok stats && prints '^records +1$' && git -C store fsck --strict && git clone -q store copy
}
check an_id_that_is_too_long_empty_or_holds_a_nul_is_refused bad_id

bad_fields() {
    for option in "--importance 2" "--importance x" "--seq 1.5" "--created-at yesterday" "--value {" "--meta novalue" "--field text=[" "--expires never"; do
        # shellcheck disable=SC2086
        run add x $option && complains 2 "$(echo "$option" | sed 's/--\([a-z]*\).*/\1/')" || return 1
    done
    ok add x --id r && head -c 1100000 /dev/zero | tr '\0' x >text && feed text update r - && complains 2 && ok get r --json && prints '"text":"x"'
}
check bad_fields_are_named_and_nothing_is_stored bad_fields

other_repository() {
    git init -q --bare other.git && git init -q tree && echo hello >tree/file && git -C tree add file && git -C tree commit -q -m "not ours" &&
        head=$(git -C tree rev-parse HEAD) && for place in other.git tree tree/.git; do
        run --store $place add x
        [ $place = other.git ] && [ "$status" -eq 0 ] && continue # an empty repository may be taken over
        complains 3 'cannot open the store' || return 1
        run --store $place list && complains 3 'cannot open the store' || return 1
    done
    [ "$(git -C tree rev-parse HEAD)" = "$head" ] && [ -z "$(git -C tree status --porcelain)" ] && git -C tree fsck --strict
}
check another_git_repository_is_not_taken_for_a_store other_repository

folder_with_files() {
    mkdir full && echo letter >full/letter.txt && run --store full add x && complains 3 'cannot open the store' && [ "$(ls -A full)" = letter.txt ] &&
        echo text >file && run --store file add x && complains 3 'cannot open the store' && [ "$(cat file)" = text ] &&
        run --store nowhere list && complains 3 && [ ! -e nowhere ]
}
check a_folder_with_other_things_in_it_is_left_alone folder_with_files

pipes() {
    ok add x --id r && cp -r store remote || return 1
    rm remote/refs/heads/main && mkfifo remote/refs/heads/main || return 1
    for command in "--store remote list" "--store copy clone remote" "pull remote"; do
        # shellcheck disable=SC2086
        timeout 60 "$QUIPU" $command >out 2>err </dev/null
        status=$?
        complains 3 'main' || return 1
    done
    rm remote/quipu-store.json && mkfifo remote/quipu-store.json || return 1
    timeout 60 "$QUIPU" --store remote list >out 2>err </dev/null
    status=$?
    complains 3 'store.json is a pipe, and no file'
}
check a_pipe_in_the_place_of_a_file_makes_nobody_wait pipes

# Raises the number that the store keeps as its format, wherever it is kept.
newer_format() {
    ok add x --id r && before=$(git -C store rev-parse main) && grep -rlE '(format|layout)' store --include=config --include='*.json' --include='quipu*' >places
    [ -s places ] || fault "the store does not say which format it has" || return 1
    while read -r place; do
        sed -E 's/((format|layout|version)[a-z]*"? *[=:] *)1/\199/' "$place" >new && cat new >"$place"
    done <places
    run add y && complains 3 'cannot open the store' 'newer|format|layout' && run list && complains 3 && [ "$(git -C store rev-parse main)" = "$before" ]
}
check a_store_of_a_newer_format_is_left_alone newer_format

read_only() {
    ok add x --id r && chmod -R a-w store && run add y && complains 3 && ok get r && ok search x && ok log && chmod -R u+w store && ok stats && prints '^records +1$'
}
if [ "$(id -u)" -eq 0 ]; then
    skip a_read_only_store_can_be_read "root may write everywhere; run the tests as another user"
else
    check a_read_only_store_can_be_read read_only
fi

durable_files() {
    find store -path store/quipu -prune -o -type f -exec sha1sum {} + | sort
}

closed_streams() {
    ok add "kept text" --id r && before=$(durable_files) || return 1
    "$QUIPU" export - >&- 2>err
    [ $? -eq 3 ] && grep -q 'Bad file descriptor' err || fault "a closed output was taken for one" || return 1
    for command in "import -" "search --stdin" "add -"; do
        # shellcheck disable=SC2086
        "$QUIPU" $command <&- >out 2>err
        [ $? -eq 3 ] && grep -q 'Bad file descriptor' err || fault "$command took a closed input for an empty one" || return 1
    done
    "$QUIPU" get nobody >&- 2>&- <&-
    [ $? -eq 1 ] && [ "$(durable_files)" = "$before" ] && ok verify
}
check closed_standard_streams_are_no_files_of_the_store closed_streams

no_plugin() {
    run --backend nowhere add x && complains 3 'nowhere' && mkdir bin empty && cp "$QUIPU" bin/quipu && QUIPU=$PWD/bin/quipu &&
        QUIPU_PLUGIN_PATH=$PWD/empty && export QUIPU_PLUGIN_PATH && run add x && complains 3 'git' "$PWD/empty" && run list --json &&
        complains 3 '"code":"not_found"' '"field":"backend"' && [ ! -e store ]
}
check a_missing_plugin_is_named_with_the_folders_looked_at no_plugin

no_embedder() {
    run --embedder nowhere add x && complains 3 'nowhere'
}
check a_missing_embedder_is_named no_embedder

wrong_backend() {
    ok add x --id r && run --backend memory get r && [ "$status" -ge 2 ] && ok get r
}
check a_store_is_not_opened_with_another_backend wrong_backend

damaged_settings() {
    ok add x --id r && find store -maxdepth 1 -name '*.json' >settings && place=$(head -n 1 settings) && [ -n "$place" ] && cp "$place" kept && echo '{' >"$place" && run list && complains 3 && cat kept >"$place" && ok get r
}
check damaged_settings_are_an_error_and_no_loss damaged_settings

finish

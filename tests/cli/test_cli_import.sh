# import and export: what goes in comes out, and a broken line harms nothing but itself.
. "$(dirname "$0")/lib.sh"

lines() { # COUNT: that many records
    i=0
    while [ $i -lt "$1" ]; do
        i=$((i + 1))
        printf '{"id":"r%05d","text":"text number %d","created_at":"2024-05-06T07:08:09Z","metadata":{"n":%d.50}}\n' $i $i $i
    done
}

revisions() {
    git -C store rev-list --count main
}

batches() {
    lines 25 >in && ok import in --batch 10 && prints '^imported 25 records, 25 new or changed, in 3 commits$' &&
        ok stats && prints '^records +25$' && [ "$(git -C store log --format=%s main | grep -c '^import: 10 records')" -eq 2 ] &&
        lines 3 >few && "$QUIPU" --store each import few --batch 1 -q && ok --store each log &&
        [ "$(grep -c import out)" -eq 3 ]
}
check a_batch_is_a_commit batches

blank_lines() {
    { lines 2 && printf '\n  \n' && printf '{"text":"no id, crlf"}\r\n' && printf '{"id":"last","text":"no line end"}'; } >in
    feed in import - --json && expect_status 0 && prints '^\{"imported":4,"changed":4,"commits":1,"lines":6\}$' && ok get last
}
check blank_lines_are_skipped_and_the_last_needs_no_line_end blank_lines

byte_order_mark() {
    { printf '\357\273\277' && lines 2; } >in
    ok import in && prints 'imported 2 records'
}
check a_byte_order_mark_is_no_fault byte_order_mark

same_again() {
    lines 5 >in && ok import in && before=$(revisions) && ok import in && prints 'imported 5 records, 0 new or changed$' &&
        [ "$before" = "$(revisions)" ]
}
check importing_the_same_again_changes_nothing same_again

twice_in_a_file() {
    printf '%s\n' '{"id":"a","text":"one"}' '{"id":"b","text":"x"}' '{"id":"a","text":"two"}' '{"id":"a","text":"three"}' >in
    ok import in && ok get a --json && prints '"text":"three"' && ok log a && [ "$(wc -l <out)" -eq 3 ]
}
check an_id_that_comes_again_is_a_change_and_the_last_one_wins twice_in_a_file

round_trip() {
    { lines 30 && printf '%s\n' '{"id":"z","text":"caf\u00e9 \"q\" \\ \n tab\t","value":{"a":[],"b":{},"c":1e5,"d":9007199254740993},"expires_at":"2001-01-01T00:00:00Z","unknown":{"x":null}}'; } >in
    ok import in && ok export all.jsonl && prints '^exported 31 records$' && [ "$(wc -l <all.jsonl)" -eq 31 ] &&
        LC_ALL=C sort -c all.jsonl && ok --store second import all.jsonl && ok --store second export - && cmp out all.jsonl &&
        a=$(git -C store rev-parse 'main:records') && b=$(git -C second rev-parse 'main:records') && [ "$a" = "$b" ]
}
check an_export_imported_elsewhere_gives_the_same_versions round_trip

narrow() {
    printf '%s\n' '{"id":"a","text":"x","scope":{"user":"ana"}}' '{"id":"b","text":"y","scope":{"user":"bob"}}' \
        '{"id":"c","text":"z"}' >in
    ok import in --user carl && ok export --user ana && [ "$(wc -l <out)" -eq 1 ] && prints '^\{.*"id":"a"' &&
        ok export --filter '{"id":"b"}' && prints '"bob"' && ok get c --user carl && ok export - --as-of HEAD~1 && prints_nothing
}
check export_narrows_and_import_fills_in_the_scope narrow

broken_line() {
    { lines 12 && printf '{"id":"broken", oops\n' && printf '{"id":"after","text":"x"}\n'; } >in
    run import in --batch 5 && complains 3 '^quipu: in:13: .*JSON' '12 records' && prints_nothing && ok stats && prints '^records +12$' &&
        run get after && expect_status 1 && git -C store fsck --strict && run import in --json &&
        complains 3 '^\{"error":\{"code":"invalid","message":"in:13: .*"line":13\}\}$' && prints_nothing
}
check a_broken_line_is_named_and_what_came_before_is_kept broken_line

bad_records() {
    long=$(printf '%0256d' 0)
    bad=0
    while read -r line; do
        bad=$((bad + 1))
        { lines 3 && printf '%s\n' "$line" && lines 5; } >in
        rm -rf store
        run import in && complains 3 'in:4: ' && ok stats && prints '^records +3$' || return 1
    done <<END
{"id":"$long","text":"x"}
{"id":"a\\u0000b","text":"x"}
{"id":"","text":"x"}
{"id":7,"text":"x"}
{"id":"a","id":"b","text":"x"}
{"id":"a","text":"x","importance":2}
{"id":"a","text":"x","created_at":"yesterday"}
{"id":"a","text":"x","value":1e999}
{"id":"a","text":"x","format":2}
["no","object"]
"text"
{"id":"a","text":"\\ud800"}
END
    [ $bad -eq 12 ]
}
check every_bad_record_is_named_by_its_line bad_records

not_utf8() {
    { lines 2 && printf '{"id":"u","text":"\377"}\n'; } >in
    run import in && complains 3 'in:3: .*UTF-8' && ok stats && prints '^records +2$'
}
check a_line_that_is_not_utf8_is_named not_utf8

other_scope() {
    ok add x --id r00002 --user ana && { lines 3; } >in && run import in && complains 3 'in:2: ' 'r00002' && ok get r00001 &&
        run get r00003 && expect_status 1
}
check a_record_of_another_scope_is_not_overwritten other_scope

too_deep() {
    deep=$(printf '%0200d' 0 | tr 0 '[')
    { lines 1 && printf '{"id":"d","value":%s\n' "$deep"; } >in
    run import in && complains 3 'in:2: '
}
check json_that_is_nested_too_deep_is_named too_deep

no_file() {
    run import nowhere.jsonl && complains 3 'cannot open nowhere.jsonl' && [ ! -e store ] && run import . && complains 3 &&
        run import in --batch 0 && complains 2 'batch' && mkdir folder && ok add x && run export folder/none/out && complains 3 'cannot write'
}
check a_file_that_cannot_be_read_or_written_is_named no_file

interrupted() { # SIGNAL STATUS
    mkfifo pipe || return 1
    (
        exec 3>pipe
        lines 7 >&3
        while [ "$(git -C store log --format=%s main 2>/dev/null | grep -c import)" -eq 0 ]; do sleep 0.05; done
        kill "-$1" "$(cat pid)"
        exec sleep 20 # holds the pipe open: the end of the input is not what ends the import
    ) &
    holder=$!
    # In the foreground, because a shell makes its background jobs ignore SIGINT.
    sh -c 'echo $$ >pid; exec "$0" import pipe --batch 5' "$QUIPU" >out 2>err
    status=$?
    kill $holder 2>/dev/null
    complains "$2" 'stopped by a signal after line [57]: [57] records' || return 1
    stored=$(sed -n 's/.*: \([57]\) records.*/\1/p' err)
    ok stats && prints "^records +$stored\$"
}
interrupted_by_user() {
    interrupted INT 130
}
terminated() {
    interrupted TERM 143
}
check an_interrupt_keeps_what_was_read interrupted_by_user
check an_order_to_end_keeps_what_was_read terminated

export_replaces_whole() {
    lines 3 >in && ok import in && echo precious >target && run export target --as-of nothing-like-it && expect_status 1 &&
        [ "$(cat target)" = precious ] && ok export target && [ "$(wc -l <target)" -eq 3 ] &&
        [ -z "$(find . -name '*.tmp')" ]
}
check a_failed_export_leaves_the_old_file export_replaces_whole

closed_pipe() {
    lines 3000 >in && ok import in && "$QUIPU" export 2>err | head -n 1 >out && [ ! -s err ] && [ "$(wc -l <out)" -eq 1 ] &&
        (
            trap '' PIPE
            "$QUIPU" list -n 3000 2>err | head -n 1 >out
        ) && [ ! -s err ]
}
check a_reader_that_goes_away_is_no_error closed_pipe

full_disk() {
    [ -w /dev/full ] || return 0
    lines 3 >in && ok import in && "$QUIPU" list >/dev/full 2>err
    status=$? && complains 3 'cannot write the output' && "$QUIPU" export /dev/full >out 2>err
    status=$? && complains 3 'cannot write the export'
}
check output_that_cannot_be_written_is_an_error full_disk

finish

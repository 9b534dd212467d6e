# Records on the command line: add, get, update, delete, list.
. "$(dirname "$0")/lib.sh"

add_prints_the_id_only() {
    ok add "prefers morning meetings" --user ana && prints '^[0-9a-f-]{36}$' && [ "$(wc -l <out)" -eq 1 ]
}
check add_prints_the_id_and_nothing_else add_prints_the_id_only

every_field_is_kept() {
    ok add "the text" --id r1 --kind note --category c --key k --tag b --tag a --meta plain=text --meta number:=9007199254740993 \
        --actor Ines --role user --seq 7 --importance 0.25 --expires 2099-01-02 --created-at 2024-05-06T07:08:09Z \
        --value '{"a":[1,2.50]}' --field 'entity={"type":"person","id":"p1"}' --user u --agent g --session s --app p || return 1
    ok get r1 --json || return 1
    for part in '"text":"the text"' '"id":"r1"' '"kind":"note"' '"category":"c"' '"key":"k"' '"tags":\["a","b"\]' \
        '"plain":"text"' '"number":9007199254740993' '"actor":"Ines"' '"role":"user"' '"seq":7' '"importance":0.25' \
        '"expires_at":"2099-01-02T23:59:59.999999Z"' '"created_at":"2024-05-06T07:08:09Z"' '"value":\{"a":\[1,2.50\]\}' \
        '"entity":\{"id":"p1","type":"person"\}' '"scope":\{"agent":"g","app":"p","session":"s","user":"u"\}'; do
        prints "$part" || return 1
    done
}
check every_field_option_reaches_the_record every_field_is_kept

text_from_stdin() {
    printf 'two\nlines\n' >text
    feed text add - --id r && expect_status 0 && ok get r --json && prints '"text":"two\\nlines"'
}
check add_reads_the_text_from_stdin_and_drops_the_last_line_end text_from_stdin

taken_id() {
    ok add one --id r && run add two --id r && complains 1 'cannot add the record: .*already' && prints_nothing &&
        ok get r --json && prints '"text":"one"' && ok add two --id r --upsert && ok get r --json && prints '"text":"two"'
}
check an_id_that_is_taken_is_refused_unless_upsert_is_given taken_id

upsert_by_key() {
    ok add Berlin --user ana --key home --category city --upsert && first=$(cat out) &&
        ok add Hamburg --user ana --key home --category city --upsert && [ "$first" = "$(cat out)" ] &&
        ok list --json && prints '"results":\[\{[^[]*Hamburg[^[]*\]' && prints_not Berlin &&
        run add x --upsert && complains 2 'needs to know what to replace'
}
check upsert_by_key_replaces_what_the_same_scope_had upsert_by_key

durations() {
    ok add soon --id a --expires 12h && ok get a --json && prints '"expires_at":"2' &&
        ok add gone --id b --expires 2001-01-01 && run get b && complains 1 'no such record' && ok get b --all &&
        ok list --json && prints_not '"id":"b"' && ok list --all --json && prints '"id":"b"' &&
        run add x --expires tomorrow && complains 2 'expires' '30d'
}
check what_has_expired_is_hidden_unless_asked_for durations

update_fields() {
    ok add one --id r --tag a --tag b --category c --meta x=1 --meta y=2 && ok update r "two" --tag n --category "" --meta x= &&
        prints '^updated r$' && ok get r --json && prints '"text":"two"' '"tags":\["n"\]' '"metadata":\{"y":"2"\}' &&
        prints_not category && ok update r --tag "" && ok get r --json && prints_not '"tags"'
}
check update_changes_what_is_named_and_removes_what_is_empty update_fields

if_version() {
    ok add one --id r && ok get r --json && version=$(sed 's/.*"version":"\([0-9a-f]*\)".*/\1/' out) &&
        ok update r two --if-version "$version" && run update r three --if-version "$version" &&
        complains 1 'cannot update the record' 'version' && run delete r --if-version "$version" && complains 1 'cannot delete' &&
        ok get r --json && prints '"text":"two"' && version=$(sed 's/.*"version":"\([0-9a-f]*\)".*/\1/' out) &&
        ok delete r --if-version "$version" && run get r && expect_status 1
}
check if_version_guards_update_and_delete if_version

nothing_to_change() {
    ok add one --id r && run update r && complains 2 'nothing to change' && ok update r one && prints '^unchanged r$'
}
check an_update_without_change_says_so nothing_to_change

delete_all_or_none() {
    ok add one --id a && ok add two --id b && run delete a nobody b && complains 1 'nobody' && ok get a && ok get b &&
        ok delete a b && prints '^deleted a$' '^deleted b$' && run get a && complains 1 'cannot get the record' && prints_nothing
}
check delete_takes_all_the_records_or_none delete_all_or_none

scope_is_a_wall() {
    ok add secret --id r --user ana && run get r --user bob && expect_status 1 && run update r x --user bob && expect_status 1 &&
        run delete r --user bob && expect_status 1 && ok list --user bob --json && prints '"results":\[\]' &&
        ok get r --user ana && ok get r
}
check a_record_is_not_there_for_another_user scope_is_a_wall

pages() {
    for i in 1 2 3 4 5; do
        "$QUIPU" add "text $i" --id "r$i" >/dev/null || return 1
    done
    ok list --order id -n 2 --json && prints '"id":"r1".*"id":"r2"' '"cursor":"' &&
        cursor=$(sed 's/.*"cursor":"\([^"]*\)".*/\1/' out) &&
        ok list --order id -n 2 --cursor "$cursor" --json && prints '"id":"r3".*"id":"r4"' && prints_not '"r2"' &&
        ok list --order oldest && [ "$(head -n 1 out | cut -c 1-2)" = r1 ] &&
        ok list && [ "$(head -n 1 out | cut -c 1-2)" = r5 ] &&
        run list --order sideways && complains 2 'newest, oldest or id'
}
check list_pages_by_cursor_in_the_order_asked_for pages

filters() {
    ok add one --id a --tag work --importance 0.9 && ok add two --id b --tag home --importance 0.1 &&
        ok list --json --filter '{"tags":"work"}' && prints '"a"' && prints_not '"id":"b"' &&
        ok list --json --filter '{"importance":{"lt":0.5}}' && prints '"id":"b"' && prints_not '"id":"a"' &&
        run list --filter '{"kind":{"resembles":1}}' && complains 2 'kind' 'operator' &&
        run list --filter '{"kind":' && complains 2 'filter' 'JSON'
}
check a_filter_narrows_and_an_unknown_operator_is_refused filters

quiet() {
    ok add one --id r --quiet && prints '^r$' && ok update r two --quiet && prints_nothing && ok delete r -q && prints_nothing
}
check quiet_leaves_the_results_only quiet

written_json() {
    ok add one --id r --json && prints '^\{"id":"r","version":"[0-9a-f]{40}","revision":"[0-9a-f]{40}","changed":true\}$' &&
        ok update r two --json && prints '^\{"id":"r",.*"changed":true\}$' && ok delete r --json &&
        prints '^\{"deleted":\["r"\],"revision":"[0-9a-f]{40}"\}$'
}
check writes_answer_in_json_on_one_line written_json

hostile_text() {
    printf 'a\033]0;owned\007b\302\233c\342\200\256d' >text
    feed text add - --id r --actor "$(printf 'x\033[31m')" && expect_status 0 || return 1
    for command in "get r" "list" "search owned" "log" "show HEAD"; do
        # shellcheck disable=SC2086
        ok $command || return 1
        ! LC_ALL=C grep -q "$(printf '[\033\007]')" out || fault "$command lets a control character through" || return 1
        ! LC_ALL=C grep -q "$(printf '\302\233')" out || fault "$command lets a C1 character through" || return 1
    done
    ok get r && prints '\\x1b\]0;owned\\x07b\\u009bc\\u202ed'
}
check text_of_strangers_does_not_drive_the_terminal hostile_text

author() {
    QUIPU_AUTHOR='' run add one --user ana && expect_status 0 && ok log && prints ' ana ' &&
        QUIPU_AUTHOR='' run add two --user ana --agent helper && ok log -n 1 && prints ' helper ' &&
        ok add three --user ana && ok log -n 1 && prints ' tester '
}
check the_author_is_the_variable_else_the_agent_else_the_user author

private_files() {
    umask 022
    ok add secret && [ -d store ] && [ -z "$(find store -type f -perm /077)" ] || { find store -type f -perm /077 && false; }
    ok export all.jsonl && [ -s all.jsonl ] && [ -z "$(find all.jsonl -perm /077)" ]
}
check files_are_for_their_owner_only private_files

finish

# The command line over backends other than git: what they can do, and what they say of the rest.
. "$(dirname "$0")/lib.sh"

story() { # BACKEND: a record in three states, and another
    "$QUIPU" --backend "$1" add "one" --id r --tag a >/dev/null && "$QUIPU" update r "two" >/dev/null && "$QUIPU" add "other" --id s >/dev/null
}

whole_life() {
    story sqlite && ok list && prints 'two' 'other' && ok search other && prints 'other' && ok get r --json && prints '"text":"two"' &&
        ok update r three --if-version "$(sed -n 's/.*"version":"\([0-9a-f]*\)".*/\1/p' out)" && ok delete s && run get s && expect_status 1 &&
        ok stats && prints '^backend +sqlite' '^records +1$' '^revisions +5$' && ok maintain && ok verify && prints 'nothing is damaged'
}
check a_store_in_sqlite_lives_through_every_command whole_life

history() {
    story sqlite && ok log && [ "$(wc -l <out)" -eq 3 ] && ok show HEAD~1 && prints '^    - one' '^    \+ two' && ok diff HEAD~2 HEAD &&
        prints '^changed r' '^added s' && ok get r --as-of HEAD~2 --json && prints '"text":"one"' && ok search one --as-of HEAD~2 && prints one &&
        ok revert HEAD~1 && ok get r --json && prints '"text":"one"' && ok restore r --as-of HEAD~1 && ok get r --json && prints '"text":"two"'
}
check sqlite_keeps_history history

remembered() {
    story sqlite && ok get r && [ -f store/quipu.db ] && run --backend git list && [ "$status" -ne 0 ]
}
check a_store_remembers_its_backend remembered

moved() { # export here, import there: the same versions
    story sqlite && ok export here.jsonl && ok --store other --backend git import here.jsonl && ok --store other export there.jsonl &&
        cmp here.jsonl there.jsonl && ok --store again --backend sqlite import --batch 1 there.jsonl && ok --store again export back.jsonl && cmp here.jsonl back.jsonl
}
check records_move_between_backends_and_stay_as_they_are moved

missing() {
    story sqlite && run branch && complains 3 'branches/1' 'git' && run push somewhere && complains 3 'sync/1'
}
check what_a_backend_does_not_have_is_said missing

configured() {
    printf '{"backend":"sqlite","backend_config":{"durability":"relaxed","fts5":true}}' >config.json
    ok --config config.json add "a harbour at dawn" --id a && ok stats && prints '^durability +relaxed' && ok get a
    printf '{"backend":"sqlite","backend_config":{"durabilty":"full"}}' >typo.json
    run --config typo.json --store new add x && complains 2 'durabilty'
}
check settings_come_from_the_configuration_and_typos_are_named configured

broken() {
    story sqlite && printf 'not a database, not at all' | dd of=store/quipu.db conv=notrunc status=none && run list && complains 3 'no SQLite database' &&
        run verify && expect_status 1 && prints 'database'
}
check a_broken_database_is_named_and_verify_says_so broken

finish

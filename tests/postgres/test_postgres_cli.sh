# The command line over a PostgreSQL server of the test's own: every command, records and history on their way from backend to backend, secrets.
# shellcheck disable=SC2317
. "$(dirname "$0")/../cli/lib.sh"

. "$(dirname "$0")/begin.sh"

story() { # a record in three states, and another
    "$QUIPU" --backend "$1" add "one" --id r --tag a >/dev/null && "$QUIPU" update r "two" >/dev/null && "$QUIPU" add "other" --id s >/dev/null
}

whole_life() {
    story postgres && ok list && prints 'two' 'other' && ok search other && prints 'other' && ok get r --json && prints '"text":"two"' &&
        ok update r three --if-version "$(sed -n 's/.*"version":"\([0-9a-f]*\)".*/\1/p' out)" && ok delete s && run get s && expect_status 1 &&
        ok stats && prints '^backend +postgres' '^records +1$' '^revisions +5$' && ok add "for a moment" --id t --expires 2020-01-01T00:00:00Z &&
        ok maintain && prints 'purged 1 record' && ok verify && prints 'nothing is damaged'
}
check a_store_in_postgres_lives_through_every_command whole_life

history() {
    story postgres && ok log && [ "$(wc -l <out)" -eq 3 ] && ok show HEAD~1 && prints '^    - one' '^    \+ two' && ok diff HEAD~2 HEAD &&
        prints '^changed r' '^added s' && ok get r --as-of HEAD~2 --json && prints '"text":"one"' && ok search one --as-of HEAD~2 && prints one &&
        ok revert HEAD~1 && ok get r --json && prints '"text":"one"' && ok restore r --as-of HEAD~1 && ok get r --json && prints '"text":"two"' &&
        ok log r && [ "$(wc -l <out)" -eq 4 ]
}
check postgres_keeps_history history

around() { # the same digest at every stop
    story sqlite && ok update r "three" && ok export records && digest=
    for backend in postgres json postgres git postgres; do
        ok swap $backend --to "at-$backend-$digest" --yes && prints '^digest' && now=$(sed -n 's/^digest \([0-9a-f]*\).*/\1/p' out) &&
            { [ -z "$digest" ] || [ "${digest%%-*}" = "$now" ]; } || return 1
        digest=$now-$backend
        ok export again && cmp again records || return 1
    done
}
check records_go_around_the_backends_and_stay_as_they_are around

carried() { # with their history
    story sqlite && ok log && cut -c 12- out >before && ok swap postgres --to there && prints 'with their history, kept by postgres' && ok log &&
        cut -c 12- out | cmp - before && ok swap git --to back && prints 'with their history, kept by git' && ok log && prints 'add: one' 'update: two' 'add: other' &&
        ok get r --as-of HEAD~2 --json && prints '"text":"one"'
}
check history_is_carried_in_and_out carried

secrets() {
    printf '{"backend":"postgres","backend_config":{"url":"%s password=hunter2"}}' "$url" >config.json
    run --config config.json add x && complains 2 'password' && ! grep -r hunter2 out err store && printf '{"backend":"postgres","backend_config":{"url":"%s"}}' "$url" >config.json &&
        PGPASSWORD=hunter2 ok --config config.json add x --id x && ok get x && ! grep -r hunter2 out err store
}
check a_password_is_not_stored_anywhere secrets

missing() {
    story postgres && run branch && complains 3 'branches/1' 'git' && PGHOST=$PWD run list && complains 3 'connecting'
}
check what_is_not_there_is_said missing

finish

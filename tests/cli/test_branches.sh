# Branches: making, switching (also under the hands of others), merging by record, deleting.
# shellcheck disable=SC2317
. "$(dirname "$0")/lib.sh"

GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
export GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0

apart() { # the branch side has "b", main has "c", both have "a"
    ok add "meets in the harbour" --id a && ok branch side && prints '^made side$' && ok switch side && prints '^switched to side$' &&
        ok add "on the side" --id b && ok branch && prints '^\* side' '^  main' && ok switch main && run get b && expect_status 1 && ok add "on main" --id c
}

merged() {
    apart && ok merge side && prints '^1 revision taken in, 1 record changed$' && ok get a && ok get b && ok get c && ok merge side && prints '^nothing new there$' &&
        ok switch side && run get c && expect_status 1 && ok merge main && ok get c && [ "$(git -C store rev-parse main)" = "$(git -C store rev-parse side)" ] &&
        git -C store fsck --strict --no-dangling && git -C store count-objects >out && prints '^0 objects' && ok verify
}
check branches_go_apart_and_are_merged merged

conflicted() {
    apart && ok update a "in the station" && ok switch side && ok update a "in the mill" && ok merge main --json && prints '"conflicts":1' && ok conflicts &&
        prints 'in the station' 'in the mill'
}
check a_merge_tells_its_conflicts conflicted

named() {
    ok add one --id a && ok update a two && ok branch before HEAD~1 && ok switch before && ok get a --json && prints '"text":"one"' && run branch before &&
        complains 1 'already' && run switch nowhere && complains 1 'there is no branch "nowhere"' && run merge nowhere && complains 1 'no branch' &&
        for bad in 'a b' '../x' 'x.lock' '-x' 'a..b' '/x' 'x/'; do
            run branch -- "$bad"
            complains 2 'cannot be the name' || return 1
        done && ok branch deep/er/name && ok branch --json && prints '"name":"deep/er/name"' '"name":"before","revision":"[0-9a-f]{40}","current":true'
}
check a_branch_begins_where_it_is_told_and_bad_names_are_refused named

deleted() {
    ok add one --id a && ok branch side && run branch --delete main && complains 2 'current branch' && git -C store pack-refs --all && ok branch --delete side &&
        prints '^deleted side$' && ok branch && prints_not side && run branch -d side && complains 1 'no branch' && git -C store for-each-ref >out &&
        prints 'refs/heads/main' && prints_not side && ok branch side && ok branch -d side && ok add two
}
check a_branch_is_deleted_also_from_packed_refs deleted

ask() {
    echo "{\"query\":\"$1\"}" >&3 && read -r answer <&4 && echo "$answer" >out
}

noticed() {
    apart && mkfifo questions answers && { "$QUIPU" search --stdin <questions >answers 2>err & } && searcher=$!
    exec 3>questions 4<answers
    ask side && prints_not '"id":"b"' && ok switch side && ask side && prints '"id":"b"' && git -C store symbolic-ref HEAD refs/heads/main && ask side &&
        prints_not '"id":"b"'
    outcome=$?
    exec 3>&- 4<&-
    wait $searcher && [ $outcome -eq 0 ]
}
check a_process_that_had_the_store_open_follows_a_switch noticed

killed() { # what a killed one left of its locks is known and cleared
    ok add one --id a && ok branch side && echo 'quipu removes a ref' >store/refs/heads/side.lock && git -C store pack-refs --all --no-prune &&
        echo 'quipu removes a ref' >store/packed-refs.lock && ok branch -d side && [ ! -e store/packed-refs.lock ] && [ ! -e store/refs/heads/side.lock ]
}
check locks_that_a_killed_process_left_are_cleared killed

finish

# Two stores that both write: pull, push, clone, conflicts and settle; and what stock git pushes to inbox/NAME.
# shellcheck disable=SC2317
. "$(dirname "$0")/lib.sh"

GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' GIT_CONFIG_KEY_1=init.defaultBranch GIT_CONFIG_VALUE_1=main
export GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0 GIT_CONFIG_KEY_1 GIT_CONFIG_VALUE_1

on() { # STORE ARGUMENTS: quipu on that store, which has to succeed
    store=$1
    shift
    ok --store "$store" "$@"
}

sound() { # STORES: nothing is damaged, and nothing lies about
    for store; do
        git -C "$store" fsck --strict --no-dangling --no-progress >fsck 2>&1 && [ ! -s fsck ] || {
            cat fsck
            return 1
        }
        git -C "$store" count-objects -v >out && prints '^count: 0$' '^garbage: 0$' || return 1
        on "$store" verify -q || return 1
    done
}

same() { # STORES: hold the same records in the same versions
    for store; do
        git -C "$store" ls-tree -r HEAD records | sort >"$(echo "$store" | tr / _).tree" || return 1
    done
    for store; do
        cmp "$(echo "$1" | tr / _).tree" "$(echo "$store" | tr / _).tree" || return 1
    done
}

two() { # a store A with the memories x and y, and its clone B
    on A add "meets in the harbour" --id x --importance 0.5 && on A add "likes tea" --id y --tag drink && on B clone A
}

cloned() {
    two && same A B && [ "$(git -C A rev-parse HEAD)" = "$(git -C B rev-parse HEAD)" ] && on B get x --json && prints harbour &&
        run --store B clone A && complains 1 'holds records already' && sound A B
}
check a_clone_is_the_same_store_with_the_same_history cloned

forward() {
    two && on B add "new" --id z && on B push && prints '^sent revision' && same A B && on A update y --tag cup && on B pull &&
        prints '^1 revision taken in, 1 record changed$' && same A B && on B pull && prints '^nothing new there$' && sound A B
}
check where_one_side_wrote_the_other_goes_forward forward

by_field() {
    two && on A update x "meets in the station" --tag a && on B update x --importance 0.9 --tag b --meta k=v && on A update y --tag hot &&
        on B update y --tag drink --tag cup && on A pull B && prints '0 conflict|2 records' && on B pull A && same A B && on A conflicts &&
        prints '^nothing is left open$' && on B get x --json && prints '"text":"meets in the station"' '"importance":0.9' '"tags":\["a","b"\]' '"k":"v"' &&
        on A get y --json && prints '"tags":\["cup","hot"\]' && sound A B
}
check changes_of_both_sides_to_one_record_are_merged_field_by_field by_field

conflict() { # a record x that both changed, merged; its conflict's id in $open
    two && on A update x "in the station" && on B update x "in the mill" --importance 0.7 && on A pull B && prints '1 conflict;' && on B pull A &&
        same A B && on A conflicts && prints '^conflict-[0-9a-f]{32}  x$' '^  text$' 'base +"meets in the harbour"' 'ours +"in the mill"' \
        'theirs +"in the station"' && open=$(sed -n 's/^\(conflict-[0-9a-f]*\)  x$/\1/p' out) &&
        on A list --filter '{"kind":"conflict"}' --json && prints "\"id\":\"$open\"" '"rel":"conflict-of"' && on A get x --json &&
        prints '"text":"in the mill"' '"importance":0.7'
}

settled() {
    conflict && before=$(git -C A rev-list --count HEAD) && on A settle "$open" --theirs && prints '^settled' && on A get x --json &&
        prints '"text":"in the station"' '"importance":0.7' && [ "$(git -C A rev-list --count HEAD)" -eq $((before + 1)) ] &&
        on A conflicts && prints 'nothing is left' && on B pull A && same A B && on B conflicts && prints 'nothing is left' && sound A B
}
check a_conflict_is_kept_and_settled_for_theirs settled

settled_ours() {
    conflict && on B settle "$open" --ours && on B get x --json && prints '"text":"in the mill"' && on A pull B && same A B && on A conflicts &&
        prints 'nothing is left' && run --store A settle "$open" --ours && complains 1 'there is no conflict'
}
check a_conflict_is_settled_for_ours settled_ours

settled_record() {
    conflict && run --store A settle "$open" && complains 2 'say what' && run --store A settle x --ours && complains 1 'no conflict' &&
        on A settle "$open" --record '{"text":"in the mill at the station"}' && on A get x --json && prints 'at the station' '"id":"x"'
}
check a_conflict_is_settled_with_a_record_of_ones_own settled_record

deleted() {
    two && on A delete x && on B update x "in the mill" && on A pull B && prints '1 conflict;' && on B pull A && same A B && on A get x --json &&
        prints mill && on B conflicts && prints 'the whole record' && open=$(sed -n 's/^\(conflict-[0-9a-f]*\)  x$/\1/p' out) &&
        on B settle "$open" --theirs && run --store B get x && complains 1 && on A pull B && same A B && run --store A get x && complains 1 &&
        on A delete y && on B pull A && run --store B get y && complains 1
}
check a_deletion_against_a_change_is_a_conflict_and_alone_is_a_deletion deleted

changes() { # SIDE: 80 records of its own, and 20 that the other changes too, a commit each
    awk -v side="$1" 'BEGIN { for (i = 0; i < 80; i++) printf "{\"id\":\"%s%d\",\"text\":\"memory %d of %s\"}\n", side, i, i, side
        for (i = 0; i < 20; i++) printf "{\"id\":\"common%d\",\"text\":\"%s says %d\",\"tags\":[\"%s\"]}\n", i, side, i, side }' >"$1.jsonl"
    feed "$1.jsonl" --store "$1" import --batch 1 -q - && expect_status 0
}

# The issue's row in small; T is how often the numbers are taken times ten.
both_ways() {
    awk 'BEGIN { for (i = 0; i < 20; i++) printf "{\"id\":\"common%d\",\"text\":\"common %d\"}\n", i, i }' >common
    feed common --store A import - && on B clone A && changes A && changes B && on A pull B && prints '20 conflicts' &&
        on B pull A && same A B && on A conflicts --json && [ "$(grep -o '"conflict-of"' out | wc -l)" -eq 20 ] && on B export && cat out >all &&
        [ "$(grep -c '"id":"A[0-9]*"' all)" -eq 80 ] && [ "$(grep -c '"id":"B[0-9]*"' all)" -eq 80 ] &&
        [ "$(grep -c '"kind":"conflict"' all)" -eq 20 ] && [ "$(grep -c '"tags":\["A","B"\]' all)" -ge 20 ] && for i in 0 7 19; do
        grep '"kind":"conflict"' all | grep -q "A says $i\"" && grep '"kind":"conflict"' all | grep -q "B says $i\"" || return 1
    done && sound A B
}
check two_clones_with_100_changes_each_end_equal_and_nothing_is_lost both_ways

crossed() {
    two && on A update x "in the station" && on B update y "likes coffee" && cp -r A A2 && on A pull B && on B pull A2 && same A B &&
        on A update x --tag a && on B update x --tag b && on A pull B && on B pull A && same A B && on A get x --json &&
        prints '"tags":\["a","b"\]' && on A conflicts && prints 'nothing is left'
}
check two_that_merged_each_other_at_once_end_equal crossed

# What both merged is common to both from then on: what one takes away again is gone.
crossed_removal() { # STORE: takes its own tag away after the merge, the other does something else
    two && on A update x --tag a && on B update x --tag b && cp -r A A2 && on A pull B && on B pull A2 && same A B &&
        if [ "$1" = A ]; then on A update x --tag b && on B update x --importance 0.9; else on B update x --tag a && on A update x --importance 0.9; fi &&
        on A pull B && on B pull A && same A B && on A get x --json && prints '"importance":0.9' &&
        if [ "$1" = A ]; then prints '"tags":\["b"\]'; else prints '"tags":\["a"\]'; fi && on A conflicts && prints 'nothing is left'
}
crossed_a() {
    crossed_removal A
}
crossed_b() {
    crossed_removal B
}
check what_one_takes_away_after_a_crossed_merge_is_gone crossed_a
check what_the_other_takes_away_after_a_crossed_merge_is_gone crossed_b

hub() {
    two && git init -q --bare hub.git && on A push hub.git && on C clone hub.git && same A C && on B add "b" --id b && on B push hub.git &&
        on A add "a" --id a && on A push hub.git && prints '^sent' && on C pull && on A pull hub.git && on B pull hub.git && same A B C &&
        git clone -q hub.git W && ls W/records >/dev/null && run --store A push W && complains 3 'work tree' && sound A B C
}
check a_plain_bare_repository_serves_as_the_place_between hub

unrelated() {
    on A add one --id one && on B add two --id two && on A pull B && on B pull A && same A B && on B get one && on A get two && sound A B
}
check two_stores_without_a_common_history_are_joined unrelated

refused() {
    two && run --store A pull nowhere && complains 1 'no remote that the store remembers' && run --store A pull && complains 1 origin &&
        git init -q other && git -C other commit -q --allow-empty -m x && run --store A pull other && complains 3 'not a Quipu store' &&
        run --store A pull https://user:secret@127.0.0.1:1/x && complains 3 'cannot fetch from https://127.0.0.1:1/x' && ! grep -q secret err &&
        mkdir file && run --store A pull file && complains 3 'not a git repository' && sound A
}
check what_is_no_store_is_refused_and_no_password_is_told refused

by_git_daemon() {
    two && git init -q --bare hub.git && git -C hub.git config daemon.receivepack true && port=$((20000 + $$ % 20000)) &&
        { git daemon --reuseaddr --export-all --base-path="$PWD" --listen=127.0.0.1 --port=$port >daemon.log 2>&1 & } && daemon=$!
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        git ls-remote "git://127.0.0.1:$port/hub.git" >/dev/null 2>&1 && break
        sleep 0.2
    done
    url=git://127.0.0.1:$port/hub.git
    on A push "$url" && prints '^sent' && on C clone "$url" && same A C && on C add c --id c && on C push && on A add a --id a && on A push "$url" &&
        prints '^sent' && on C pull && same A C && on C push && sound A C
    outcome=$?
    kill $daemon
    wait $daemon 2>/dev/null
    [ $outcome -eq 0 ]
}
if git daemon --help >/dev/null 2>&1 && [ -x "$(git --exec-path)/git-daemon" ]; then
    check an_address_is_pushed_to_and_pulled_from by_git_daemon
else
    skip an_address_is_pushed_to_and_pulled_from "git daemon is not here"
fi

left_transfer() { # what a transfer left behind that was killed; and one that may be under way
    two && touch -d '2 hours ago' A/objects/pack/pack_git2_old && touch A/objects/pack/pack_git2_new && on A add z --id z &&
        [ ! -e A/objects/pack/pack_git2_old ] && [ -e A/objects/pack/pack_git2_new ]
}
check what_a_transfer_left_behind_is_cleared_and_one_under_way_is_not left_transfer

# ---- the inbox ----

push_to_inbox() { # NAME: clones the store S, writes the memory NAME, and pushes it to inbox/NAME
    rm -rf "W.$1" && git clone -q S "W.$1" && digits=$(printf %s "$1" | sha256sum | cut -c1-4 | sed 's/./&\//g') &&
        mkdir -p "W.$1/records/$digits" && printf '{"id":"%s","text":"from the inbox"}\n' "$1" >"W.$1/records/$digits$1.json" &&
        git -C "W.$1" add -A && git -C "W.$1" commit -q -m "$1" && git -C "W.$1" push -q origin "HEAD:inbox/$1" 2>push
}

inbox() {
    on S add first --id first && push_to_inbox ruth && on S add second --id second && on S get ruth && git -C S for-each-ref >out &&
        prints_not inbox && git -C S log --format=%s >out && push_to_inbox maria && git -C S gc -q --prune=now && on S list --json &&
        prints '"id":"maria"' && git -C S for-each-ref >out && prints_not inbox && sound S
}
check what_is_pushed_to_the_inbox_is_merged_by_the_next_who_opens inbox

write_on() { # one process after the other adds a record; those that were acknowledged stand in the file acknowledged
    n=0
    while [ ! -e stop ]; do
        "$QUIPU" --store S add "memory $n" --id "r$n" >>acknowledged 2>>add.err || return 1
        n=$((n + 1))
    done
}

inbox_busy() {
    on S add first --id first && { write_on & } && writer=$!
    pushed=0
    for i in 1 2 3 4 5 6; do
        push_to_inbox "p$i" && pushed=$((pushed + 1))
    done
    : >stop
    wait $writer || return 1
    [ $pushed -eq 6 ] && [ ! -s add.err ] && on S add last --id last && on S export && cp out all && [ -s acknowledged ] &&
        [ "$(grep -c '"id":"r[0-9]*"' all)" -eq "$(wc -l <acknowledged)" ] && [ "$(grep -c '"text":"from the inbox"' all)" -eq 6 ] &&
        git -C S for-each-ref >out && prints_not inbox && sound S
}
check a_push_to_the_inbox_always_works_beside_a_busy_writer inbox_busy

inbox_refused() {
    on S add first --id first && git init -q other && git -C other commit -q --allow-empty -m x && git -C other push -q ../S HEAD:refs/heads/inbox/other &&
        run --store S add second && expect_status 0 && grep -q 'inbox/other was not merged and stays' err && git -C S for-each-ref >out &&
        prints inbox/other
}
check what_is_no_store_stays_in_the_inbox_and_is_told inbox_refused

inbox_conflict() {
    on S add "meets in the harbour" --id x && git clone -q S W && file=W/$(cd W && find records -name x.json) &&
        sed 's/harbour/mill/' "$file" >new && cat new >"$file" && git -C W commit -q -a -m mill && git -C W push -q origin HEAD:inbox/w &&
        git -C S update-ref refs/heads/later refs/heads/inbox/w && git -C S update-ref -d refs/heads/inbox/w && on S update x "in the station" &&
        git -C S update-ref refs/heads/inbox/w refs/heads/later && on S conflicts && prints 'mill' 'station' && grep -q '1 conflict' err
}
check a_conflict_in_the_inbox_is_kept_and_told inbox_conflict

finish

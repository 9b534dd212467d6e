# History on the command line: log, show, diff, revert, restore, as-of; stats and verify.
. "$(dirname "$0")/lib.sh"

three_revisions() {
    "$QUIPU" add "one" --id r --tag a >/dev/null && "$QUIPU" update r "two" >/dev/null && "$QUIPU" add "other" --id s >/dev/null
}

log_tells() {
    three_revisions && ok log && [ "$(grep -c . out)" -ge 3 ] && prints 'tester +add: one' 'tester +update: two' &&
        [ "$(head -n 1 out | grep -c 'add: other')" -eq 1 ] && ok log -n 1 && [ "$(wc -l <out)" -eq 1 ] &&
        ok log r && [ "$(wc -l <out)" -eq 2 ] && prints_not other && ok log --from HEAD~1 -n 1 && prints 'update: two' &&
        run log nobody && expect_status 1
}
check log_shows_revisions_newest_first_of_the_store_or_of_one_record log_tells

log_json() {
    three_revisions && ok log -n 1 --json &&
        prints '^\{"revisions":\[\{"revision":"[0-9a-f]{40}","parent":"[0-9a-f]{40}","author":"tester","time":"[^"]+Z",.*"operation":"add","subject":"add: other".*\}\]\}$'
}
check log_in_json_is_one_line log_json

log_agrees_with_git() {
    three_revisions && ok log r --json && ours=$(grep -o '"revision":"[0-9a-f]*"' out | cut -d '"' -f 4) &&
        theirs=$(git -C store log --format=%H -- "$(git -C store ls-tree -r --name-only HEAD | grep 'r\.json$\|/r$\|/r\.' | head -n 1)") &&
        [ -n "$ours" ] && [ "$ours" = "$theirs" ] || { echo "ours: $ours theirs: $theirs" && false; }
}
check log_of_a_record_agrees_with_git_log_of_its_file log_agrees_with_git

show_fields() {
    three_revisions && ok show HEAD~1 && prints '^author +tester' '^operation +update' '^changed r$' '^  text$' '^    - one' '^    \+ two' &&
        prints_not tags && ok show HEAD --json && prints '"changes":\[\{"id":"s","change":"added"' '"field":"text","after":"other"' &&
        run show nothing-like-it && expect_status 1
}
check show_tells_the_fields_before_and_after show_fields

show_lines() {
    printf '%s\n' 1 2 3 4 5 6 7 8 9 >text
    feed text add - --id r && sed 's/5/five/' text >new && feed new update r - && expect_status 0 && ok show HEAD &&
        prints '^    - 5' '^    \+ five' '^      4' '\.\.\.' && prints_not '^    [-+] 4' '^      1'
}
check a_long_text_is_compared_line_by_line show_lines

diff_forms() {
    three_revisions && ok diff HEAD~2 && prints '^changed r' '^added s' && ok diff HEAD~2 HEAD~1 && prints '^changed r' &&
        prints_not 'added s' && ok diff HEAD~2 r && prints '^changed r' && prints_not 'added s' &&
        ok diff HEAD~2 HEAD s && prints '^added s' && prints_not 'changed r' && ok diff HEAD~2 --id s && prints '^added s' &&
        ok diff HEAD HEAD && prints_nothing && ok diff HEAD HEAD~2 && prints '^removed s' &&
        ok diff HEAD~2 r --json && prints '^\{"changes":\[\{"id":"r","change":"changed"' && run diff zzzz && expect_status 1
}
check diff_compares_two_revisions_or_one_record_of_them diff_forms

revert_and_back() {
    three_revisions && ok revert HEAD~1 && prints 'reverted: revision [0-9a-f]{40}' && ok get r --json && prints '"text":"one"' &&
        ok get s && ok log -n 1 && prints 'revert' && ok revert HEAD --json && prints '"changed":1' && ok get r --json &&
        prints '"text":"two"'
}
check revert_takes_back_one_revision_as_a_new_one revert_and_back

revert_conflict() {
    three_revisions && ok update r three && run revert HEAD~2 && complains 1 'cannot revert' && ok get r --json && prints three
}
check revert_refuses_where_the_record_has_changed_since revert_conflict

restore_deleted() {
    three_revisions && ok delete r && run get r && expect_status 1 && ok restore r --as-of HEAD~1 && ok get r --json &&
        prints '"text":"two"' && ok restore r --as-of HEAD~4 --json && prints '"changed":1' && ok get r --json &&
        prints '"text":"one"' && run restore r && complains 2 'as-of' && run restore nobody --as-of HEAD && expect_status 1
}
check restore_brings_back_what_was_there_then restore_deleted

as_of() {
    three_revisions && ok get r --as-of HEAD~2 --json && prints '"text":"one"' && ok search one --as-of HEAD~2 --json &&
        prints '"text":"one"' && ok search two --as-of HEAD~2 --json && prints_not '"text":"two"' &&
        ok list --as-of HEAD~1 --json && prints_not '"id":"s"' && ok get r --as-of 2099-01-01 --json && prints '"text":"two"' &&
        run get r --as-of 2001-01-01 && [ "$status" -eq 1 ]
}
check get_list_and_search_read_the_past as_of

foreign_push() {
    three_revisions && git clone -q store copy && file=$(grep -rl '"two"' copy | grep -v '\.git/') &&
        sed 's/"two"/"pushed"/' "$file" >new && cat new >"$file" && git -C copy commit -q -a -m "By hand" &&
        git -C copy push -q && ok get r --json && prints '"text":"pushed"' && ok log -n 1 && prints 'Ruth +By hand.*another program'
}
check what_stock_git_pushes_is_seen_and_named_in_the_log foreign_push

scoped() {
    "$QUIPU" add "of ana" --id a --user ana >/dev/null && "$QUIPU" add "of bob" --id b --user bob >/dev/null &&
        printf '%s\n' '{"id":"a2","text":"both","scope":{"user":"ana"}}' '{"id":"b2","text":"both","scope":{"user":"bob"}}' >in && ok import in &&
        ok log --user ana && [ "$(wc -l <out)" -eq 2 ] && prints_not bob && ok log --user ana -n 1 && [ "$(wc -l <out)" -eq 1 ] && prints import &&
        ok show HEAD --user ana && prints 'added a2' && prints_not 'b2$' && run show HEAD~1 --user ana && complains 1 'scope' && prints_nothing &&
        ok diff HEAD~2 --user ana && prints 'added a2' && prints_not 'added b' && run revert HEAD --user ana && complains 1 'scope' && ok get b2 && ok get a2 &&
        ok revert HEAD~1 --user bob && run get b && expect_status 1 && run log --user carl && expect_status 0 && prints_nothing &&
        run restore b --as-of HEAD~1 --user ana && expect_status 1 && ok restore b --as-of HEAD~1 --user bob && ok get b
}
check history_stays_within_the_scope_of_the_options scoped

stats() {
    three_revisions && ok stats && prints '^backend +git' '^records +2' && ok stats --json && prints '^\{"store":"[^"]+","backend":"git".*"records":2.*\}$'
}
check stats_tells_the_figures stats

verify_clean() {
    three_revisions && ok verify && prints '^ok +objects +[0-9]+ checked' '^ok +records' 'nothing is damaged' &&
        ok verify --json && prints '^\{"findings":\[.*\],"counts":\{.*\},"repaired":0,"warnings":0,"damages":0,"ok":true\}$' && ok verify -q && prints_nothing
}
check verify_of_a_sound_store_counts_what_it_checked verify_clean

verify_damage() {
    three_revisions && pack=$(find store -name '*.pack' | head -n 1) && chmod u+w "$pack" && size=$(wc -c <"$pack") &&
        printf '\377\377\377\377' | dd of="$pack" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null && run verify &&
        { [ "$status" -eq 1 ] || [ "$status" -eq 3 ] || fault "damage was not found"; }
}
check verify_finds_a_damaged_pack verify_damage

memory_keeps_nothing() {
    run --backend memory --store none log && complains 3 'backend "memory"' && run --backend memory --store none verify &&
        complains 3 'backend "memory"' && { [ ! -e none ] || fault "a folder was made"; }
}
check the_history_of_a_backend_that_keeps_nothing_is_refused_by_its_name memory_keeps_nothing

finish

# Stock git on a store, and what is no store: each promise as somebody with a shell would try it.
. "$(dirname "$0")/lib.sh"

# A store may belong to somebody else than the one who runs the tests (in a container); branches are called main.
GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' GIT_CONFIG_KEY_1=init.defaultBranch GIT_CONFIG_VALUE_1=main
export GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0 GIT_CONFIG_KEY_1 GIT_CONFIG_VALUE_1

file_of() { # ID: its file in the clone W
    (cd W && find records -name "$1.json")
}

edit() { # ID OLD NEW: by hand, in the clone W
    file=W/$(file_of "$1") && sed "s/$2/$3/" "$file" >new && cat new >"$file" && git -C W commit -q -a -m "By hand: $3"
}

clean() {
    git -C store fsck --strict --no-dangling --no-progress >fsck 2>&1 && [ ! -s fsck ] || {
        echo "git fsck:"
        cat fsck
        false
    }
}

few() { # two memories, and a clone W
    "$QUIPU" add "meets in the harbour" --id a >/dev/null && "$QUIPU" add "likes tea" --id b >/dev/null && git clone -q store W
}

pushed_text() {
    few && edit a harbour station && git -C W push -q && ok get a --json && prints '"text":"meets in the station"' &&
        ok search station --json && prints '"id":"a"' && ok search harbour --json && prints_not '"id":"a"' && clean
}
check a_text_that_was_pushed_is_got_and_found pushed_text

ask() { # QUESTION: one line to the open search, one from it
    echo "{\"query\":\"$1\"}" >&3 && read -r answer <&4 && echo "$answer" >out
}

pushed_while_open() {
    few && mkfifo questions answers && { "$QUIPU" search --stdin <questions >answers 2>err & } && searcher=$!
    exec 3>questions 4<answers
    ask harbour && prints '"id":"a"' && edit a harbour station && git -C W push -q && ask station && prints '"id":"a"' &&
        ask harbour && prints_not '"id":"a"' && edit a station 'old mill' && git -C W push -q && ask mill && prints '"id":"a"'
    outcome=$?
    exec 3>&- 4<&-
    wait $searcher && [ $outcome -eq 0 ]
}
check a_process_that_had_the_store_open_sees_each_push pushed_while_open

agrees() { # STATUS OPERATION: of git show, and the word of quipu's log, for the newest commit
    git -C store show --format='%an|%s' --name-status HEAD >shown && head -n 1 shown >out &&
        prints "^tester\|$2: " && tail -n +2 shown >out && prints "^$1.records/.*/a\.json$" &&
        [ "$(grep -c . out)" -eq 1 ] && ok log a --json && prints "\"revision\":\"$(git -C store rev-parse HEAD)\"" &&
        ok log a -n 1 && prints "tester +$2: " && git -C store show --stat --format= HEAD >out && prints '1 file changed'
}

audit() {
    ok add "one" --id a && agrees A add && ok update a "two" && agrees M update && ok delete a && agrees D delete &&
        ok log a && [ "$(wc -l <out)" -eq 3 ]
}
check git_show_and_the_log_agree_on_who_when_and_what audit

when() {
    ok add "one" --id a && ok log a --json && ours=$(sed 's/.*"time":"\([^"]*\)".*/\1/; s/\.[0-9]*Z/Z/' out) &&
        theirs=$(TZ=UTC git -C store log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%ad) && [ "$ours" = "$theirs" ] ||
        fault "git says $theirs, quipu $ours"
}
check git_log_and_quipu_log_tell_the_same_time when

reverted() {
    ok add "meets in the harbour" --id a && ok update a "meets in the station" && before=$(git -C store rev-parse HEAD) &&
        ok revert HEAD && ok get a --json && prints harbour && [ "$(git -C store rev-parse HEAD~1)" = "$before" ] &&
        git -C store diff --quiet HEAD HEAD~2 && git -C store log -1 --format=%s >out && prints '^revert: '
}
check revert_brings_the_old_state_back_as_a_new_commit reverted

past() {
    ok add "meets in the harbour" --id a && moment=$(git -C store rev-parse HEAD) && ok update a "meets in the station" &&
        ok search harbour --as-of "$moment" --json && prints '"id":"a"' 'harbour' && ok search harbour --as-of HEAD~1 --json &&
        prints '"id":"a"' && ok search harbour --json && prints_not '"id":"a"' && ok search station --as-of "$moment" --json &&
        prints_not '"text":"meets in the station"'
}
check search_as_of_finds_what_was_there_then past

submodule() { # below records/ and elsewhere: it stays, and is in nobody's way
    few && commit=$(git -C W rev-parse HEAD) && git -C W update-index --add --cacheinfo "160000,$commit,records/sub" &&
        git -C W update-index --add --cacheinfo "160000,$commit,vendor/lib" && git -C W commit -q -m "two submodules" && git -C W push -q &&
        ok list --json && prints '"id":"a"' && ok search harbour --json && prints '"id":"a"' && ok add "more" --id c && ok verify -q && ok maintain &&
        ok diff HEAD~2 HEAD && git -C store ls-tree -r HEAD >out && prints '^160000 commit .*records/sub$' '^160000 commit .*vendor/lib$' && clean
}
check a_submodule_is_passed_over_and_stays submodule

packs_only() {
    few && edit a harbour station && git -C W push -q && ok add "another" && git -C store count-objects -v >out &&
        prints '^count: 0$' '^garbage: 0$' && clean
}
check there_are_no_loose_objects_after_a_push_either packs_only

# One process that adds, with a commit each, while git does its worst.
add_beside() { # GIT COMMAND...
    awk 'BEGIN { for (i = 0; i < 200; i++) printf "{\"id\":\"r%03d\",\"text\":\"memory number %d\"}\n", i, i }' >records
    "$QUIPU" add "first" --id first >/dev/null || return 1
    while [ ! -e stop ]; do
        git -C store "$@" >>git.log 2>&1
    done &
    looper=$!
    feed records import --batch 1 -
    : >stop
    wait $looper
    expect_status 0 && run export && expect_status 0 && [ "$(grep -c '"id":"r[0-9]*"' out)" -eq 200 ] &&
        [ "$(git -C store rev-list --count HEAD)" -eq 202 ] && clean && ok verify -q
}

beside_gc() {
    add_beside gc -q --prune=now
}
check gc_in_a_loop_beside_200_adds_harms_nothing beside_gc

beside_repack() {
    add_beside repack -q -a -d
}
check repack_in_a_loop_beside_200_adds_harms_nothing beside_repack

no_force() {
    few && git -C W commit -q --amend --allow-empty -m other && before=$(git -C store rev-parse HEAD) &&
        ! git -C W push -q --force >push 2>&1 && [ "$(git -C store rev-parse HEAD)" = "$before" ] &&
        ! git -C W push -q origin :main >push 2>&1 && [ "$(git -C store rev-parse HEAD)" = "$before" ] && ok get a
}
check neither_a_forced_push_nor_a_deletion_of_the_branch_is_taken no_force

listing() { # FOLDER: names, sizes and times of all in it
    find "$1" -exec stat -c '%n %s %Y %Z' {} + | sort
}

refused() { # FOLDER STATUS: quipu will not have it, and leaves it as it is
    listing "$1" >before && run --store "$1" add hello && complains "$2" 'quipu: ' && listing "$1" >after && cmp before after &&
        run --store "$1" list && complains "$2" 'quipu: ' && listing "$1" >after && cmp before after
}

other_repositories() {
    git init -q --bare empty && refused empty 3 && git init -q tree && refused tree 3 && : >tree/file && git -C tree add file &&
        git -C tree commit -q -m x && refused tree 3 && git clone -q --bare tree bare && refused bare 3 && mkdir files &&
        : >files/file && refused files 3 && refused files/file 3
}
check what_is_not_a_store_is_refused_and_left_as_it_is other_repositories

newer() {
    few && sed 's/"format": 2/"format": 3/' W/quipu.json >new && cat new >W/quipu.json && git -C W commit -q -a -m newer &&
        git -C W push -q && refused store 3 && grep -q 'newer Quipu' err || fault "the reason is not told"
}
check a_store_of_a_newer_format_is_refused_and_left_as_it_is newer

bare_copy() {
    few && git clone -q --bare store copy && run --store copy get a --json && expect_status 0 && prints harbour &&
        run --store copy add "more" --id c && expect_status 0 && git -C copy push -q "$PWD/store" main && ok get c
}
check a_bare_clone_of_a_store_is_a_store bare_copy

read_only() {
    ok add "one" --id a && chmod -R a-w store && run add "two" && complains 3 'quipu: ' && chmod -R u+w store && ok list --json &&
        prints '"id":"a"'
}
if [ "$(id -u)" -eq 0 ]; then
    skip a_folder_that_may_not_be_written_is_told_and_loses_nothing "root may write everywhere"
else
    check a_folder_that_may_not_be_written_is_told_and_loses_nothing read_only
fi

finish

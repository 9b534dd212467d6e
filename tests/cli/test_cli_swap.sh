# quipu swap: another store takes over; a rehearsal; what is refused; killed at any moment; no room left.
# shellcheck disable=SC2317
. "$(dirname "$0")/lib.sh"

GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
export GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0

fill() { # COUNT
    awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) printf "{\"id\":\"r%d\",\"text\":\"knot %d on cord %d\"}\n", i, i, i % 17 }' >records &&
        ok import records --batch 50
}

moved() {
    ok add "first" --id a && ok add "second" --id b && ok swap git --to new && prints '^2 records with their history, kept by git in .*/new$' '^digest [0-9a-f]{64}, ' &&
        ok stats && prints "^store +$PWD/new$" && ok add "third" --id c && ok --store new get c && ok log && prints 'add: third' 'add: first' &&
        ok --store store --backend git list && prints_not third && run --store store --backend git add late && complains 3 "has moved to git:$PWD/new"
}
check the_old_place_leads_to_the_new_one moved

back() {
    ok add "first" --id a && ok swap git --to new && ok add "over there" --id b && ok swap git --to store --json && prints '"returned":true' "\"store\":\"$PWD/store\"" &&
        ok --store new get b && ok stats && prints "^store +$PWD/store$" && ok add more && ok verify && git -C store fsck --strict --no-dangling
}
check there_is_a_way_back back

told() {
    fill 60 && ok swap git --to new --json && prints '"records":60,"revisions":2' '"fenced":true,"history":true' && [ "$(wc -l <out)" -eq 1 ] &&
        grep -q '{"progress":{"phase":"copying"' err && ok swap git --to new2 && grep -qx copying err && ok swap git --to new3 -q && [ ! -s err ] && prints_nothing
}
check progress_is_lines_where_there_is_no_terminal told

rehearsed() {
    fill 40 && ok swap git --to new --shadow && prints '^40 records in both; nothing was switched$' '0 answered otherwise' 'git [0-9]+ and [0-9]+ us' && ok stats && prints "^store +$PWD/store$" &&
        run --store new list && complains 3 'unfinished copy' && ok add "since then" && ok swap git --to new --shadow --json && prints '"records":41' '"apart":0' && ok swap git --to new && prints '^41 records'
}
check a_rehearsal_switches_nothing_and_its_work_is_used rehearsed

anew() {
    fill 10 && ok swap git && prints '^10 records, served anew by git'
}
check the_same_backend_is_compared_anew anew

refused() {
    ok add one && run swap memory && complains 3 'keeps nothing on the disk' && run swap nobody --to x && complains 1 'no backend "nobody"' && ok --store taken add mine &&
        run swap git --to taken && complains 1 'holds a store already' && run swap git --to store && complains 2 'cannot be where the old one is' && run swap && complains 2 'BACKEND' &&
        run swap git --to x --with '{"nonsense":1}' && complains 2 'nonsense' && run swap git --samples 0 && complains 2 'samples' && run --store gone swap git && complains 3 'no store' &&
        ok list && prints one
}
check what_cannot_be_is_refused_and_changes_nothing refused

same_records() { # STORE: as they were filled
    ok --store "$1" export now && sort now >now.sorted && cmp now.sorted before.sorted
}

killed() {
    fill 1500 && ok export before && sort before >before.sorted || return 1
    for delay in 0.02 0.06 0.1 0.15 0.2 0.25 0.3 0.4 0.5 0.7; do
        "$QUIPU" swap git --to "new" >/dev/null 2>&1 &
        swapper=$!
        sleep $delay
        kill -9 $swapper 2>/dev/null
        wait $swapper 2>/dev/null
        ok add "written after the kill" --id extra --upsert && ok delete extra && same_records store || return 1
    done
    ok stats && { grep -q "^store  *$PWD/new$" out || ok swap git --to new; } && same_records store && ok stats && prints "^store +$PWD/new$" && ok verify && git -C new fsck --strict --no-dangling
}
check after_a_kill_at_any_moment_the_store_answers_and_a_second_swap_succeeds killed

at_once() {
    fill 800 && for i in 1 2 3; do
        "$QUIPU" swap git --to new >out.$i 2>err.$i &
    done
    wait
    [ "$(cat out.* | grep -c '^800 records')" -eq 1 ] && cat err.* | grep -Eq 'another process is swapping|has moved|holds a store' && ok stats && prints "^store +$PWD/new$" '^records +800$'
}
check of_several_swaps_at_once_one_succeeds at_once

interrupted() {
    fill 3000 && "$QUIPU" swap git --to new >out 2>err &
    swapper=$!
    for _ in $(seq 200); do
        grep -qs testing err && break
        sleep 0.02
    done
    kill -TERM $swapper
    wait $swapper
    status=$?
    [ $status -eq 143 ] || [ $status -eq 0 ] || fault "143 or 0 was expected, not $status" || return 1
    ok list -n 1 && ok add more
}
check a_signal_gives_it_up interrupted

full() {
    unshare -rm true 2>/dev/null || return 0
    fill 2000 && ok export before && sort before >before.sorted && mkdir small || return 1
    # shellcheck disable=SC2016
    unshare -rm sh -c 'mount -t tmpfs -o size=96k none small && "$QUIPU" swap git --to small/new >out 2>err; echo $? >status' && status=$(cat status) &&
        complains 3 'room|space' && same_records store && ok add "goes on" --id z && ok swap git --to new && prints '^2001 records'
}
QUIPU=$QUIPU
export QUIPU
check without_room_the_old_one_stays full

finish

# The test runner itself: what fails, crashes, hangs or lies must not count as passed.
runner=$BUILD/tests/runner
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
number=0

report() { # STATUS NAME
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        sed 's/^/# /' out
    fi
}

# says STATUS LAST_LINE: the runner's exit status and its last line on the program ./p.sh
says() {
    "$runner" -l 2 ./p.sh >out 2>&1
    status=$?
    [ "$status" -eq "$1" ] && [ "$(tail -n 1 out)" = "$2" ]
}

cat >p.sh <<'END'
echo "1..3"
echo "ok 1 - a"
echo "ok 2 - b"
echo "ok 3 - c # SKIP no such tool"
END
says 0 "2 passed, 0 failed, 1 skipped" && grep -q "no such tool" out
report $? "passed_and_skipped_cases_are_counted"

printf 'echo 1..2\necho "ok 1 - a"\necho "not ok 2 - the broken promise"\necho "the reason" >&2\nexit 1\n' >p.sh
says 1 "1 passed, 1 failed" && grep -q "failed: 2 - the broken promise" out && grep -q "| the reason" out
report $? "a_failing_case_fails_the_run_and_shows_its_output"

printf 'echo 1..1\necho "not ok 1 - a"\nexit 0\n' >p.sh
says 1 "0 passed, 1 failed"
report $? "a_failing_case_counts_though_the_program_exits_with_0"

printf 'echo 1..1\necho "ok 1 - a"\nkill -SEGV $$\n' >p.sh
says 1 "1 passed, 1 failed" && grep -q "crashed: signal 11" out
report $? "a_crash_counts_as_failed"

printf 'echo 1..1\necho "ok 1 - a"\nsleep 1000 &\nsleep 1000\n' >p.sh
says 1 "1 passed, 1 failed" && grep -q "hung: killed after 2 s" out
report $? "a_hang_is_killed_and_counts_as_failed"

printf 'echo 1..1\necho "ok 1 - a"\nsleep 1000 &\necho $! >%s/pid\n' "$work" >p.sh
says 0 "1 passed, 0 failed"
good=$?
sleep 0.1
! kill -0 "$(cat pid)" 2>/dev/null || grep -q '^State:.Z' "/proc/$(cat pid)/status" || good=1
report $good "a_process_left_behind_is_ended_and_holds_nothing_up"

printf 'echo 1..3\necho "ok 1 - a"\necho "ok 2 - b"\n' >p.sh
says 1 "2 passed, 1 failed" && grep -q "wrong plan: 3 cases planned, 2 seen" out
report $? "a_plan_with_cases_missing_counts_as_failed"

printf 'echo 1..1\necho "ok 1 - a"\necho "ok 2 - b"\n' >p.sh
says 1 "2 passed, 1 failed"
report $? "a_plan_with_cases_too_many_counts_as_failed"

printf 'echo "ok 1 - a"\n' >p.sh
says 1 "1 passed, 1 failed" && grep -q "no plan" out
report $? "a_program_without_a_plan_counts_as_failed"

printf 'echo 1..1\necho "ok 1 - a"\nexit 7\n' >p.sh
says 1 "1 passed, 1 failed" && grep -q "exit status 7, though no case failed" out
report $? "a_bad_exit_status_counts_as_failed"

printf 'echo "1..0 # SKIP not on this system"\n' >p.sh
says 0 "0 passed, 0 failed, 1 skipped" && grep -q "not on this system" out
report $? "a_whole_program_can_be_skipped_with_its_reason"

printf 'echo 1..0\n' >p.sh
says 1 "0 passed, 1 failed"
report $? "a_program_that_tests_nothing_counts_as_failed"

cat >p.sh <<'END'
echo "1..1"
[ -d "$HOME" ] && [ -z "$(ls -A "$HOME")" ] && [ -d "$TMPDIR" ] && [ -z "$QUIPU_STORE" ] && echo "ok 1 - clean"
touch "$TMPDIR/left" && echo "$TMPDIR" >&2
END
QUIPU_STORE=/nowhere says 0 "1 passed, 0 failed"
report $? "home_and_temporary_folder_are_empty_and_own"

printf 'echo 1..1\necho "ok 1 - a"\necho "$TMPDIR" >%s/folder\ntouch "$TMPDIR/left"\nmkdir "$TMPDIR/r"\ntouch "$TMPDIR/r/x"\nchmod 500 "$TMPDIR/r"\n' "$work" >p.sh
says 0 "1 passed, 0 failed" && [ -s folder ] && [ ! -e "$(cat folder)" ]
report $? "what_a_program_leaves_in_its_temporary_folder_is_removed"

"$runner" -l 5 ./no-such-program >out 2>&1
[ $? -eq 1 ] && [ "$(tail -n 1 out)" = "0 passed, 1 failed" ]
report $? "a_program_that_cannot_be_run_counts_as_failed"

"$runner" >out 2>&1
[ $? -eq 2 ]
report $? "no_program_at_all_is_wrong_usage"

echo "1..$number"

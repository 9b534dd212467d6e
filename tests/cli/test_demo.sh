# The demo: it ends well, says what it should, is plain in a pipe, and leaves nothing behind.
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
root=$(cd "$(dirname "$0")/../.." && pwd)
number=0

report() { # STATUS NAME
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        tail -n 30 "$work/out" | sed 's/^/# /'
    fi
}

says() { # every argument is a line that the demo must print (an extended regular expression)
    for line; do
        grep -Eq -- "$line" "$work/out" || {
            echo "# missing: $line"
            return 1
        }
    done
}

before=$({ [ -z "${TMPDIR:-}" ] || ls "$TMPDIR"; } | wc -l)
QUIPU=$QUIPU sh "$root/examples/demo.sh" >"$work/out" 2>&1 </dev/null
report $? "the_demo_ends_with_status_0"

! grep -q "$(printf '\033')" "$work/out"
report $? "the_demo_prints_no_colour_codes_into_a_pipe"

says '^\$ quipu import ' '423' "It's walnuts" 'I hurt my knee on Sunday' 'from the first of July'
report $? "the_demo_imports_a_conversation_and_finds_the_answers"

says '^\$ git -C bakery log' 'assistant  update: ' 'assistant  add: ' 'records/' '^-.*20th of May' '^\+.*27th of May'
report $? "the_demo_shows_gits_view_of_a_change"

says '--as-of' '27th of May, at six' '^\$ quipu revert HEAD' 'fsck: clean' '^Now you:'
report $? "the_demo_reads_the_past_takes_a_push_reverts_it_and_checks"

after=$({ [ -z "${TMPDIR:-}" ] || ls "$TMPDIR"; } | wc -l)
[ "$before" -eq "$after" ]
report $? "the_demo_leaves_nothing_behind"

mkdir "$work/with a blank"
cp -r "$root/examples/demo.sh" "$root/examples/conversation" "$work/with a blank"
QUIPU=$QUIPU TMPDIR="$work/with a blank" sh "$work/with a blank/demo.sh" >"$work/out" 2>&1 </dev/null
report $? "the_demo_works_in_a_folder_with_a_blank_in_its_name"

QUIPU=$work/none sh "$root/examples/demo.sh" >"$work/out" 2>&1
[ $? -eq 1 ] && says 'run .make. first'
report $? "the_demo_without_a_program_says_what_to_do"

echo "1..$number"

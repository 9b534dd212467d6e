#!/bin/sh
# demo.sh - a short story that shows what Quipu does. `make demo` builds everything and runs it; by hand:
#
#     QUIPU=build/quipu sh examples/demo.sh
#
# It works in a temporary folder, which it removes. Plain text in a pipe; colours and small pauses on a terminal
# (NO_COLOR and DEMO_FAST turn them off).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
program=${QUIPU:-$here/../build/quipu}
case $program in
*/*) program=$(cd "$(dirname "$program")" && pwd)/$(basename "$program") ;;
*) program=$(command -v "$program") ;;
esac
if [ ! -x "$program" ]; then
    echo "demo: there is no program $program; run \`make\` first" >&2
    exit 1
fi

work=$(mktemp -d)
trap 'status=$?; cd /; rm -rf "$work"; [ $status -eq 0 ] || echo "demo: stopped with status $status" >&2' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

bold='' dim='' green='' off=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$(printf '\033[1m') dim=$(printf '\033[2m') green=$(printf '\033[32m') off=$(printf '\033[0m')
fi

# Nothing of the user's: neither store, nor name, nor settings of git.
cd "$work"
HOME=$work QUIPU_STORE=$work/bakery QUIPU_AUTHOR=assistant
GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
GIT_AUTHOR_NAME=Ruth GIT_AUTHOR_EMAIL=ruth@localhost GIT_COMMITTER_NAME=Ruth GIT_COMMITTER_EMAIL=ruth@localhost
export HOME QUIPU_STORE QUIPU_AUTHOR GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM GIT_PAGER
export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL
unset XDG_DATA_HOME XDG_CONFIG_HOME GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE || true
cp "$here/conversation/records.jsonl" conversation.jsonl

quipu() { "$program" "$@"; }

pause() {
    if [ -t 1 ] && [ -z "${DEMO_FAST:-}" ]; then
        sleep "${1:-1}" 2>/dev/null || sleep 1
    fi
}

tell() { # the story: one line an argument
    echo
    for line; do
        printf '%s%s%s\n' "$bold" "$line" "$off"
    done
    pause 1.2
}

run() { # shows a command and runs it
    printf '%s$ %s%s\n' "$green" "$1" "$off"
    pause 0.5
    eval "$1"
    pause 0.7
}

printf '%sQuipu: memory on cords%s\n' "$bold" "$off"

tell "Ines has a bakery and must move it. From January to September she, Tomas and Ruth talked" \
    "about little else. Her assistant was listening. It remembers every turn:"
run 'quipu import conversation.jsonl'

tell "Months later somebody asks."
run 'quipu search "Is Tomas allergic to hazelnuts or walnuts?" --user bakery -k 2'
run 'quipu search "How did Tomas hurt his knee?" --user bakery -k 1'
run 'quipu search "When does Ruth start at the day clinic?" --user bakery -k 1'

tell "The assistant draws a conclusion and keeps it as a memory of its own..."
run 'quipu add "Moving day is Tuesday the 20th of May." --id moving-day --user bakery --tag move'

tell "...until the steam kit for the new oven comes late."
run 'quipu update moving-day "Moving day is Tuesday the 27th of May."'

tell "Who changed what, and when? The store is a plain git repository. Ask git:"
run 'git -C bakery log --format="%h  %an  %s"'
run 'git -C bakery show --stat --format="%s" HEAD'
run 'git -C bakery diff -U0 HEAD~1 HEAD'

tell "What did we know before that? Any earlier state can be read and searched:"
run 'quipu search "moving day" --user bakery -k 1 --as-of HEAD~1'

tell "Ruth has no Quipu. She corrects a memory with stock git: clone, edit, push."
run 'git clone -q bakery copy'
run 'sed -i "s/27th of May/27th of May, at six/" "$(grep -rl "27th of May" copy/records | head -n 1)"'
run 'git -C copy commit -q -a -m "The van comes at six" && git -C copy push -q'
run 'quipu search "moving day" --user bakery -k 1'

tell "It was eight, not six. Taking her change back is a new knot on the cord; nothing is overwritten:"
run 'quipu revert HEAD'
run 'quipu log moving-day'

tell "Is everything still in order? Quipu's own check, then git's:"
run 'quipu verify'
run 'git -C bakery fsck --strict && echo "fsck: clean"'

tell "Now you:"
cat <<END
  $dim# the program, and a store of your own$off
  export PATH="$(dirname "$program"):\$PATH"
  export QUIPU_STORE=~/my-memory
  quipu add "I like my meetings after lunch." --user me
  quipu search "meetings" --user me

  $dim# every command explains itself$off
  quipu help
  quipu help search

  $dim# read on$off
  README.md, docs/history-with-git.md, docs/writing-a-backend.md
END

# lib.sh - what the tests of the command line share; read with `.`, not a test itself.
#
# A test is a function; `check NAME FUNCTION` runs it in a subshell with an empty folder as its own, and prints a line of
# TAP. Inside, `run ARGUMENTS` runs quipu and keeps $status, the files out and err; the rest says what is expected.

: "${QUIPU:?QUIPU has to name the program}"
case $QUIPU in
/*) ;;
*) QUIPU=$PWD/$QUIPU ;;
esac
work=$(mktemp -d) || exit 1
trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT
number=0

# Nothing of the user's: neither store nor name nor settings of git.
HOME=$work QUIPU_AUTHOR=tester GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat LC_ALL=C
GIT_AUTHOR_NAME=Ruth GIT_AUTHOR_EMAIL=ruth@localhost GIT_COMMITTER_NAME=Ruth GIT_COMMITTER_EMAIL=ruth@localhost
export HOME QUIPU_AUTHOR GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM GIT_PAGER LC_ALL
export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL
unset XDG_DATA_HOME GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE NO_COLOR QUIPU_PLUGIN_PATH

check() { # NAME FUNCTION
    number=$((number + 1))
    mkdir "$work/$number"
    if (
        cd "$work/$number" || exit 1
        QUIPU_STORE=$work/$number/store
        export QUIPU_STORE
        "$2"
    ) >"$work/log" 2>&1; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        tail -n 30 "$work/log" | sed 's/^/# /'
    fi
}

skip() { # NAME REASON
    number=$((number + 1))
    echo "ok $number - $1 # SKIP $2"
}

finish() {
    echo "1..$number"
}

run() {
    "$QUIPU" "$@" >out 2>err </dev/null
    status=$?
}

feed() { # FILE ARGUMENTS: quipu with FILE as its standard input
    input=$1
    shift
    "$QUIPU" "$@" >out 2>err <"$input"
    status=$?
}

fault() { # says what went wrong, and what was there
    echo "$*"
    echo "status $status; output:"
    cat out
    echo "errors:"
    cat err
    return 1
}

expect_status() {
    [ "$status" -eq "$1" ] || fault "status $1 was expected"
}

prints() { # every argument is a line of the output (extended regular expression)
    for expected; do
        grep -Eq -- "$expected" out || fault "the output has no line with: $expected" || return 1
    done
}

prints_not() {
    for expected; do
        ! grep -Eq -- "$expected" out || fault "the output has a line with: $expected" || return 1
    done
}

prints_nothing() {
    [ ! -s out ] || fault "no output was expected"
}

complains() { # status, then what the errors have to say
    expect_status "$1" || return 1
    shift
    for expected; do
        grep -Eq -- "$expected" err || fault "the errors do not say: $expected" || return 1
    done
}

ok() { # ARGUMENTS: quipu, which has to succeed
    run "$@"
    expect_status 0
}

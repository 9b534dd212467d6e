# validate.sh - read with `.` behind begin.sh: the one test of a program that runs the validator.

validate() { # LEVEL MORE-SETTINGS NAME
    # shellcheck disable=SC2154
    if "$QUIPU" validate "$BUILD/plugins/postgres.so" --level "$1" --settings "{\"url\":\"$url\"$2}" >"$work/out" 2>&1 &&
        grep -q ', 0 failed' "$work/out"; then
        echo "ok 1 - $3, level $1"
    else
        echo "not ok 1 - $3, level $1"
        grep -v ' pass ' "$work/out" | tail -n 30 | sed 's/^/# /'
    fi
    echo 1..1
}

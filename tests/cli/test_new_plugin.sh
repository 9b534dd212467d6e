# quipu new-plugin: what it writes builds, passes the validator and works, by the commands that it names.
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
number=0

report() { # STATUS NAME
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        sed 's/^/# /' "$work/out"
    fi
}

skip() { # NAME WHY
    number=$((number + 1))
    echo "ok $number - $1 # SKIP $2"
}

cd "$work" || exit 1
"$QUIPU" new-plugin river_2 >"$work/out" 2>&1 && grep -q 'cd river_2 && make check' "$work/out" &&
    [ -s river_2/river_2.c ] && [ -s river_2/Makefile ] && [ -s river_2/test.sh ] && [ -s river_2/.github/workflows/check.yml ] &&
    ! grep -rq -e '@NAME@' -e tiny river_2
report $? "a_folder_with_everything_in_it"

"$QUIPU" new-plugin river_2 >"$work/out" 2>&1
[ $? -ne 0 ] && grep -q 'river_2' "$work/out"
report $? "a_folder_that_is_there_is_left_alone"

for name in 2river River ri-ver ../river "" a123456789a123456789a123456789a123456789; do
    "$QUIPU" new-plugin "$name" >"$work/out" 2>&1
    [ $? -eq 2 ] && grep -q 'small letters' "$work/out" || break
done
[ "$name" = a123456789a123456789a123456789a123456789 ] && [ ! -e "$work/a123456789a123456789a123456789a123456789" ] && [ ! -e River ] && [ ! -e ri-ver ]
report $? "a_name_that_is_none_is_refused"

mkdir closed && chmod 500 closed
if [ "$(id -u)" -eq 0 ]; then
    skip "a_folder_where_it_may_not_write_is_told" "root may write everywhere"
else
    (cd closed && "$QUIPU" new-plugin brook) >"$work/out" 2>&1
    [ $? -eq 3 ] && grep -q 'brook' "$work/out"
    report $? "a_folder_where_it_may_not_write_is_told"
fi

"$QUIPU" new-plugin brook --json >"$work/out" 2>&1 && grep -q '"folder":"brook"' "$work/out"
report $? "json_where_it_is_asked_for"

if [ "$SAN" ]; then
    skip "make_check_passes_in_a_new_folder" "the archives want the sanitizer's runtime"
    skip "make_check_fails_with_a_fault" "the archives want the sanitizer's runtime"
elif ! command -v pkg-config >/dev/null 2>&1; then
    skip "make_check_passes_in_a_new_folder" "pkg-config is not installed"
    skip "make_check_fails_with_a_fault" "pkg-config is not installed"
else
    check() {
        env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL PKG_CONFIG_PATH="$BUILD/pkgconfig" make -C river_2 check QUIPU="$QUIPU" >"$work/out" 2>&1
    }
    check && grep -q ', 0 failed' "$work/out" && grep -q 'ok *a record is taken' "$work/out"
    report $? "make_check_passes_in_a_new_folder"
    sed 's/receipt_fill(receipt, QUIPU_RECEIPT_DUPLICATE, 0, "")/receipt_fill(receipt, 0, 1, "")/' river_2/river_2.c >new.c && mv new.c river_2/river_2.c
    ! check && grep -q 'FAIL *behaviour-change-id' "$work/out"
    report $? "make_check_fails_with_a_fault"
fi

echo "1..$number"

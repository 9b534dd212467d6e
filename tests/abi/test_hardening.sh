# What the linker was told is read back from the files that were built.
build=${BUILD:-$PWD/build}
plugins=$(ls "$build"/plugins/*.so 2>/dev/null)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
number=0

if ! command -v readelf >/dev/null 2>&1 || ! command -v nm >/dev/null 2>&1; then
    echo "1..0 # SKIP readelf or nm is not installed"
    exit 0
fi

# each NAME FILES... : the function check_one holds for every file; it says on stdout what is wrong
each() {
    name=$1
    shift
    number=$((number + 1))
    : >"$work/out"
    for file in "$@"; do
        if [ -e "$file" ]; then
            check_one "$file" >"$work/one" 2>&1 || sed "s|^|# ${file##*/}: |" "$work/one" >>"$work/out"
        else
            echo "# $file was not built" >>"$work/out"
        fi
    done
    [ $# -gt 0 ] || echo "# there is no such file" >"$work/out"
    if [ -s "$work/out" ]; then
        echo "not ok $number - $name"
        cat "$work/out"
    else
        echo "ok $number - $name"
    fi
}

dynamic() { readelf -dW "$1"; }
needed() { dynamic "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }

check_one() {
    readelf -lW "$1" | grep -q GNU_RELRO || { echo "no RELRO" && false; }
    dynamic "$1" | grep -Eq 'BIND_NOW|FLAGS.*NOW' || { echo "symbols are not bound at once" && false; }
}
# shellcheck disable=SC2086
each "everything_is_relocated_at_once_and_then_read_only" "$build/quipu" "$build/libquipu.so" $plugins

check_one() {
    readelf -lW "$1" | grep 'GNU_STACK' | grep -q 'RW ' || { echo "the stack can be executed" && false; }
}
each "no_stack_can_be_executed" "$build/quipu" "$build/libquipu.so" $plugins

check_one() {
    readelf -lW "$1" | awk '$1 == "LOAD" && / RWE / { print "a segment is writable and executable"; bad = 1 } END { exit bad }'
}
each "nothing_is_writable_and_executable" "$build/quipu" "$build/libquipu.so" $plugins

check_one() {
    dynamic "$1" | grep -q 'Flags:.*PIE' || { echo "not position independent" && false; }
}
each "the_program_is_position_independent" "$build/quipu"

check_one() {
    ! dynamic "$1" | grep -q TEXTREL || { echo "has text relocations" && false; }
}
each "nothing_needs_text_relocations" "$build/quipu" "$build/libquipu.so" $plugins

check_one() {
    dynamic "$1" | grep -q '(SYMBOLIC)' || { echo "linked without -Bsymbolic: a host could replace its functions" && false; }
}
each "own_symbols_are_bound_to_the_file_itself" "$build/libquipu.so" $plugins

check_one() {
    nm -D --defined-only "$1" | awk '{ print $3 }' | sed 's/@.*//' | sort >"$work/names"
    [ "$(cat "$work/names")" = quipu_plugin_entry ] || { tr '\n' ' ' <"$work/names" && echo && false; }
}
each "a_plugin_exports_its_entry_and_nothing_else" $plugins

check_one() {
    nm -D --defined-only "$1" | awk '$3 !~ /^quipu_/ { print $3; bad = 1 } END { exit bad || !NR }'
}
each "libquipu_exports_only_names_that_begin_with_quipu" "$build/libquipu.so"

check_one() {
    readelf -SW "$1" | grep -q '\.note\.quipu' || { echo "no note: it cannot be listed without running it" && false; }
}
each "a_plugin_carries_its_note" $plugins

check_one() {
    ! nm -D --defined-only "$1" | awk '$2 == "u"' | grep . || { echo "a unique symbol keeps it loaded" && false; }
}
each "a_plugin_has_no_unique_symbol" $plugins

check_one() {
    found=$(needed "$1" | grep -c '^libgit2')
    case $1 in
    */git.so) [ "$found" -eq 1 ] ;;
    *) [ "$found" -eq 0 ] ;;
    esac || { echo "needs libgit2 $found times" && false; }
}
each "the_git_plugin_needs_one_libgit2_and_nobody_else_does" "$build/quipu" "$build/libquipu.so" $plugins

check_one() {
    ! needed "$1" | grep -q '^libopenblas' || dynamic "$1" | grep -q 'Flags:.*NODELETE' ||
        { echo "links OpenBLAS, which keeps threads, and could be unloaded" && false; }
}
each "a_plugin_with_openblas_stays_resident" $plugins

# The toolchain's own start-up takes one place in each array (crtbegin's frame_dummy and its counterpart).
check_one() {
    dynamic "$1" | awk '/\((INIT|FINI)_ARRAYSZ\)/ && $3 > 8 { print $2, $3, "bytes"; bad = 1 } END { exit bad }'
}
if [ "$SAN" ]; then
    number=$((number + 1))
    echo "ok $number - a_plugin_runs_no_constructor_of_its_own # SKIP the sanitizer adds its own"
else
    each "a_plugin_runs_no_constructor_of_its_own" $plugins
fi

echo "1..$number"

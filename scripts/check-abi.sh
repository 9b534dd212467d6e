#!/bin/sh
# Checks the public headers against the ABI's rules (docs/abi-policy.md).
#
#   check-abi.sh [-o PARTS] [-r REFERENCE] [-u] [ROOT...]
#
# PARTS      some of headers,rules,tags,layout,anchor (default: all)
#   headers  each header alone, twice, and every pair in both orders: C11 to C++20, gcc and clang, -Wpadded -Wpedantic
#   rules    fixed-width types only, nothing by value, no foreign include
#   tags     thread, state and cost of every function slot
#   layout   offsets, sizes and constants against REFERENCE/layout.golden
#   anchor   abidiff of REFERENCE/anchor.c, which holds one of every public struct, against REFERENCE/anchor.abixml
# REFERENCE  default tests/abi.  -u  writes the references anew: only with a raised QUIPU_ABI_VERSION, or FORCE=1
#            while nothing was released.
# ROOT       folders that hold public headers (default plugin_api host_shim/include).
# A part whose tool is not installed is skipped, and says so. Exit status 1 where a check failed.

here=$(cd "$(dirname "$0")" && pwd)
parts=headers,rules,tags,layout,anchor
reference=$(cd "$here/.." && pwd)/tests/abi
update=
while getopts o:r:u option; do
    case $option in
    o) parts=$OPTARG ;;
    r) reference=$OPTARG ;;
    u) update=1 ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
whole=
[ $# -gt 0 ] || whole=1
[ $# -gt 0 ] || set -- "${here%/*}/plugin_api" "${here%/*}/host_shim/include"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
status=0
includes=
: >"$work/headers"
for root in "$@"; do
    includes="$includes -I$root"
    find "$root" -name '*.h' | LC_ALL=C sort | while read -r file; do
        printf '%s %s\n' "$file" "${file#"$root"/}"
    done >>"$work/headers"
done
files=$(cut -d' ' -f1 "$work/headers")
names=$(cut -d' ' -f2 "$work/headers")

good() { echo "ok    $1: $2"; }
skip() { echo "skip  $1: $2"; }
bad() {
    echo "FAIL  $1: $2"
    status=1
}
wanted() { case ",$parts," in *,"$1",*) return 0 ;; *) return 1 ;; esac }
have() { command -v "$1" >/dev/null 2>&1; }

# ---- headers ----

# One translation unit for each ordered pair; a pair of equals is "twice". What is alone is the first half of each pair.
write_units() {
    mkdir -p "$work/c" "$work/cxx"
    number=0
    for first in $names; do
        for second in $names; do
            number=$((number + 1))
            printf '#include <%s>\n#include <%s>\nextern int unit;\n' "$first" "$second" >"$work/c/$number.c"
            cp "$work/c/$number.c" "$work/cxx/$number.cc"
        done
    done
    echo "$number"
}

# The macros, as an author uses them; they need not be free of padding on the author's side.
compile_use() { # COMPILER STANDARD LANGUAGE
    # shellcheck disable=SC2086
    $1 -std="$2" -x "$3" -fsyntax-only -Wall -Wextra -Wpedantic -Werror $includes "$here/../tests/abi/use.c" >"$work/out" 2>&1
}

compile_units() { # COMPILER STANDARD UNITS...
    compiler=$1 standard=$2
    shift 2
    # shellcheck disable=SC2086
    printf '%s\n' "$@" | xargs -n 60 -P 2 $compiler -std="$standard" -fsyntax-only -Wall -Wextra -Wpedantic -Wpadded \
        -Werror $includes >"$work/out" 2>&1
}

check_headers() {
    units=$(write_units)
    for standard in c11 c17 c++11 c++17 c++20; do
        case $standard in
        c++*) compilers="g++ clang++" kind=cxx language=c++ ;;
        *) compilers="gcc clang" kind=c language=c ;;
        esac
        for compiler in $compilers; do
            if ! have "$compiler"; then
                skip headers "$standard: $compiler is not installed"
            elif compile_units "$compiler" "$standard" "$work/$kind"/* && {
                [ -z "$whole" ] || compile_use "$compiler" "$standard" $language
            }; then
                good headers "$standard, $compiler: $units pairs"
            else
                bad headers "$standard, $compiler:"
                grep -m 5 -A 4 -E 'error' "$work/out"
            fi
        done
    done
}

# ---- rules and tags ----

check_with_awk() { # PART SCRIPT
    # shellcheck disable=SC2086
    if awk -f "$here/abi/words.awk" -f "$here/abi/$2" $files >"$work/out" 2>&1; then
        good "$1" "$(tail -n 1 "$work/out" | grep . || echo "every header keeps them")"
    else
        bad "$1" "$here/abi/$2:"
        cat "$work/out"
    fi
}

# ---- layout ----

list_structs() {
    # shellcheck disable=SC2086
    awk -f "$here/abi/words.awk" -f "$here/abi/structs.awk" $files
}

# The program that prints the layout is written from the headers, so that it can forget nothing.
print_layout() {
    {
        for name in $names; do
            echo "#include <$name>"
        done
        printf '#include <stdio.h>\nint main(void)\n{\n'
        list_structs | awk '
            $1 == "struct" && $2 != last {
                printf "    printf(\"%%-52s size %%zu\\n\", \"%s\", sizeof(struct %s));\n", $2, $2
                last = $2
            }
            $1 == "struct" {
                printf "    printf(\"%%-52s at %%zu size %%zu\\n\", \"%s.%s\", offsetof(struct %s, %s), " \
                       "sizeof(((struct %s *)0)->%s));\n", $2, $3, $2, $3, $2, $3
            }
            $1 == "constant" { printf "    printf(\"%%-52s = %%lld\\n\", \"%s\", (long long)(%s));\n", $2, $2 }
            $1 == "text" { printf "    printf(\"%%-52s = \\\"%%s\\\"\\n\", \"%s\", %s);\n", $2, $2 }'
        printf '    return 0;\n}\n'
    } >"$work/layout.c"
    # shellcheck disable=SC2086
    ${CC:-cc} -std=c11 $includes -o "$work/layout" "$work/layout.c" && "$work/layout"
}

abi_version() { # FILE
    sed -n 's/^QUIPU_ABI_VERSION *= //p' "$1" 2>/dev/null
}

# True where the headers' version is newer than the one that the references were written for.
version_raised() {
    print_layout >"$work/layout.now" || return 1
    [ "$(abi_version "$work/layout.now")" -gt "$(abi_version "$reference/layout.golden")" ] 2>/dev/null
}

check_layout() {
    if ! print_layout >"$work/layout.now" 2>"$work/out"; then
        bad layout "the program that prints it does not compile:"
        head -n 10 "$work/out"
    elif diff -u "$reference/layout.golden" "$work/layout.now" >"$work/out" 2>&1; then
        good layout "$(wc -l <"$work/layout.now") offsets, sizes and constants are those of layout.golden"
    elif version_raised; then
        good layout "differs, and QUIPU_ABI_VERSION was raised: run make update-abi"
    else
        bad layout "differs from layout.golden, and QUIPU_ABI_VERSION was not raised:"
        sed -n '3,40p' "$work/out"
    fi
}

# ---- anchor ----

anchor_is_complete() {
    complete=0
    for name in $(list_structs | awk '$1 == "struct" && !seen[$2]++ { print $2 }'); do
        if ! grep -Eq "^(struct )?$name anchor_$name;" "$reference/anchor.c"; then
            bad anchor "anchor.c lacks: struct $name anchor_$name;"
            complete=1
        fi
    done
    return $complete
}

# Always gcc, so that the description does not vary with CC.
build_anchor() {
    # shellcheck disable=SC2086
    gcc -std=c11 -g -O0 -shared -fPIC $includes -ffile-prefix-map="$reference/"= -o "$work/anchor.so" "$reference/anchor.c"
}

check_anchor() {
    anchor_is_complete || return
    if ! have abidiff || ! have gcc; then
        skip anchor "abidiff (Debian: abigail-tools) or gcc is not installed"
        return
    fi
    build_anchor 2>"$work/out" || {
        bad anchor "anchor.c does not compile:"
        head -n 10 "$work/out"
        return
    }
    abidiff --no-show-locs "$reference/anchor.abixml" "$work/anchor.so" >"$work/out" 2>&1
    bits=$?
    if [ $bits -eq 0 ]; then
        good anchor "abidiff sees no change"
    elif [ $((bits & 3)) -eq 0 ] && version_raised; then
        good anchor "abidiff sees changes, and QUIPU_ABI_VERSION was raised: run make update-abi"
    else
        bad anchor "abidiff answers $bits, and QUIPU_ABI_VERSION was not raised:"
        head -n 40 "$work/out"
    fi
}

# ---- new references ----

update_references() {
    if [ -z "$FORCE" ] && [ -e "$reference/layout.golden" ] && ! version_raised; then
        echo "check-abi.sh: raise QUIPU_ABI_VERSION in quipu/base.h first (or set FORCE=1 while nothing was released)" >&2
        exit 1
    fi
    {
        echo "/* anchor.c - one of every public struct, so that abidiff sees them all. Written by make update-abi. */"
        for name in $names; do
            echo "#include <$name>"
        done
        echo
        list_structs | awk '$1 == "struct" && !seen[$2]++ { print "struct " $2 " anchor_" $2 ";" }'
    } >"$reference/anchor.c"
    print_layout >"$work/layout.now" && cp "$work/layout.now" "$reference/layout.golden" || exit 1
    if have abidw && have gcc; then
        build_anchor && abidw --no-corpus-path --no-comp-dir-path --no-show-locs --out-file "$reference/anchor.abixml" \
            "$work/anchor.so" || exit 1
    else
        skip anchor "abidw (Debian: abigail-tools) or gcc is not installed: anchor.abixml was not written"
    fi
    echo "wrote the references in $reference"
}

if [ "$update" ]; then
    update_references
    exit
fi
! wanted headers || check_headers
! wanted rules || check_with_awk rules rules.awk
! wanted tags || check_with_awk tags tags.awk
! wanted layout || check_layout
! wanted anchor || check_anchor
exit $status

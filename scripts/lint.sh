#!/usr/bin/env bash
# make lint: formatting, clang-tidy, cppcheck, the dependency rules, shellcheck. Each finding is an error.
# A tool that is not installed is skipped, and says so. lint.sh [FILE...] looks at these C files only.
cd "$(dirname "$0")/.." || exit 2
status=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

good() { echo "ok    $1"; }
skip() { echo "skip  $1: $2"; }
bad() {
    echo "FAIL  $1"
    status=1
}

if [ $# -gt 0 ]; then
    files=("$@")
else
    mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.c' '*.h' | while read -r f; do
        [ ! -e "$f" ] || echo "$f"
    done)
fi
sources=()
for file in "${files[@]}"; do
    # use.c and anchor.c are compiled by check-abi; what stands in examples/ or tests/ may need flags of its own makefile.
    case $file in
    tests/abi/*) ;;
    *.c) sources+=("$file") ;;
    esac
done
eval "flags=($LINT_FLAGS)"

# Formatters of different ages disagree; the house's is that of Debian 12.
check_format() {
    local version
    version=$(clang-format --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p')
    if [ "$version" != 14 ]; then
        skip "clang-format" "version 14 is wanted, here is ${version:-none}"
    elif sh scripts/format.sh --check "${files[@]}" >"$work/out"; then
        good "clang-format: ${#files[@]} files"
    else
        cat "$work/out"
        bad "clang-format: run make format"
    fi
}

tidy_one() {
    local out=$1 file=$2
    shift 2
    clang-tidy --quiet "$file" -- "$@" >"$out" 2>&1
    grep -E '(warning|error):' "$out"
}
export -f tidy_one

check_tidy() {
    command -v clang-tidy >/dev/null || { skip "clang-tidy" "not installed" && return; }
    # Files go two at a time; what a run finds comes on its standard output.
    printf '%s\n' "${sources[@]}" |
        xargs -P "$(nproc)" -I '{}' bash -c 'out=$(mktemp "$1/tidy.XXXXXX"); tidy_one "$out" "$2" "${@:3}"; true' \
            tidy "$work" '{}' "${flags[@]}" >"$work/found"
    if [ -s "$work/found" ]; then
        sort -u "$work/found" | sed "s|^$PWD/||"
        bad "clang-tidy"
    else
        good "clang-tidy: ${#sources[@]} files"
    fi
}

check_cppcheck() {
    command -v cppcheck >/dev/null || { skip "cppcheck" "not installed" && return; }
    if cppcheck -q --std=c11 --error-exitcode=1 --inline-suppr -j "$(nproc)" --platform=unix64 \
        --enable=warning,performance,portability --suppressions-list=.cppcheck-suppressions \
        -Iplugin_api -Ihost_shim/include -Ihost_shim -Iplugins -I. -DQUIPU_VERSION='"0"' -D__ELF__ -D__GNUC__=12 -D__x86_64__ \
        "${sources[@]}" 2>"$work/out"; then
        good "cppcheck: ${#sources[@]} files"
    else
        cat "$work/out"
        bad "cppcheck"
    fi
}

check_deps() {
    if sh scripts/check-deps.sh >"$work/out"; then
        good "dependency rules: $(cat "$work/out")"
    else
        cat "$work/out"
        bad "dependency rules"
    fi
}

check_shell() {
    command -v shellcheck >/dev/null || { skip "shellcheck" "not installed" && return; }
    if git ls-files '*.sh' .ci/run | xargs shellcheck -s bash -S warning -e SC2086,SC2164,SC2034,SC2015,SC2154,SC2046,SC2115,SC1007; then
        good "shellcheck"
    else
        bad "shellcheck"
    fi
}

check_format
check_deps
check_cppcheck
check_shell
check_tidy
exit $status

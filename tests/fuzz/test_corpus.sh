#!/bin/sh
# Each fuzz target over its corpus: what `make fuzz` once found, and a few inputs made by hand.
here="$(dirname "$0")"
count=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
for target in "$here"/fuzz_*.c; do
    name=$(basename "$target" .c)
    count=$((count + 1))
    corpus="$here/corpus/${name#fuzz_}"
    if [ ! -d "$corpus" ]; then
        echo "not ok $count - $name has a corpus"
    elif "$BUILD/fuzz/$name" "$corpus"/* >"$log" 2>&1; then
        echo "ok $count - $name keeps its promises over its corpus"
    else
        echo "not ok $count - $name keeps its promises over its corpus"
        sed 's/^/# /' "$log" | tail -n 20
    fi
done
echo "1..$count"

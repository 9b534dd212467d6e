#!/bin/sh
# search.sh SECONDS TARGET...: searches with each fuzz target for so long; `make fuzz` calls it. Exit status 1 where one found something.
seconds=$1
shift
here="$(dirname "$0")"
status=0
mkdir -p "$FOUND"
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
for name in "$@"; do
    mkdir -p "$CORPUS/$name"
    if "$BUILD/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$FOUND/$name-" "$CORPUS/$name" "$here/corpus/$name" >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "ok      $name: $runs inputs, nothing found"
    else
        tail -n 40 "$log"
        echo "FOUND   $name: see above; the input is in $FOUND"
        status=1
    fi
done
exit $status

# The validator: good plugins pass, and each mutant of the tiny backend fails the check that was made for its fault.
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
number=0

report() { # STATUS NAME
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        [ -s "$work/out" ] && tail -n 12 "$work/out" | sed 's/^/# /'
    fi
}

# OUTCOME NAME CHECK: the mutant NAME has OUTCOME (as the report prints it) in CHECK, and the status says so.
mutant() {
    wanted=1
    [ "$1" = warn ] && wanted=0
    "$QUIPU" validate "$BUILD/mutants/validate/$2.so" --only "$3" --time-limit "${4:-20}" >"$work/out" 2>"$work/err"
    [ $? -eq "$wanted" ] && grep -q "^ *$1 *$3 " "$work/out"
    report $? "$3 catches the fault \"$2\""
}

for good in plugins/memory plugins/git plugins/embed_hash examples/plugins/tiny_backend mutants/validate/none; do
    if [ -f "$BUILD/$good.so" ]; then
        "$QUIPU" validate "$BUILD/$good.so" >"$work/out" 2>&1 && grep -q ', 0 failed' "$work/out"
        report $? "${good##*/} passes every check"
    fi
done

"$QUIPU" validate --list >"$work/out" && [ "$(grep -c '^  ' "$work/out")" -gt 50 ]
report $? "the list shows every check and runs none"

"$QUIPU" validate "$BUILD/plugins/memory.so" --only threads --json >"$work/out" &&
    grep -q '"id":"threads-writes".*"outcome":"pass".*"failed":0' "$work/out"
report $? "the report is JSON where it is asked for"

"$QUIPU" validate "$BUILD/plugins/memory.so" --only no-such-check >"$work/out" 2>&1
[ $? -eq 2 ] && grep -q 'no check and no family' "$work/out"
report $? "an unknown check is wrong usage"

"$QUIPU" validate "$work/no-such-file.so" >"$work/out" 2>&1
[ $? -ne 0 ] && grep -q 'no-such-file' "$work/out"
report $? "a file that is not there is named"

echo "not a plugin" >"$work/text.so"
"$QUIPU" validate "$work/text.so" >"$work/out" 2>&1
[ $? -eq 1 ] && ! grep -q 'CRASH' "$work/out"
report $? "a file that is no plugin fails and crashes nothing"

for run in 1 2; do
    "$QUIPU" validate "$BUILD/mutants/validate/model.so" --only behaviour-model --seed 7 | grep operation >"$work/seed$run"
done
[ -s "$work/seed1" ] && cmp -s "$work/seed1" "$work/seed2"
report $? "the same seed finds the same fault"

if [ -z "${SAN:-}" ]; then # a sanitizer has imports and constructors of its own
    mutant FAIL note static-note
    mutant FAIL exports static-exports
    mutant FAIL imports static-imports
    mutant FAIL constructors static-constructors
    mutant FAIL stack static-stack
    mutant FAIL relro static-relro
    mutant FAIL textrel static-textrel
    mutant warn tls static-tls
    mutant FAIL threads load-threads
    mutant CRASH error_null contract-error-null
    mutant CRASH destroy contract-destroy
    mutant CRASH borrowed contract-borrowed-memory
fi
mutant FAIL entry load-entry
mutant FAIL factory load-factory
mutant FAIL negotiation load-negotiation
mutant FAIL descriptors load-descriptors
mutant FAIL process_state load-process-state
mutant FAIL signals load-signals
mutant FAIL environment load-environment
mutant FAIL twice load-twice
mutant FAIL output load-output
mutant FAIL extensions contract-unknown-extension-id
mutant FAIL services contract-missing-services
mutant FAIL truncated contract-truncated-structs
mutant FAIL longer contract-longer-structs
mutant FAIL fields contract-unknown-fields
mutant FAIL flags contract-unknown-flags
mutant FAIL error_touched contract-error-untouched
mutant FAIL error_empty contract-error-filled
mutant FAIL receipt contract-receipt-bounds
mutant FAIL ids contract-bad-ids
mutant FAIL sets contract-bad-change-sets
mutant FAIL stop contract-visitor-stop
mutant FAIL code contract-visitor-code
mutant HUNG again contract-visitor-calls-again 2
mutant FAIL hits contract-hits
mutant FAIL read_only contract-read-only
mutant FAIL setting contract-unknown-setting
mutant FAIL as_of contract-as-of
mutant FAIL deadline contract-deadline
mutant FAIL half_set behaviour-atomic
mutant FAIL change_id behaviour-change-id
mutant FAIL unchanged behaviour-unchanged
mutant FAIL compare behaviour-compare-and-swap
mutant FAIL scope behaviour-scope
mutant FAIL delete behaviour-delete
mutant FAIL expiry behaviour-expiry
mutant FAIL order behaviour-order
mutant FAIL paging behaviour-paging
mutant FAIL search_k behaviour-search-k
mutant FAIL stale behaviour-search-fresh
mutant FAIL stats behaviour-stats
mutant FAIL reopen behaviour-reopen
mutant FAIL model behaviour-model
mutant FAIL lost_write threads-writes
mutant FAIL lost_update threads-compare-and-swap
mutant CRASH crash behaviour-delete
mutant HUNG hang behaviour-delete 2

echo "1..$number"

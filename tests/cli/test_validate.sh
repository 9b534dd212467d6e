# The validator: good plugins pass, and what comes out is told in each form. That every check catches a fault: test_mutants.sh.
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

for good in plugins/memory plugins/git plugins/sqlite plugins/json plugins/embed_hash examples/plugins/tiny_backend mutants/validate/none mutants/validate/sound mutants/validate/well; do
    if [ -f "$BUILD/$good.so" ]; then
        "$QUIPU" validate "$BUILD/$good.so" >"$work/out" 2>&1 && grep -q ', 0 failed' "$work/out"
        report $? "${good##*/} passes every check"
    fi
done

"$QUIPU" validate --list >"$work/out" && [ "$(grep -c '^  ' "$work/out")" -gt 70 ]
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

# OUTCOME NAME CHECK: the mutant NAME has OUTCOME (as the report prints it) in CHECK, and the status says so.
mutant() {
    wanted=1
    [ "$1" = warn ] && wanted=0
    "$QUIPU" validate "$BUILD/mutants/validate/$2.so" --only "$3" --time-limit "${4:-20}" >"$work/out" 2>"$work/err"
    [ $? -eq "$wanted" ] && grep -q "^ *$1 *$3 " "$work/out"
    report $? "the fault \"$2\" is told as $1"
}
mutant FAIL delete behaviour-delete
mutant CRASH crash behaviour-delete
mutant HUNG hang behaviour-delete 2
[ -n "${SAN:-}" ] || mutant warn tls static-tls

"$QUIPU" validate "$BUILD/mutants/validate/delete.so" --only behaviour --format tap >"$work/out"
[ $? -eq 1 ] && grep -q '^TAP version 14' "$work/out" && grep -q '^not ok [0-9]* - behaviour-delete$' "$work/out" &&
    grep -q '^ok [0-9]* - behaviour-reopen # SKIP .*keeps nothing' "$work/out" && grep -q "^1..$(grep -c 'ok ' "$work/out")$" "$work/out"
report $? "the report is TAP where it is asked for"

"$QUIPU" validate "$BUILD/mutants/validate/delete.so" --only behaviour --format junit >"$work/out"
[ $? -eq 1 ] && python3 -c '
import sys, xml.etree.ElementTree as tree
suite = tree.parse(sys.argv[1]).getroot()
cases = {case.get("name"): case for case in suite}
assert suite.tag == "testsuite" and int(suite.get("tests")) == len(cases) and int(suite.get("failures")) > 0
assert cases["behaviour-delete"].find("failure").get("message")
assert cases["behaviour-reopen"].find("skipped") is not None and len(cases["behaviour-order"]) == 0
' "$work/out"
report $? "the report is JUnit XML where it is asked for"

"$QUIPU" validate --list --format markdown >"$work/out"
sed -n '/^| check /,/^$/p' "$SOURCE/docs/validator.md" | grep . | cmp -s - "$work/out"
report $? "docs/validator.md lists the checks as they are (quipu validate --list --format markdown)"

"$QUIPU" validate --list --format morse >"$work/out" 2>&1
[ $? -eq 2 ] && grep -q 'markdown' "$work/out"
report $? "an unknown form is wrong usage"

"$QUIPU" validate "$BUILD/plugins/embed_hash.so" --only embedder --settings '{"dimension":"many"}' >"$work/out" 2>&1
[ $? -eq 0 ] && grep -q 'skip.*embedder-model' "$work/out" && grep -q 'dimension' "$work/out"
report $? "an embedder that cannot be opened with its settings is skipped, with its reason"

echo "1..$number"

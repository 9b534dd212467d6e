# Every check of the validator is needed: each mutant fails the check that was made for its fault, and of the others no more and no less
# than tests/mutants/matrix.golden says.
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mutants="$SOURCE/tests/mutants"
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

# A check without a mutant is decoration.
"$QUIPU" validate --list --format tap | sed -n 's/^ok [0-9]* - \([a-z-]*\).*/\1/p' | sort >"$work/checks"
sed -n 's/^[a-z_]*: *\([a-z-]*\)?*\( |.*\)*$/\1/p' "$mutants/matrix.golden" | sort -u >"$work/caught"
comm -23 "$work/checks" "$work/caught" >"$work/out"
[ -s "$work/checks" ] && [ ! -s "$work/out" ]
report $? "each of $(wc -l <"$work/checks") checks has a mutant"

if [ -z "${SAN:-}" ]; then
    files=$(find "$BUILD/mutants/validate" -name "*.so" ! -name hang.so ! -name crash.so) # those two fail all that calls apply
    MATRIX_LIMIT=3 sh "$mutants/matrix.sh" "$QUIPU" $files >"$work/matrix"
    awk -f "$mutants/check_matrix.awk" "$mutants/matrix.golden" "$work/matrix" >"$work/out"
    report $? "$(wc -l <"$work/matrix") mutants fail their own check, and the others that the golden file names"
else
    # A sanitizer has imports, constructors and threads of its own, and finds some faults in its own way.
    : >"$work/out"
    sed -n 's/^\([a-z_]*\): *\([a-z-]*\)?*\( |.*\)*$/\1 \2/p' "$mutants/matrix.golden" | while read -r name check; do
        case $check in
        - | static-* | load-threads | contract-error-null | contract-destroy | contract-borrowed-memory | embedder-destroy | embedder-threads) ;;
        faults-io-error | faults-full-disk | faults-short-writes | faults-interrupted-calls | faults-kill | faults-memory | life-*) ;;
        *)
            "$QUIPU" validate "$BUILD/mutants/validate/$name.so" --only "$check" --time-limit 6 </dev/null >/dev/null 2>&1
            [ $? -eq 1 ] || echo "$name passes $check" >>"$work/out"
            ;;
        esac
    done
    [ ! -s "$work/out" ]
    report $? "each mutant fails its own check"
fi

echo "1..$number"

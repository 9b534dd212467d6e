#!/bin/sh
# matrix.sh QUIPU MUTANT.so...: which checks of the validator each mutant fails, one line a mutant: "name: check check ...".
# A check that only warns is written with a "?". The order is that of the table of checks, that of the mutants by chance: two run at
# once. A mutant that no check catches has nothing behind its colon.
quipu=$1
shift
printf '%s\n' "$@" | xargs -P 2 -I '{}' sh -c '
    name=${2##*/}
    failed=$("$1" validate "$2" --json --time-limit "${MATRIX_LIMIT:-6}" </dev/null | tr "{" "\n" | sed -n \
        -e "s/^\"id\":\"\([a-z-]*\)\".*\"outcome\":\"\(fail\|crashed\|hung\)\".*/\1/p" \
        -e "s/^\"id\":\"\([a-z-]*\)\".*\"outcome\":\"warn\".*/\1?/p" | tr "\n" " ")
    printf "%s: %s\n" "${name%.so}" "${failed% }"' matrix "$quipu" '{}'

#!/bin/sh
# A bit flipped in quipu-store.json, which names a store's backend and embedder: the store answers rightly, or with an error that says so.
. "$(dirname "$0")/../cli/lib.sh"

flip() { # FILE POSITION
    byte=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
    # shellcheck disable=SC2059
    printf "\\$(printf '%03o' $((byte ^ (1 << ($2 % 7)))))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

a_flipped_bit_in_the_store_file_is_no_surprise() {
    run add --id a "the harbour at dawn"
    file=$QUIPU_STORE/quipu-store.json
    [ -f "$file" ] || return 1
    cp "$file" good
    size=$(wc -c <good)
    at=0 step=4
    [ "${QUIPU_LONG:-0}" = 0 ] || step=1
    while [ "$at" -lt "$size" ]; do
        cp good "$file"
        flip "$file" "$at"
        ! cmp -s good "$file" || return 1
        status=0
        "$QUIPU" get a >out 2>err </dev/null || status=$?
        if [ "$status" -eq 0 ]; then
            grep -q "the harbour at dawn" out || return 1
        elif [ "$status" -ge 126 ] || [ ! -s err ]; then
            echo "byte $at: status $status"
            return 1
        fi
        at=$((at + step))
    done
    cp good "$file"
    run get a
    [ "$status" -eq 0 ]
}

check "a flipped bit in quipu-store.json is answered rightly or refused" a_flipped_bit_in_the_store_file_is_no_surprise
finish

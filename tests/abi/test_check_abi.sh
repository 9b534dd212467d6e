# check-abi must fail where a rule of the ABI is broken: each case breaks one in a copy of the headers.
source=${SOURCE:-$PWD}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
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

skip() { # NAME WHY
    number=$((number + 1))
    echo "ok $number - $1 # SKIP $2"
}

fresh() {
    rm -rf "$work/api" "$work/shim"
    cp -r "$source/plugin_api" "$work/api"
    cp -r "$source/host_shim/include" "$work/shim"
}

check() { # PARTS
    sh "$source/scripts/check-abi.sh" -o "$1" -r "$work/reference" "$work/api" "$work/shim" >"$work/out" 2>&1
}

# refuses PARTS TEXT: the check fails, and says TEXT
refuses() {
    ! check "$1" && grep -q -e "$2" "$work/out"
}

# edit HEADER SED_SCRIPT, which must change something
edit() {
    sed -i.before "$2" "$work/api/quipu/$1"
    ! cmp -s "$work/api/quipu/$1" "$work/api/quipu/$1.before" || echo "# the edit of $1 changed nothing"
    rm -f "$work/api/quipu/$1.before"
}

sh "$source/scripts/check-abi.sh" -o rules,tags,layout,anchor >"$work/out" 2>&1
report $? "the_public_headers_keep_the_rules_and_are_those_of_the_references"

# The cases below are about the checks themselves: their references are of the headers as they are.
fresh
mkdir "$work/reference"
FORCE=1 sh "$source/scripts/check-abi.sh" -u -r "$work/reference" "$work/api" "$work/shim" >"$work/out" 2>&1 &&
    check rules,tags,layout,anchor
report $? "untouched_headers_pass"

! sh "$source/scripts/check-abi.sh" -u -r "$work/reference" "$work/api" "$work/shim" >"$work/out" 2>&1 &&
    grep -q "raise QUIPU_ABI_VERSION" "$work/out"
report $? "references_are_not_written_anew_under_the_same_version"

insert='/^typedef struct quipu_receipt {/,/^}/s/^    uint64_t changed;/    uint64_t inserted;\n&/'
fresh
edit change.h "$insert"
refuses layout "quipu_receipt.inserted"
report $? "a_field_inserted_in_the_middle_of_a_struct_fails_the_layout"

if command -v abidiff >/dev/null 2>&1; then
    refuses anchor "uint64_t inserted"
    report $? "a_field_inserted_in_the_middle_of_a_struct_fails_abidiff"

    fresh
    edit ext/history.h '/^typedef struct quipu_history_api {/,/^}/s/^    int32_t (\*log)(/    void (*added)(void) QUIPU_NOEXCEPT;\n&/'
    refuses anchor "added"
    report $? "a_slot_inserted_in_an_extension_reached_through_a_void_pointer_fails_abidiff"

    fresh
    edit change.h '/^typedef struct quipu_receipt {/,/^}/s/^    uint64_t changed;/    int64_t changed;/'
    refuses anchor "quipu_receipt"
    report $? "a_field_of_another_type_and_equal_size_fails_abidiff"
else
    skip "a_field_inserted_in_the_middle_of_a_struct_fails_abidiff" "abidiff is not installed (Debian: abigail-tools)"
    skip "a_slot_inserted_in_an_extension_reached_through_a_void_pointer_fails_abidiff" "abidiff is not installed"
    skip "a_field_of_another_type_and_equal_size_fails_abidiff" "abidiff is not installed"
fi

fresh
edit change.h "$insert"
edit base.h 's/^#define QUIPU_ABI_VERSION .*/#define QUIPU_ABI_VERSION QUIPU_ABI_MAKE(9, 0)/'
check layout,anchor && grep -q "QUIPU_ABI_VERSION was raised" "$work/out"
report $? "a_change_passes_where_the_version_was_raised"

fresh
edit query.h 's/^#define QUIPU_ORDER_NEWEST 1u/#define QUIPU_ORDER_NEWEST 7u/'
refuses layout "QUIPU_ORDER_NEWEST"
report $? "a_constant_with_another_value_fails_the_layout"

fresh
edit filter.h '/^#endif/!b
$!b
i\
typedef struct quipu_forgotten {\
    uint32_t struct_size;\
    uint32_t reserved;\
} quipu_forgotten;'
refuses anchor "anchor.c lacks: struct quipu_forgotten"
report $? "a_struct_that_the_anchor_does_not_hold_fails"

for tag in any-thread open may-block; do
    fresh
    edit backend.h "/Shows figures about the store/s/ \\[$tag\\]//"
    refuses tags "quipu_backend_api.stats: needs"
    report $? "a_slot_without_its_tag_${tag}_fails"
done

fresh
edit backend.h '/^    int32_t (\*stats)(/i\
    void (*bare)(void) QUIPU_NOEXCEPT;\

'
refuses tags "quipu_backend_api.stats: needs one thread tag"
report $? "a_comment_counts_for_one_slot_only"

for type in "enum quipu_colour" "bool" "long" "size_t" "time_t" "unsigned"; do
    fresh
    edit query.h "/^typedef struct quipu_stat {/,/^}/s/^    int64_t value;/    $type value;/"
    refuses rules "has no fixed width"
    report $? "a_field_of_type_$(echo "$type" | sed 's/ .*//')_fails"
done

fresh
edit query.h "/^typedef struct quipu_stat {/,/^}/s/^    uint32_t reserved;/    uint32_t reserved : 31;/"
refuses rules "bit-field"
report $? "a_bit_field_fails"

fresh
edit query.h 's/(void \*context, const quipu_stat \*stat)/(void *context, quipu_stat stat)/'
refuses rules "by value"
report $? "a_struct_by_value_fails"

fresh
edit query.h 's/^#include "filter.h"/&\n#include <stdio.h>/'
refuses rules "stdio.h"
report $? "a_foreign_include_fails"

# The compilers: two headers are enough, and much quicker than all pairs of all.
compiles() {
    rm -rf "$work/shim"/*
    find "$work/api/quipu" -type f ! -name base.h ! -name odd.h -exec rm {} +
    check headers
}

fresh
printf '#include "base.h"\nstruct quipu_odd { uint32_t a; quipu_str b; };\n' >"$work/api/quipu/odd.h"
! compiles && grep -q -e "-Wpadded\|Werror=padded" "$work/out"
report $? "padding_within_a_struct_fails"

printf 'static inline uint32_t quipu_odd(const quipu_str *s) { return s->ptr != 0; }\n' >"$work/api/quipu/odd.h"
! compiles && grep -q "quipu_str" "$work/out"
report $? "a_header_that_needs_another_include_first_fails"

printf '#include "base.h"\ntypedef struct quipu_odd { uint64_t a; } quipu_odd;\n' >"$work/api/quipu/odd.h"
! compiles && grep -q "redefinition" "$work/out"
report $? "a_header_that_cannot_be_included_twice_fails"

printf '#include "base.h"\n#ifndef ODD\n#define ODD\nstruct quipu_class { uint64_t class; };\n#endif\n' >"$work/api/quipu/odd.h"
if command -v g++ >/dev/null 2>&1; then
    ! compiles && grep -q "FAIL  headers: c++11" "$work/out" && grep -q "ok    headers: c11" "$work/out"
    report $? "a_header_that_is_not_c++_fails"
else
    skip "a_header_that_is_not_c++_fails" "g++ is not installed"
fi

printf '#include "base.h"\n#ifndef ODD\n#define ODD\ntypedef struct quipu_odd { uint64_t a; } quipu_odd;\n#endif\n' >"$work/api/quipu/odd.h"
compiles
report $? "a_good_header_compiles_everywhere"

echo "1..$number"

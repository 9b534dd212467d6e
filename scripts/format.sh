#!/bin/sh
# Formats C files as .clang-format says: `format.sh FILE...`; `format.sh --check FILE...` only names what differs.
# clang-format takes `)(args) QUIPU_NOEXCEPT` after a returned pointer for a cast and glues it; the space is put back here.
check=
if [ "$1" = --check ]; then
    check=1
    shift
fi
status=0
copy=$(mktemp) || exit 1
trap 'rm -f "$copy"' EXIT
for file in "$@"; do
    clang-format --style=file "$file" >"$copy" || exit 1
    sed -i 's/)QUIPU_NOEXCEPT;/) QUIPU_NOEXCEPT;/' "$copy"
    cmp -s "$file" "$copy" && continue
    if [ "$check" ]; then
        echo "$file: not formatted; run \`make format\`"
        diff -u "$file" "$copy" | sed -n '4,16p'
        status=1
    else
        cat "$copy" >"$file"
        echo "formatted $file"
    fi
done
exit $status

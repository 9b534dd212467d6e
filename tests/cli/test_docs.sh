# The documentation: its C compiles, its commands run, and its links lead somewhere.
#
#   <!-- compile -->   before a block of C: compiles alone, against the public headers
#   <!-- run -->       before a block of shell: is run from the top of the repository, all of a page's as one script,
#                      with an empty home and this build's quipu found first
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
pages="README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md $(echo docs/*.md) examples/conversation/README.md"
number=0

report() { # STATUS NAME: `out` says why
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        sed 's/^/# /' "$work/out"
    fi
}

# Writes block K of a page that stands after the mark into FOLDER/K.
blocks() { # PAGE MARK FOLDER
    mkdir -p "$3"
    awk -v mark="<!-- $2 -->" -v folder="$3" '
        $0 == mark { armed = 1; next }
        /^```/ && inside { inside = 0; close(file); next }
        /^```/ && armed { inside = 1; armed = 0; file = folder "/" sprintf("%02d", ++count); next }
        inside { print > file }
        !/^$/ && !inside { armed = 0 }' "$1"
}

compiled=0
: >"$work/out"
bad=0
for page in $pages; do
    blocks "$page" compile "$work/c/$page"
    for block in "$work/c/$page"/*; do
        [ -f "$block" ] || continue
        compiled=$((compiled + 1))
        cp "$block" "$work/block.c"
        ${CC:-cc} -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -fsyntax-only -Iplugin_api -Ihost_shim/include \
            -Iplugins -I. "$work/block.c" >>"$work/out" 2>&1 || {
            echo "$page, block ${block##*/}" >>"$work/out"
            bad=1
        }
    done
done
[ $bad -eq 0 ] && [ $compiled -ge 2 ]
report $? "the_c_examples_of_the_documentation_compile"

ran=0
: >"$work/out"
bad=0
for page in $pages; do
    blocks "$page" run "$work/sh/$page"
    [ -f "$work/sh/$page/01" ] || continue
    ran=$((ran + 1))
    mkdir "$work/home" "$work/bin"
    ln -s "$QUIPU" "$work/bin/quipu"
    {
        echo 'set -eu'
        sed "s,\$PWD/build,$work/bin," "$work/sh/$page"/*
    } >"$work/script"
    env -u QUIPU_STORE HOME="$work/home" PATH="$work/bin:$PATH" GIT_PAGER=cat GIT_CONFIG_NOSYSTEM=1 \
        GIT_AUTHOR_NAME=Test GIT_AUTHOR_EMAIL=test@localhost GIT_COMMITTER_NAME=Test \
        GIT_COMMITTER_EMAIL=test@localhost sh -x "$work/script" >"$work/log" 2>&1 </dev/null || {
        { echo "$page:"; tail -n 20 "$work/log"; } >>"$work/out"
        bad=1
    }
    rm -rf "$work/home" "$work/bin"
done
[ $bad -eq 0 ] && [ $ran -ge 4 ]
report $? "the_commands_of_the_documentation_run"

: >"$work/out"
for page in $pages; do
    grep -o '\](\([^)]*\))' "$page" | sed 's/^](//; s/)$//' | while read -r link; do
        case $link in http*) continue ;; esac
        file=${link%%#*}
        [ -z "$file" ] || [ -e "$(dirname "$page")/$file" ] || echo "$page: $link leads nowhere"
        case $link in
        *'#'*)
            target=$page
            [ -z "$file" ] || target=$(dirname "$page")/$file
            [ ! -f "$target" ] || grep -i '^#' "$target" | tr 'A-Z ' 'a-z-' | sed 's/^#*-//; s/[^a-z0-9_-]//g' |
                grep -qx -- "${link#*#}" || echo "$page: $link has no such heading"
            ;;
        esac
    done
done >"$work/out"
[ ! -s "$work/out" ]
report $? "every_link_of_the_documentation_leads_somewhere"

# Names in backticks that look like commands of the program must exist.
: >"$work/out"
for word in $(cat $pages | grep -o '`quipu [a-z][a-z-]*' | sed 's/^`quipu //' | sort -u); do
    "$QUIPU" help "$word" >/dev/null 2>&1 || echo "\`quipu $word\` is no command" >>"$work/out"
done
[ ! -s "$work/out" ]
report $? "every_command_that_the_documentation_names_exists"

echo "1..$number"

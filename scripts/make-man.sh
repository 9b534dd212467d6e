#!/bin/sh
# Writes man pages and shell completions, which the program itself knows: make-man.sh QUIPU FOLDER
quipu=$1
out=$2
mkdir -p "$out/man/man1" "$out/bash-completion/completions" "$out/zsh/site-functions" "$out/fish/vendor_completions.d" || exit 1

page() { # FILE [COMMAND]
    file=$1
    shift
    if ! "$quipu" help --man "$@" >"$file" || ! grep -q '^\.TH' "$file"; then
        echo "make-man.sh: \`quipu help --man $*\` wrote no man page" >&2
        rm -f "$file"
        exit 1
    fi
}

page "$out/man/man1/quipu.1"
# The overview lists each command at the beginning of a line, indented by two blanks.
for command in $("$quipu" help | sed -n 's,^  \([a-z][a-z-]*\)  .*,\1,p'); do
    page "$out/man/man1/quipu-$command.1" "$command"
done
"$quipu" completion bash >"$out/bash-completion/completions/quipu" || exit 1
"$quipu" completion zsh >"$out/zsh/site-functions/_quipu" || exit 1
"$quipu" completion fish >"$out/fish/vendor_completions.d/quipu.fish" || exit 1

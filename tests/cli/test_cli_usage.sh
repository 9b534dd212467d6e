# The program's manners: options, errors, help, man pages, completion, configuration.
. "$(dirname "$0")/lib.sh"

no_command() {
    run && complains 2 '^usage: quipu' && prints_nothing && ok help && prints '^usage: quipu' '^  search ' && ok --help && prints '^  search '
}
check without_a_command_the_usage_is_shown no_command

typos() {
    run serch x && complains 2 'no command "serch": did you mean "search"' && run frobnicate && complains 2 'no command "frobnicate"' 'quipu help' &&
        run add --tga x y && complains 2 'unknown option --tga: did you mean --tag' && run add x --nonsense && complains 2 'unknown option --nonsense' 'quipu help add' &&
        run help imprt && complains 2 'did you mean "import"' && run --limit 3 list && complains 2 'after the command' && [ ! -e store ]
}
check a_typo_gets_a_suggestion typos

counts() {
    run add && complains 2 'quipu add TEXT' && run add two words && complains 2 '"words" is one argument too many' 'quote' && run list x && complains 2 &&
        run list --limit && complains 2 'needs a value' && run list --json=yes && complains 2 'takes no value' && run list -n x && complains 2 'whole number' &&
        run list -n -1 && complains 2 && run get && complains 2 'quipu get ID' && [ ! -e store ]
}
check missing_and_surplus_arguments_are_named counts

anywhere() {
    ok --user ana add "one" --json --id r && ok add --id=s -tx two -uana && ok list -q --json -n1 --user=ana && prints '"id":"s"' &&
        ok --store store get r && ok --store elsewhere --store store get r && ok get --store store -- r
}
check global_options_stand_anywhere_and_the_last_wins anywhere

nothing_to_keep() {
    run add "" && complains 2 'text is empty' && run add - && complains 2 'text is empty' && [ ! -e store ] && ok add "" --value 1 && ok add x --id r && ok update r ""
}
check an_empty_text_alone_is_no_record nothing_to_keep

names() {
    run search x -k 0 && complains 2 '^quipu: -k 0: a whole number' && run search x -k && complains 2 'option -k needs a value: -k N' && run list --limit "" &&
        complains 2 '^quipu: --limit "": a whole number' && run stats x && complains 2 'quipu stats takes none'
}
check faults_name_options_as_they_are_written names

dashes() {
    ok add --id r -- --json && ok get r --json && prints '"text":"--json"' && ok add --id s -- - </dev/null && run -- list && expect_status 0
}
check two_dashes_end_the_options dashes

errors_in_json() {
    ok add x --id r && run get nobody --json && complains 1 '^\{"error":\{"code":"not_found","message":".*nobody?.*","field":"[a-z]*".*\}\}$|^\{"error":\{"code":"not_found","message":".*","field":"[a-z]*","id":"nobody"\}\}$' &&
        prints_nothing && [ "$(wc -l <err)" -eq 1 ] && run add y --id r --json && complains 1 '"code":"exists"' && run --json frobnicate && complains 2 '"code":"invalid"' '"field":"command"' &&
        run list --json --filter x && complains 2 '"code":"invalid"' && run update r x --if-version 0000000000000000000000000000000000000000 --json && complains 1 '"code":"conflict"' '"version":"[0-9a-f]{40}"'
}
check errors_in_json_are_one_object_on_stderr errors_in_json

help_of_each() {
    "$QUIPU" help | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p' >commands
    [ "$(wc -l <commands)" -ge 19 ] || return 1
    while read -r command; do
        ok help "$command" && prints "^usage: quipu $command" 'exit status' || return 1
        cp out first
        ok "$command" --help && cmp -s out first || return 1
        awk 'length > 100' first | grep . && return 1
        ok help --man "$command" && prints "^\.TH QUIPU" '^\.SH NAME' '^\.SH EXIT STATUS' || return 1
    done <commands
    ok help --man && prints '^\.TH QUIPU 1' '^\.SH ENVIRONMENT' && ok help --json && prints '^\{"commands":\[.*"name":"search".*\}$'
}
check every_command_has_help_and_a_man_page help_of_each

man_pages_are_sound() {
    for command in "" search import completion; do
        # shellcheck disable=SC2086
        "$QUIPU" help --man $command | man --warnings=w -l - >out 2>err || return 1
        { [ ! -s err ] && grep -q 'EXIT STATUS' out; } || fault "man complains" || return 1
    done
}
if command -v man >/dev/null && man --help 2>/dev/null | grep -q -e --warnings; then
    check man_reads_the_pages_without_a_warning man_pages_are_sound
else
    skip man_reads_the_pages_without_a_warning "no man-db here"
fi

completion() {
    ok completion bash && prints 'complete .*-F _quipu quipu' '\-\-as-of' && ok completion zsh && prints '^#compdef quipu' && ok completion fish && prints '^complete -c quipu' &&
        run completion csh && complains 2 'bash, zsh or fish'
}
check completion_scripts_name_commands_and_options completion

bash_completes() {
    "$QUIPU" completion bash >script && bash -n script && bash -c '
        . ./script
        try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _quipu; echo "${COMPREPLY[*]}"; }
        try quipu sea
        try quipu search --as
        try quipu list --order ""
        try quipu --user x help comp
        try quipu completion z' >out && sed -n 1p out | grep -qx search && sed -n 2p out | grep -qx -e --as-of &&
        sed -n 3p out | grep -qx 'newest oldest id' && sed -n 4p out | grep -qx completion && sed -n 5p out | grep -qx zsh
}
if command -v bash >/dev/null; then
    check bash_completes_commands_options_and_values bash_completes
else
    skip bash_completes_commands_options_and_values "no bash here"
fi
if command -v zsh >/dev/null; then
    zsh_reads() { "$QUIPU" completion zsh >script && zsh -n script; }
    check zsh_reads_its_script zsh_reads
else
    skip zsh_reads_its_script "no zsh here"
fi
if command -v fish >/dev/null; then
    fish_reads() { "$QUIPU" completion fish >script && fish -n script; }
    check fish_reads_its_script fish_reads
else
    skip fish_reads_its_script "no fish here"
fi

version() {
    ok version && prints '^quipu [0-9]+\.[0-9]+\.[0-9]+ .*ABI [0-9]+\.[0-9]+' && cp out first && ok --version && cmp out first &&
        ok version --json && prints '^\{"version":"[0-9.]+","libquipu":"[0-9.]+","abi":"[0-9.]+","record_format":1\}$'
}
check version_names_program_library_and_abi version

config() {
    echo '{"author":"from-config","embedder":"hash"}' >good && QUIPU_AUTHOR='' && ok --config good add x && ok log -n 1 && prints from-config &&
        echo '{"autor":"x"}' >bad && run --config bad list && complains 2 'unknown setting "autor"' && echo '{"author":7}' >bad && run --config bad list && complains 2 '"author" has to be a string' &&
        echo '[1]' >bad && run --config bad list && complains 2 'object' && echo '{' >bad && run --config bad list && complains 2 'bad' 'JSON' &&
        run --config nowhere list && complains 3 'nowhere'
}
check the_config_file_is_obeyed_and_checked config

no_colour() {
    ok add x --id r && ok get r && ! grep -q "$(printf '\033')" out || return 1
    command -v script >/dev/null || return 0
    export QUIPU
    TERM=xterm script -qec '"$QUIPU" get r' /dev/null >colour </dev/null && grep -q "$(printf '\033')" colour || return 1
    TERM=xterm NO_COLOR=1 script -qec '"$QUIPU" get r' /dev/null >plain </dev/null && ! grep -q "$(printf '\033')" plain &&
        TERM=dumb script -qec '"$QUIPU" get r' /dev/null >plain </dev/null && ! grep -q "$(printf '\033')" plain &&
        TERM=xterm script -qec '"$QUIPU" get r --no-color' /dev/null >plain </dev/null && ! grep -q "$(printf '\033')" plain &&
        TERM=xterm script -qec '"$QUIPU" get r --json' /dev/null >plain </dev/null && ! grep -q "$(printf '\033')" plain
}
check colour_is_for_terminals_that_want_it no_colour

plugins() {
    ok plugins && prints '^ok +git ' '^ok +memory ' 'Apache-2.0' && prints_not 'backends' && ok plugins --load && prints 'backends +git' &&
        ok plugins --json && prints '^\{"plugins":\[.*"id":"git".*\]\}$' && mkdir folder && echo 'no ELF file' >folder/bad.so &&
        QUIPU_PLUGIN_PATH=$PWD/folder && export QUIPU_PLUGIN_PATH && run plugins --load && complains 1 && prints '^refused' 'fault: ' 'bad.so'
}
check plugins_are_listed_and_refused_ones_say_why plugins

finish

# search: one question, or a stream of them.
. "$(dirname "$0")/lib.sh"

fill() {
    "$QUIPU" add "we bought a blue bicycle" --id bike --user ana --kind memory >/dev/null &&
        "$QUIPU" add "the oven is broken again" --id oven --user ana >/dev/null &&
        "$QUIPU" add "the bicycle of Bob is red" --id bob --user bob >/dev/null
}

best_first() {
    fill && ok search "blue bicycle" && prints '^ 1\. bike ' '^    we bought a blue bicycle' && [ "$(sed -n 's/^ 2\. \([a-z]*\).*/\1/p' out)" = bob ] &&
        ok search bicycle -k 1 --json && [ "$(grep -o '"id"' out | wc -l)" -eq 1 ] && ok search nothingofthekind && prints_nothing
}
check the_best_comes_first_and_k_limits best_first

shape() {
    fill && ok search bicycle --user ana --json && prints '^\{"results":\[\{.*"id":"bike".*"text":"we bought a blue bicycle".*\}\]\}$' '"score":[0-9.]+' '"scope":\{"user":"ana"\}' '"created_at":"' && prints_not bob
}
check json_has_results_with_id_score_text_and_scope shape

narrowed() {
    fill && ok search bicycle --filter '{"kind":"message"}' --json && prints '"results":\[\]' && ok search oven --explain && prints 'bm25=' &&
        ok search oven --mode lexical --json && prints '"oven"' && run search oven --mode psychic && complains 2 'hybrid' &&
        run search oven -k 0 && complains 2 'whole number' && run search oven -k 10001 && complains 2 && run search && complains 2 'QUERY' &&
        run search a --stdin && complains 2 'leave QUERY out' && run search oven --filter '[' && complains 2 'filter'
}
check options_narrow_and_bad_ones_are_refused narrowed

weights() {
    "$QUIPU" add "a blue bicycle" --id old --created-at 2020-01-01 --importance 0.9 >/dev/null && "$QUIPU" add "a blue bicycle, repaired" --id new >/dev/null &&
        ok search "blue bicycle" -k 1 && prints '^ 1\. old' && ok search "blue bicycle" -k 1 --recency 1 --explain && prints '^ 1\. new' ' recency=0\.' && ok search "blue bicycle" -k 1 --importance 1 --explain && prints '^ 1\. old' ' importance=0\.' &&
        ok search "blue bicycle" -k 1 --recency 1 --half-life 100000 --importance 1 && prints '^ 1\. old' &&
        echo '{"query":"blue bicycle","recency":2,"half_life_days":0.5,"k":1}' >in && feed in search --stdin && expect_status 0 && prints '"id":"new"' &&
        run search x --recency -1 && complains 2 'from 0 to 100' && run search x --recency much && complains 2 'number' && run search x --importance 101 && complains 2 'importance' &&
        run search x --half-life 0 && complains 2 'half_life_days'
}
check recency_and_importance_count_as_much_as_is_asked weights

languages() {
    echo '{"backend_config":{"language":"german"}}' >german.json && echo '{"backend_config":{"language":"klingon"}}' >klingon.json && echo '{"backend_config":{"language":1}}' >one.json &&
        ok --config german.json add "Die Häuser an den Straßen wurden verkauft" --id haus && ok search "Haus" --json && prints '"id":"haus"' && ok search "Häusern" --explain && prints 'bm25:haus=' &&
        echo '{"backend_config":{"language":"english"}}' >english.json && ok --config english.json search "Haus" --json && prints '"results":\[\]' && ok search "Haus" --json && prints '"id":"haus"' &&
        run --config klingon.json search x && complains 2 'english basque' && run --config one.json search x && complains 2 'language'
}
check words_are_stemmed_in_the_language_of_the_store languages

without_vectors() {
    fill && run search oven --mode vector && complains 3 'cannot search'
}
check a_search_by_vectors_without_an_embedder_says_so without_vectors

stream() {
    fill && printf '%s\n' '{"query":"oven","k":1}' '{"query":"bicycle","scope":{"user":"bob"}}' '{"query":"bicycle","scope":{"user":"ana"}}' >in &&
        feed in search --stdin && expect_status 0 && [ "$(wc -l <out)" -eq 3 ] && sed -n 1p out | grep -q '"id":"oven"' &&
        sed -n 2p out | grep -q '"id":"bob"' && sed -n 3p out | grep -q '"id":"bike"'
}
check one_line_in_one_line_out_in_order stream

bad_lines() {
    fill && { printf '%s\n' '{"query":"oven"}' '{"query":' '' '[]' '{"query":"oven","colour":1}' '{"query":"oven","k":0}' '{}'; printf '{"query":"oven"}'; } >in &&
        feed in search --stdin && expect_status 1 && [ "$(wc -l <out)" -eq 8 ] && sed -n 1p out | grep -q '^{"results":' &&
        [ "$(sed -n 2,7p out | grep -c '^{"error":{"code":"invalid","message":".*","field":".*"}}$')" -eq 6 ] && prints 'colour' &&
        sed -n 8p out | grep -q '"id":"oven"' && [ ! -s err ]
}
check a_bad_line_is_answered_with_an_error_and_the_stream_goes_on bad_lines

at_once() {
    fill && mkfifo questions answers && { "$QUIPU" search --stdin <questions >answers 2>err & } && exec 3>questions 4<answers &&
        echo '{"query":"oven"}' >&3 && read -r first <&4 && echo '{"query":"blue"}' >&3 && read -r second <&4 && exec 3>&- 4<&- &&
        wait && case $first$second in *'"oven"'*'"bike"'*) true ;; *) false ;; esac
}
check an_answer_comes_before_the_next_question at_once

defaults_of_options() {
    fill && printf '%s\n' '{"query":"bicycle"}' '{"query":"bicycle","k":2}' '{"query":"bicycle","scope":{"user":"bob"}}' '{"query":"red","scope":{"session":"x"}}' >in &&
        feed in search --stdin -k 1 --user ana && expect_status 1 && [ "$(grep -c . out)" -eq 4 ] && sed -n 1p out | grep -q '"id":"bike"' && prints_not '"id":"bob"' &&
        sed -n 3p out | grep -q '^{"error"' && sed -n 4p out | grep -q '"results":\[\]'
}
check options_hold_for_all_lines_and_their_scope_binds defaults_of_options

empty_input() {
    fill && : >in && feed in search --stdin && expect_status 0 && prints_nothing
}
check no_question_no_answer empty_input

sees_writes() {
    fill && mkfifo questions answers && { "$QUIPU" search --stdin <questions >answers 2>err & } && exec 3>questions 4<answers &&
        echo '{"query":"zeppelin"}' >&3 && read -r first <&4 && "$QUIPU" add "a zeppelin" --id z >/dev/null && echo '{"query":"zeppelin"}' >&3 &&
        read -r second <&4 && exec 3>&- 4<&- && wait && case $first in '{"results":[]}') ;; *) false ;; esac && case $second in *'"id":"z"'*) ;; *) false ;; esac
}
check a_stream_sees_what_others_write_meanwhile sees_writes

with_embedder() {
    "$QUIPU" --embedder hash add "we bought a blue bicycle" --id bike >/dev/null && ok search "bicycles" --mode vector --json && prints '"id":"bike"' &&
        ok search bicycle --mode hybrid --explain && prints '^ 1\. bike' 'cosine'
}
check the_embedder_of_the_store_is_used_for_vectors with_embedder

finish

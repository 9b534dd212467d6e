# receipts: what a search answered can be asked again, of the same revision and moment, and compared.
. "$(dirname "$0")/lib.sh"

fill() {
    "$QUIPU" add "we bought a blue bicycle" --id bike --user ana >/dev/null &&
        "$QUIPU" add "the bicycle of Bob is red" --id bob --user bob >/dev/null
}

receipt() { # ARGUMENTS of search: keeps the receipt in the file receipt
    run search "$@" --receipt && expect_status 0 && tail -n 1 out >receipt && grep -q '^{"form":1,' receipt
}

later_writes_do_not_change_the_answer() {
    fill && receipt bicycle && ok replay receipt && prints '^the same, 2 results$' &&
        ok add "a third bicycle" --id third && ok update bike "we sold the blue bicycle" && ok delete bob &&
        ok replay receipt && prints '^the same, 2 results$' && ok replay receipt --json && prints '^\{"same":true,"results":2,"commit":"[0-9a-f]{40}","differences":\[\]\}$'
}
check a_receipt_is_answered_the_same_after_later_writes later_writes_do_not_change_the_answer

what_it_holds() {
    fill && ok search bicycle --user ana -k 3 --json --receipt && head_now=$(git -C "$QUIPU_STORE" rev-parse HEAD) &&
        hash=$(printf bicycle | sha256sum | cut -d' ' -f1) && version=$(git -C "$QUIPU_STORE" ls-tree -r HEAD | grep /bike.json | cut -d' ' -f3 | cut -f1) &&
        prints "\"commit\":\"$head_now\"" "\"query_hash\":\"sha256:$hash\"" '"model":null'  '"request":\{.*"scope":\{"user":"ana"\}.*"query":"bicycle"' "\"receipt\":\{.*\"id\":\"bike\",\"version\":\"$version\",\"score\":[0-9.]+"
}
check it_has_query_hash_model_commit_ids_versions_and_scores what_it_holds

whole_answers_and_streams() {
    fill && ok search bicycle --json --receipt && cp out answer && ok replay answer && feed answer replay - && expect_status 0 &&
        echo '{"query":"bicycle","receipt":true}' >in && feed in search --stdin && expect_status 0 && cp out answer && ok replay answer && prints 'the same'
}
check the_whole_answer_serves_as_well whole_answers_and_streams

expired_since() {
    fill && ok add "a bicycle for rent" --id rent --expires 2s && receipt bicycle && grep -q '"rent"' receipt && sleep 2 &&
        run search bicycle && prints_not 'rent' && ok replay receipt && prints '^the same, 3 results$'
}
check what_expired_since_is_judged_by_the_moment_of_the_receipt expired_since

changed() {
    fill && receipt bicycle && sed 's/"id":"bob","version":"./&0/;s/"version":"0/"version":"/' receipt >other && sed 's/"score":/"score":1/' receipt >other2 && sed 's/,{"id":"[a-z]*","version":"[^"]*","score":[0-9.]*}\]/]/' receipt >other3 &&
        run replay other2 && expect_status 1 && prints '^ 1\.  was .*  is ' '^not the same, 2 results$' && run replay other3 --json && expect_status 1 &&
        prints '"same":false' '"rank":2,"before":null,"after":\{"id":'
}
check a_receipt_that_says_otherwise_is_noticed changed

question_kept_apart() {
    fill && receipt "blue bicycle" && sed 's/"query":"blue bicycle",\{0,1\}//;s/,}/}/' receipt >blind && ! grep -q 'blue bicycle' blind &&
        run replay blind && complains 2 'without its question' && run replay blind --query "red bicycle" && complains 2 'its hash is another' &&
        ok replay blind --query "blue bicycle" && prints 'the same'
}
check the_question_can_be_kept_apart_and_is_recognised_by_its_hash question_kept_apart

other_model() {
    fill && run search bicycle --embedder hash --receipt && expect_status 0 && tail -n 1 out >receipt && grep -q '"model":"hash-v1' receipt &&
        run replay receipt && complains 3 'embedder of the receipt' && ok replay receipt --embedder hash && prints 'the same'
}
check vectors_of_another_model_are_not_compared other_model

bad_ones() {
    fill && receipt bicycle && echo '{}' >a && run replay a && complains 2 'not a receipt' && echo '[' >a && run replay a && complains 2 &&
        sed 's/"form":1/"form":2/' receipt >a && run replay a && complains 3 'knows form 1' && sed 's/"results":\[.*\]/"results":7/' receipt >a && run replay a && complains 2 'list of results' &&
        sed 's/"score":[0-9.]*/"score":"x"/' receipt >a && run replay a && complains 2 'version and a score' && sed 's/"request":{[^}]*}/"request":3/' receipt >a && run replay a && complains 2 'no request' &&
        sed 's/"as_of":"[0-9a-f]*"/"as_of":"ffffffffffffffffffffffffffffffffffffffff"/' receipt >a && run replay a && complains 1 &&
        sed 's/"now":"[^"]*"/"now":"soon"/' receipt >a && run replay a && complains 2 'now' && run replay missing && complains 3 'cannot read'
}
check what_is_no_receipt_is_refused_by_name bad_ones

finish

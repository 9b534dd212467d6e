# reembed, and what stats tells of vectors: none is needed for a write, none of two models are mixed.
. "$(dirname "$0")/lib.sh"

fill() {
    "$QUIPU" --embedder "$1" add "we bought a blue bicycle" --id bike >/dev/null &&
        "$QUIPU" --embedder "$1" add "the oven is broken again" --id oven >/dev/null
}

pending() {
    fill hash && ok stats && prints '^vector_model +hash-v1:1024' '^vectors_pending +2' '^vectors +0' &&
        ok reembed && prints '^2 vectors made by hash-v1:1024; 0 pending' && ok stats --json && prints '"vectors":2,"vectors_pending":0' &&
        ok reembed --json && prints '"made":0,"pending":0,"vectors":2'
}
check stats_count_what_is_pending_and_reembed_makes_it pending

exchanged() {
    echo '{"embedder_config":{"dimension":64}}' >small.json && fill hash && ok reembed && ok --config small.json --embedder hash stats &&
        prints 'hash-v1:64' '^vectors_pending +2' && ok stats && prints 'hash-v1:1024' '^vectors_pending +0' &&
        ok --config small.json --embedder hash reembed && prints '^2 vectors made by hash-v1:64' && ok stats && prints 'hash-v1:64' '^vectors_pending +0' &&
        ok search bycicle --explain && prints 'bike' 'cosine='
}
check another_embedder_takes_the_place_once_all_vectors_are_there exchanged

nobody() {
    "$QUIPU" add "a blue bicycle" --id bike >/dev/null && run reembed && complains 3 'choose an embedder' && ok stats && prints_not vector
}
check without_an_embedder_there_are_no_vectors nobody

away() {
    echo '{"embedder":"openai","embedder_config":{"base_url":"http://127.0.0.1:1/v1","model":"m","dimension":8,"attempts":1}}' >away.json &&
        ok --config away.json add "a blue bicycle" --id bike && ok --config away.json stats && prints '^vectors_pending +1' &&
        ok --config away.json search bicycle && prints bike && run --config away.json reembed && complains 3 'cannot be reached' &&
        ok --config away.json stats && prints '^vectors_pending +1'
}
check a_write_is_kept_and_found_while_the_endpoint_is_away away

finish

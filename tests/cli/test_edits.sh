# Commits by stock git that leave updated_at as it was: they count as the time of the change, whoever asks and however.
. "$(dirname "$0")/lib.sh"

GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' GIT_CONFIG_KEY_1=init.defaultBranch GIT_CONFIG_VALUE_1=main
export GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0 GIT_CONFIG_KEY_1 GIT_CONFIG_VALUE_1

old='"created_at":"2024-01-01T00:00:00Z","updated_at":"2024-01-01T00:00:00Z"'

# Commits made by hand are later than all that Quipu writes here, by one minute each.
minute=0
by_hand() { # CLONE MESSAGE
    minute=$((minute + 1)) && stamp=$(printf '2044-01-01T00:%02d:00Z' $minute) && git -C "$1" add -A &&
        GIT_COMMITTER_DATE=$stamp git -C "$1" commit -q -m "$2" && git -C "$1" push -q
}

few() { # a and b, and a clone W
    printf '{"id":"a","text":"meets in the harbour",%s}\n{"id":"b","text":"likes tea",%s}\n' "$old" "$old" >records &&
        ok import records && git clone -q store W
}

edit() { # ID OLD NEW
    file=$(find W/records -name "$1.json") && sed "s/$2/$3/" "$file" >new && cat new >"$file" && by_hand W "By hand: $3"
}

says() { # ID TIME: what get, list and search say, also with an index made anew, and with nothing remembered
    for round in present catalogue edits; do
        case $round in present) ;; *) rm -rf "store/quipu/$round" ;; esac
        ok get "$1" --json && prints "\"updated_at\":\"$2\"" && sed 's/.*"version":"\([0-9a-f]*\)".*/\1/' out >version && ok list --json &&
            grep "\"id\":\"$1\"" out >line && grep -q "\"updated_at\":\"$2\"" line && grep -q "$(cat version)" line &&
            ok search "meets tea" --json && prints "\"id\":\"$1\"" && ok list --json --filter "{\"updated_at\":{\"gte\":\"$2\"}}" &&
            prints "\"id\":\"$1\"" && ok list --json --filter "{\"updated_at\":{\"lt\":\"$2\"}}" && prints_not "\"id\":\"$1\"" &&
            ok verify -q || return 1
    done
}

text() {
    few && before=$(git -C store rev-parse HEAD) && edit a harbour station && says a 2044-01-01T00:01:00Z && says b 2024-01-01T00:00:00Z &&
        ok get a --json --as-of "$before" && prints '"updated_at":"2024-01-01T00:00:00Z"' && ok list --json --as-of "$before" 2>err
    [ "$status" -eq 0 ] || return 1
    ok diff HEAD~1 HEAD a --json && prints '2044-01-01T00:01:00Z'
}
check a_text_that_was_edited_has_the_time_of_the_commit text

touched() {
    few && edit a '2024-01-01T00:00:00Z"$' '2025-05-05T05:05:05Z"' && edit a harbour station && says a 2044-01-01T00:02:00Z &&
        file=$(find W/records -name b.json) && sed 's/tea/tea with milk/; s/"updated_at": "2024-01-01/"updated_at": "2025-02-02/' "$file" >new &&
        cat new >"$file" && by_hand W "says when" && says b 2025-02-02T00:00:00Z
}
check who_says_when_is_believed touched

versions() {
    few && raw=$(git -C store rev-parse "HEAD:$(cd W && find records -name a.json)") && edit a harbour station && ok get a --json &&
        version=$(sed 's/.*"version":"\([0-9a-f]*\)".*/\1/' out) && run update a "meets at home" --if-version "$raw" && complains 1 &&
        ok update a "meets at home" --if-version "$version" && ok get a --json && prints '"text":"meets at home"'
}
check the_version_is_that_of_what_is_shown versions

undone() { # by hand, by hand: the state before is as it was when it was
    few && ok get a --json && cp out first && before=$(git -C store rev-parse HEAD) && edit a harbour station && edit a station harbour &&
        says a 2044-01-01T00:02:00Z && ok get a --json --as-of "$before" && cmp out first && ok list --json --as-of "$before" &&
        grep -q '"id":"a".*2024-01-01T00:00:00Z' out && ok list --json --as-of HEAD~1 && prints '"id":"a".*2044-01-01T00:01:00Z' &&
        ok list --json && prints '"id":"a".*2044-01-01T00:02:00Z'
}
check what_was_edited_back_is_another_record_only_from_then_on undone

files() {
    printf '{"id":"user=ruth/todo.md","kind":"file","scope":{"user":"ruth"},"text":"meets tea",%s}\n' "$old" >records && ok import records &&
        git clone -q store W && echo 'meets for tea' >W/files/user=ruth/todo.md && echo 'meets nobody' >W/files/user=ruth/new.md &&
        by_hand W "two texts" && says user=ruth/todo.md 2044-01-01T00:01:00Z && says user=ruth/new.md 2044-01-01T00:01:00Z
}
check a_text_in_a_file_of_its_own_counts_as_well files

merged() { # a merge by git makes what no side had; what it takes from one side is not changed by it
    few && git -C W checkout -q -b side && sed 's/harbour/station/' "$(find W/records -name a.json)" >new && cat new >"$(find W/records -name a.json)" &&
        GIT_COMMITTER_DATE=2044-01-01T01:00:00Z git -C W commit -q -a -m side && git -C W checkout -q main &&
        sed 's/tea/tea and meets nobody/' "$(find W/records -name b.json)" >new && cat new >"$(find W/records -name b.json)" &&
        GIT_COMMITTER_DATE=2044-01-01T02:00:00Z git -C W commit -q -a -m main && GIT_COMMITTER_DATE=2044-01-01T03:00:00Z git -C W merge -q -m both side &&
        git -C W push -q && says a 2044-01-01T01:00:00Z && says b 2044-01-01T02:00:00Z
}
check a_merge_by_git_changes_only_what_no_side_had merged

elsewhere() { # the record goes along as what it counts as: to another backend, and back
    few && edit a harbour station && ok get a --json && cp out first && ok swap sqlite --to there && run --store there get a --json &&
        expect_status 0 && cmp out first
}
check another_backend_gets_it_as_it_counts elsewhere

conflict() { # both sides changed the text: the later one stays, and by hand was later
    few && cp -r store other && edit a harbour station && run --store other update a "meets at home" && ok pull other && ok get a --json &&
        prints '"text":"meets in the station"' '2044-01-01T00:01:00Z'
}
check in_a_conflict_the_later_commit_stays conflict

long() { # what many commits have changed by hand is looked at once, and remembered
    few && for i in 1 2 3 4 5 6; do edit a "$(sed -n 's/.*"text": "meets in the \(.*\)",*$/\1/p' "$(find W/records -name a.json)")" "place $i"; done &&
        says a 2044-01-01T00:06:00Z && [ -s store/quipu/edits ] && printf x | dd of=store/quipu/edits bs=1 seek=40 conv=notrunc 2>/dev/null &&
        says a 2044-01-01T00:06:00Z
}
check a_damaged_note_of_edits_is_made_anew long

finish

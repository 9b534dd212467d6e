# Damage on the command line: what verify says, what --repair does, and what each is worth to a script.
. "$(dirname "$0")/lib.sh"

six_memories() {
    for i in 1 2 3 4 5 6; do
        ok add "memory number $i" --id "r$i" || return 1
    done
}

biggest_pack() {
    # shellcheck disable=SC2012
    ls -S store/objects/pack/*.pack | head -n 1
}

counts() {
    six_memories && ok verify && prints '^ok +objects +51 checked' '^ok +commits +7 checked' '^ok +blobs +7 checked' '^ok +refs +1 checked' \
        '^ok +records +6 checked' '^ok +aside +0 checked' '^ok +index +6 checked' '^ok +vectors +0 checked' '^nothing is damaged' &&
        ok verify --json && prints '"counts":\{.*"commits":7,.*"records":6.*\},"repaired":0,"warnings":0,"damages":0,"ok":true\}$' &&
        ok verify --repair -q && prints_nothing && [ ! -e store/quipu/aside ]
}
check verify_counts_each_area_and_repairs_nothing_sound counts

lost_branch() {
    six_memories && rm store/refs/heads/main && run list && complains 3 'its branch refs/heads/main is gone' 'quipu verify --repair' &&
        run add more && complains 3 'quipu verify --repair' && [ ! -e store/refs/heads/main ] &&
        run verify && expect_status 1 && prints '^DAMAGE +refs +refs/heads/main: it is lost; the commit that it was at is likely' 'run .quipu verify --repair., which deletes nothing' &&
        ok verify --repair && prints '^repaired +refs +refs/heads/main: it was lost, and is now at [0-9a-f]{40}, the last of 7 commits' 'quipu/aside' &&
        ok list && prints 'memory number 1' 'memory number 6' && ok verify && ok log && prints 'memory number 6'
}
check a_lost_branch_is_refused_named_and_put_back lost_branch

damaged_vectors() { # and those of another model that nobody uses
    six_memories && ok --embedder hash search memory --mode vector && ok verify --embedder hash && prints '^ok +vectors +6 checked' || return 1
    file=$(ls store/quipu/vectors-*/segment-*) && size=$(stat -c %s "$file") && printf xxxx | dd of="$file" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
    run verify --json && expect_status 1 && prints '"severity":"damage","area":"vectors","subject":"vectors-' 'can be made anew' '"vectors":0' &&
        [ -e "$file" ] && ok verify --embedder hash --repair && prints '^repaired +vectors +vectors-.*it was set aside, and its vectors are made anew' '^1 repaired, nothing' &&
        [ ! -e "$file" ] && ls store/quipu/aside/*/quipu_vectors-*_segment-* && ok verify --embedder hash && prints '^ok +vectors +6 checked' &&
        ok --embedder hash search "memory number 3" --mode vector -k 1 --json && prints '"id":"r3"'
}
check damaged_vectors_are_set_aside_and_made_anew damaged_vectors

settings() { # what is readable of them stays, what is told by options comes, and the old file is set aside
    six_memories && ok --embedder hash search memory && file=store/quipu-store.json && cp "$file" good && sed 's/"backend"/"back/' good >"$file" &&
        run list && complains 3 'quipu-store.json cannot be read' 'quipu verify --repair' &&
        run verify && expect_status 1 && prints '^DAMAGE +settings +quipu-store.json: .*can be made anew with: backend git, no embedder' &&
        ! cmp -s good "$file" && ok verify --repair --embedder hash && prints '^repaired +settings +quipu-store.json: .*was made anew: backend git, embedder hash' '^1 repaired, nothing' &&
        ls store/quipu/aside/*-settings/quipu-store.json && ok verify && prints '^ok +settings +1 checked' && ok search "memory number 3" --mode vector -k 1 --json &&
        prints '"id":"r3"' || return 1
    for damage in 'printf nothing' 'head -c 20 good' 'cat /dev/null' 'sed s/git/gat/ good'; do
        rm -rf store/quipu/aside && $damage >"$file" && run list && complains 3 && ok verify --repair --backend git && prints '^repaired +settings' && ok list && prints 'number 6' || return 1
    done
    rm "$file" && ok verify && prints '^warning +settings +quipu-store.json: it is missing; it can be made anew with: backend git' &&
        ok verify --repair --embedder hash && prints 'repaired +settings' && grep -q '"embedder": "hash"' "$file" || return 1
    sed 's/"format": 1/"format": 7/' good >"$file" && run verify --repair && complains 3 'made by a newer Quipu' && grep -q '"format": 7' "$file" &&
        rm -rf store/quipu/aside && mkfifo pipe && mv pipe "$file" && run list && complains 3 'pipe' && ok verify --repair && ok list && prints 'number 6' &&
        rm -rf store/quipu/aside "$file" && mkdir "$file" && run list && complains 3 && ok verify --repair && ok list && prints 'number 6'
}
check damaged_settings_are_told_and_made_anew settings

database() { # the backend by what lies there
    ok --backend sqlite --store db add "memory" --id a && echo '{' >db/quipu-store.json && run --store db get a && complains 3 'verify --repair' &&
        ok --store db verify --repair && prints 'backend sqlite' && ok --store db get a && ok --store db verify
}
check a_database_is_known_by_its_file database

flipped() {
    six_memories && pack=$(biggest_pack) && chmod u+w "$pack" && byte=$(od -An -t u1 -j 300 -N 1 "$pack") &&
        printf '%b' "\\0$(printf %03o $((byte ^ 8)))" | dd of="$pack" bs=1 seek=300 conv=notrunc 2>/dev/null &&
        run verify --json && expect_status 1 && prints '"severity":"damage","area":"objects"' '"ok":false' &&
        ok verify --repair --json && prints '"severity":"repaired","area":"objects"' '"ok":true' &&
        ok list && prints 'memory number 6' && git -C store fsck --strict
}
check a_flipped_bit_is_mended flipped

beyond() {
    six_memories && mkdir packs && mv store/objects/pack/* packs && for pack in packs/*.pack; do git -C store unpack-objects -q <"$pack"; done &&
        blob=$(git -C store rev-parse "HEAD:$(git -C store ls-tree -r --name-only HEAD | grep r3.json)") &&
        rm -f "store/objects/$(echo "$blob" | cut -c 1-2)/$(echo "$blob" | cut -c 3-)" &&
        run verify --repair && expect_status 1 && prints '^repaired +records +records/.*/r3.json: .* and is gone' '^DAMAGE +objects +[0-9a-f]{40}: this blob' 'still damaged' &&
        ok list && prints 'memory number 4' && ok log -n 1 && prints 'repair: 1 files'
}
check what_cannot_be_repaired_is_named_and_is_status_1 beyond

manners() {
    run verify --repair --store nowhere && complains 3 && [ ! -e nowhere ] && run --backend memory --store none verify --repair && complains 3 'backend "memory"' &&
        ok help verify && prints '\-\-repair' 'Nothing is' 'quipu/aside' && ok completion bash && prints 'repair'
}
check repair_makes_no_store_and_says_what_it_does manners

read_only() {
    [ "$(id -u)" -ne 0 ] || return 0
    six_memories && chmod -R a-w store && ok verify && run verify --repair && complains 3
}
check a_store_that_cannot_be_written_is_verified_and_not_repaired read_only

finish

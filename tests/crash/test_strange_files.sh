#!/bin/sh
# A pipe, a device, a socket or a folder in the place of a file of the store: nobody waits for it, nobody dies of it, and what fails says why.
. "$(dirname "$0")/../cli/lib.sh"

places="HEAD config packed-refs refs/heads/main refs/heads/main.lock refs/heads/other PACK.pack PACK.idx PACK.keep PACK.rev
objects/LOOSE objects/info/alternates objects/info/commit-graph objects/pack/multi-pack-index quipu/lock quipu/next quipu/catalogue/manifest
quipu/catalogue/lock quipu/edits quipu/retired quipu/moved quipu/maintained quipu/maintain.lock quipu/commit-graph.head quipu-store.json"

put() { # KIND PATH
    rm -rf "$2" && mkdir -p "$(dirname "$2")" || return 1
    case $1 in
    pipe) mkfifo "$2" ;;
    folder) mkdir "$2" ;;
    device) ln -s /dev/zero "$2" ;;
    socket) # a name too long for a socket's address is made elsewhere, and moved
        python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")' && mv socket "$2" ;;
    esac
}

tries() { # KIND PLACE ARGUMENTS: quipu comes to an end, and says what is wrong where it fails
    kind=$1 place=$2
    shift 2
    status=0
    timeout 60 "$QUIPU" "$@" >out 2>err </dev/null || status=$?
    if [ "$status" -ge 124 ] || { [ "$status" -ne 0 ] && [ ! -s err ] && [ ! -s out ]; }; then
        fault "a $kind as $place: quipu $*"
    fi
}

make_store() {
    for i in 1 2 3; do
        ok add "memory number $i" --id "r$i" || return 1
    done
    git -C store update-ref refs/heads/other main && git -C store commit-graph write && blob=$(git -C store rev-parse "main^{tree}") &&
        pack=objects/pack/$(cd store/objects/pack && ls pack-*.pack | head -n 1 | sed 's/\.pack$//') &&
        loose=objects/$(echo "$blob" | sed 's/^../&\//') && mv store sound
}

strange() { # KIND OFFSET: without QUIPU_LONG the lock and a fourth of the places, others for each kind
    make_store || return 1
    counted=$2
    for place in $places; do
        counted=$((counted + 1))
        [ "${QUIPU_LONG:-0}" != 0 ] || [ $((counted % 4)) -eq 0 ] || [ "$place" = quipu/lock ] || continue
        where=$(echo "$place" | sed "s|^PACK|$pack|; s|^objects/LOOSE|$loose|")
        rm -rf store && cp -a sound store && put "$1" "store/$where" || return 1
        for command in 'get r1' 'list' 'verify' 'add more --id more' 'maintain' 'verify --repair' 'add again --id again'; do
            # shellcheck disable=SC2086
            tries "$1" "$place" $command || return 1
        done
        [ "$1" = folder ] || [ "$place" = PACK.pack ] || ok verify || return 1 # a folder stays; what a pack held is lost
    done
}

a_pipe() {
    strange pipe 0
}
check a_pipe_is_not_waited_for a_pipe

a_folder() {
    strange folder 1
}
check a_folder_is_no_file a_folder

a_device() {
    strange device 2
}
check an_endless_device_is_not_read_to_its_end a_device

a_socket() {
    strange socket 3
}
if command -v python3 >/dev/null; then
    check a_socket_is_no_file a_socket
else
    skip a_socket_is_no_file "python3 makes the socket"
fi

finish

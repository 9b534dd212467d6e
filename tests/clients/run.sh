#!/bin/sh
# Released clients, unmodified, against our servers: run.sh [NAME...] runs tests/clients/NAME.py or NAME.mjs, all of them without a name.
#
# The second line of a script says what it needs: "needs: pip PACKAGE..." or "needs: npm PACKAGE...". That is installed into
# $BUILD/clients/, once; without a network the script is skipped, and said so. A script finds in its environment
#   QUIPU   the program            QUIPU_URL, QUIPU_KEY   a server of its own, and an admin key to it (not with "serves: no")
#   SCRATCH an empty folder, which is removed afterwards
# and prints "ok NAME" or "not ok NAME" for each thing that it tried. Nothing here talks to anything but the loopback, save pip and npm.
cd "$(dirname "$0")" || exit 2
: "${QUIPU:?QUIPU has to name the program}" "${BUILD:?BUILD has to name the build folder}"
export MEM0_TELEMETRY=False PYTHONDONTWRITEBYTECODE=1 NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
work=$(mktemp -d) || exit 1
server=
passed=0 failed=0 skipped=0

stop_server() {
    [ "$server" ] || return 0
    kill "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    server=
}
trap 'stop_server; rm -rf "$work"' EXIT

# The folder that holds the packages of this list; made where it is not there yet.
install_packages() { # KIND PACKAGES
    place=$BUILD/clients/$(printf '%s' "$1 $2" | cksum | cut -d ' ' -f 1)
    [ -e "$place/complete" ] && return 0
    rm -rf "$place"
    mkdir -p "$place"
    case $1 in
    pip) python3 -m venv "$place/venv" && timeout 300 "$place/venv/bin/pip" -q --disable-pip-version-check install $2 ;;
    npm) (cd "$place" && npm init -y >/dev/null && timeout 300 npm install --silent --ignore-scripts --no-audit --no-fund $2) ;;
    *) false ;;
    esac >"$work/install" 2>&1 || return 1
    : >"$place/complete"
}

start_server() {
    mkdir -p "$SCRATCH"
    QUIPU_KEY=$("$QUIPU" keys add --role admin --label client --keys "$SCRATCH/keys.json" --quiet) || return 1
    : >"$SCRATCH/url"
    "$QUIPU" serve --store "$SCRATCH/store" --keys "$SCRATCH/keys.json" --port 0 >"$SCRATCH/url" 2>"$SCRATCH/log" &
    server=$!
    for _ in $(seq 600); do
        QUIPU_URL=$(sed -n 's/^listening on //p' "$SCRATCH/url")
        [ -z "$QUIPU_URL" ] || break
        kill -0 "$server" 2>/dev/null || return 1
        sleep 0.1
    done
    export QUIPU_URL QUIPU_KEY
    [ "$QUIPU_URL" ]
}

run_script() { # FILE
    name=${1%.*}
    needs=$(sed -n '2s/.*needs: *//p' "$1")
    SCRATCH=$work/$name
    export SCRATCH
    if ! install_packages "${needs%% *}" "${needs#* }"; then
        echo "skip  $name: $needs cannot be installed: $(tail -n 1 "$work/install")"
        skipped=$((skipped + 1))
        return
    fi
    if ! sed -n 3p "$1" | grep -q 'serves: no' && ! start_server; then
        echo "FAIL  $name: no server: $(cat "$SCRATCH/log")"
        failed=$((failed + 1))
        return
    fi
    case $1 in
    *.py) timeout 300 "$place/venv/bin/python" "$1" ;;
    *) cp "$1" "$place/$1" && (cd "$place" && timeout 300 node "$1") ;;
    esac >"$work/out" 2>&1
    status=$?
    good=$(grep -c '^ok ' "$work/out")
    bad=$(grep -c '^not ok ' "$work/out")
    if [ $status -ne 0 ] || [ "$bad" -gt 0 ] || [ "$good" -eq 0 ]; then
        echo "FAIL  $name: status $status"
        grep -v '^ok ' "$work/out" | tail -n 40 | sed 's/^/      /'
        [ ! -e "$SCRATCH/log" ] || grep '"status":5' "$SCRATCH/log" | sed 's/^/      server: /'
        failed=$((failed + 1))
    else
        echo "pass  $name: $good things"
        passed=$((passed + 1))
    fi
    stop_server
}

[ $# -gt 0 ] || set -- $(ls ./*.py ./*.mjs 2>/dev/null | sed 's|^\./||; s|\.[a-z]*$||' | grep -v _shared)
for name; do
    if [ -e "$name.py" ]; then
        run_script "$name.py"
    elif [ -e "$name.mjs" ]; then
        run_script "$name.mjs"
    else
        echo "there is no client $name here" >&2
        exit 2
    fi
done
echo "$passed clients passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]

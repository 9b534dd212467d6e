#!/bin/sh
# server.sh: a PostgreSQL server for one test, not as root; reached through a socket alone, in a folder of its own below /tmp, because the
# user that it runs as may not enter the test's.
#
# Says "ready URL" once it answers, or "skip WHY" where there is none to be had. Then it obeys what comes on its standard input, line by
# line: "stop" (at once, as a crash), "start", each answered by one line; at the end of the input it stops the server and goes. So a
# test that is killed leaves nothing running.
#
# The server syncs nothing, unless QUIPU_POSTGRES_FSYNC=on (for measuring). Which server: $QUIPU_TEST_POSTGRES (a folder with postgres, initdb, pg_ctl), else what tests/postgres/fetch.sh has unpacked, else the
# newest one of the system, which may have no pgvector.
user=nobody
dir=$(mktemp -d /tmp/quipu-postgres.XXXXXX) || exit 1
trap 'rm -rf "$dir"' EXIT

find_server() {
    for folder in "${QUIPU_TEST_POSTGRES:-}" "$BUILD/postgres/bin" "$BUILD/../postgres/bin" $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV) \
        "$(dirname "$(command -v initdb 2>/dev/null)" 2>/dev/null)"; do
        [ -n "$folder" ] && [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && (cd -P "$folder" && pwd) && return 0
    done
    return 1
}

as_user() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups -- "$@"
    else
        "$@"
    fi
}

give_up() {
    echo "skip $1"
    tail -n 5 "$dir/log" "$dir/data/server.log" >&2 2>/dev/null
    exit 0
}

start() {
    as_user "$bin/pg_ctl" -s -w -t 60 -D "$dir/data" -l "$dir/data/server.log" start >/dev/null 2>&1 </dev/null
}

stop() {
    as_user "$bin/pg_ctl" -s -w -t 60 -D "$dir/data" -m immediate stop >/dev/null 2>&1 </dev/null
}

bin=$(find_server) || give_up "no PostgreSQL server is here; tests/postgres/fetch.sh fetches one"
[ "$(id -u)" -ne 0 ] || command -v setpriv >/dev/null || give_up "the server does not run as root, and setpriv (util-linux) is not here"
cd / || exit 1
if [ "$(id -u)" -eq 0 ]; then
    chown "$user" "$dir" && chmod 755 "$dir"
    if ! as_user test -x "$bin/postgres"; then # below a folder that only root may enter
        case $bin in
        */files/*) cp -R "${bin%%/files/*}/files" "$dir/files" && bin=$dir/files/${bin##*/files/} ;;
        *) give_up "the user $user may not run $bin/postgres" ;;
        esac
    fi
fi
as_user "$bin/initdb" -D "$dir/data" -U quipu -A trust -E UTF8 --locale=C --no-sync >"$dir/log" 2>&1 || give_up "initdb failed"
cat >>"$dir/data/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$dir'
max_connections = 100
shared_buffers = 32MB
fsync = ${QUIPU_POSTGRES_FSYNC:-off}
autovacuum = off
END
start || give_up "the server does not start"
trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 0' INT TERM HUP
echo "ready host=$dir user=quipu dbname=postgres"
while read -r command; do
    case $command in
    stop) stop && echo stopped || echo failed ;;
    start) start && echo started || echo failed ;;
    esac
done

# begin.sh - read with `.` by the tests here, with $work a folder of their own: starts a server and sets $url and libpq's environment; ends the test
# as skipped where there is none.
# shellcheck disable=SC2154
[ -f "$BUILD/plugins/postgres.so" ] || {
    echo "1..0 # SKIP the postgres backend is not built: libpq is not here"
    exit 0
}
mkfifo "$work/orders"
sh "$SOURCE/tests/postgres/server.sh" <"$work/orders" >"$work/answers" 2>/dev/null &
exec 9>"$work/orders" # the server goes when this is closed, by whatever ends the test
while ! grep -q . "$work/answers"; do
    kill -0 $! 2>/dev/null || break
    sleep 0.1
done
trap 'exec 9>&-; wait; rm -rf "$work"' EXIT
answer=$(cat "$work/answers")
case $answer in
"ready "*) ;;
*)
    echo "1..0 # SKIP ${answer#skip }"
    exit 0
    ;;
esac
url=${answer#ready }
PGHOST=${url#host=}
PGHOST=${PGHOST%% *} PGUSER=quipu PGDATABASE=postgres
export PGHOST PGUSER PGDATABASE

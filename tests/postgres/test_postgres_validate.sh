# The validator, at the level that is asked of every backend of the house, on a PostgreSQL server of the test's own.
[ -f "$BUILD/plugins/postgres.so" ] || {
    echo "1..0 # SKIP the postgres backend is not built: libpq is not here"
    exit 0
}
work=$(mktemp -d) && mkfifo "$work/orders"
sh "$(dirname "$0")/server.sh" <"$work/orders" >"$work/answers" 2>/dev/null &
exec 9>"$work/orders"
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
level=4
[ -z "${SAN:-}" ] || level=1
number=0

validate() { # LEVEL MORE-SETTINGS NAME
    number=$((number + 1))
    "$QUIPU" validate "$BUILD/plugins/postgres.so" --level "$1" --settings "{\"url\":\"${answer#ready }\"$2}" >"$work/out" 2>&1
    if [ $? -eq 0 ] && grep -q ', 0 failed' "$work/out"; then
        echo "ok $number - $3 at level $1"
    else
        echo "not ok $number - $3 at level $1"
        grep -v ' pass ' "$work/out" | tail -n 30 | sed 's/^/# /'
    fi
}

validate $level '' "postgres passes every check"
validate 1 ',"search":"server"' "so it does where the server searches"
echo "1..$number"

# The validator, at the level that is asked of every backend of the house, on a PostgreSQL server of the test's own.
work=$(mktemp -d) || exit 1
. "$(dirname "$0")/begin.sh"
. "$(dirname "$0")/validate.sh"
level=4
[ -z "${SAN:-}" ] || level=1
validate $level '' "postgres passes every check"

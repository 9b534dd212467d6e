# The validator on the postgres backend where the server searches, on a PostgreSQL server of the test's own.
work=$(mktemp -d) || exit 1
. "$(dirname "$0")/begin.sh"
. "$(dirname "$0")/validate.sh"
validate 1 ',"search":"server"' "postgres passes every check where the server searches"

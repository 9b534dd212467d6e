# The adapters beside the released packages that they are for, which are fetched into build/hosts.
skip() {
    echo "1..0 # SKIP $1"
    exit 0
}
[ -z "$SAN" ] || skip "python would need the sanitizer's library before its own"
venv=$BUILD/hosts/packages
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
[ -x "$venv/bin/python" ] || python3 -m venv "$venv" >"$out" 2>&1 || skip "python3 cannot make a virtual environment"
"$venv/bin/python" -m pip install -q --disable-pip-version-check --retries 1 --timeout 20 \
    "langgraph>=1" "autogen-core>=0.7" numpy networkx anthropic >"$out" 2>&1 || skip "the packages cannot be fetched"
PYTHON=$venv/bin/python sh "$SOURCE/tests/python/run.sh" store agent_zero anthropic autogen langgraph

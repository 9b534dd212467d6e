# The wheel: built, installed into an environment of its own, used from elsewhere; nothing is left in the source tree.
skip() {
    echo "1..0 # SKIP $1"
    exit 0
}
[ -z "$SAN" ] || skip "python would need the sanitizer's library before its own"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" >"$work/out" 2>&1 || skip "python3 cannot make a virtual environment"
pip="$work/venv/bin/python -m pip --disable-pip-version-check -q --retries 1 --timeout 10"
$pip install "setuptools>=77" >"$work/out" 2>&1 || skip "setuptools cannot be fetched"
number=0

report() { # STATUS NAME
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        sed 's/^/# /' "$work/out"
    fi
}

# In a copy, because other tests run beside this one.
mkdir "$work/source" && (cd "$SOURCE" && git ls-files -z --cached --others --exclude-standard | xargs -0 cp -p --parents -t "$work/source") 2>"$work/out"
mkdir "$work/source/build"
for part in "$BUILD"/*; do
    case ${part##*/} in
    tests | fuzz | mutants | wheels | hosts | clients | models | san-*) ;;
    *) cp -a "$part" "$work/source/build" ;;
    esac
done
(cd "$work/source" && $pip wheel --no-build-isolation --no-deps -w "$work/wheels" .) >"$work/out" 2>&1
report $? "the_wheel_is_built"

[ ! -e "$work/source/host_shim/python/quipu/lib" ] && [ ! -e "$work/source/host_shim/python/quipu.egg-info" ] && [ ! -e "$work/source/build/python" ]
report $? "nothing_is_left_beside_the_sources"

python3 -m zipfile -l "$work"/wheels/*.whl >"$work/out" && grep -q "quipu/lib/libquipu.so" "$work/out" &&
    grep -q "quipu/lib/plugins/git.so" "$work/out" && grep -q py.typed "$work/out" && ! grep -q '\.a ' "$work/out"
report $? "library_plugins_and_types_are_in_it"

$pip install --no-deps "$work"/wheels/*.whl >"$work/out" 2>&1 &&
    (cd "$work" && unset QUIPU_PLUGIN_PATH QUIPU_LIBRARY PYTHONPATH && "$work/venv/bin/python" -c '
import quipu
with quipu.Store("store") as store:
    store.add("bread at nine")
    assert store.search("bread")[0]["text"] == "bread at nine"
    assert "site-packages" in quipu.native.library._name
') >"$work/out" 2>&1
report $? "it_works_where_nothing_else_is_installed"

echo "1..$number"

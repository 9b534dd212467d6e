# Runs Python tests by name, in this build: sh run.sh NAME... prints TAP. What needs a package that is not there is skipped; `make
# test-hosts` fetches them.
if [ -n "$SAN" ]; then
    echo "1..0 # SKIP python would need the sanitizer's library before its own"
    exit 0
fi
export PYTHONPATH="$SOURCE/host_shim/python" QUIPU_LIBRARY="$BUILD/libquipu.so" QUIPU_PLUGIN_PATH="$BUILD/plugins" PYTHONDONTWRITEBYTECODE=1
files=
for name in "$@"; do
    files="$files $SOURCE/tests/python/test_$name.py"
done
exec "${PYTHON:-python3}" -W error::DeprecationWarning "$SOURCE/tests/python/tap.py" $files

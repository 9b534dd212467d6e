# The Python binding and the adapters that need no other package; those that need one are told apart by tests/hosts.
if [ -n "$SAN" ]; then
    echo "1..0 # SKIP python would need the sanitizer's library before its own"
    exit 0
fi
export PYTHONPATH="$SOURCE/host_shim/python" QUIPU_LIBRARY="$BUILD/libquipu.so" QUIPU_PLUGIN_PATH="$BUILD/plugins" PYTHONDONTWRITEBYTECODE=1
exec python3 -W error::DeprecationWarning "$SOURCE/tests/python/tap.py" "$SOURCE"/tests/python/test_*.py

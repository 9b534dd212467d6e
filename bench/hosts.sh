#!/bin/sh
# make bench-hosts: Python adapters beside what they stand in for, which is fetched into $BUILD/hosts; bench/hosts_mem0.py says more.
: "${BUILD:?}" "${SOURCE:?}"
venv=$BUILD/hosts/mem0
python=${PYTHON:-$venv/bin/python}
if [ ! -x "$python" ] || ! "$python" -c 'import mem0, qdrant_client, faiss' 2>/dev/null; then
    python=$venv/bin/python
    { python3 -m venv "$venv" && "$python" -m pip -q --disable-pip-version-check --retries 1 --timeout 20 install 'mem0ai>=2,<3' faiss-cpu numpy; } >"$BUILD/hosts/mem0.log" 2>&1 ||
        { echo "bench-hosts: skipped, mem0ai cannot be installed: $(tail -n 1 "$BUILD/hosts/mem0.log")" && exit 0; }
fi
PYTHONPATH=$SOURCE/host_shim/python QUIPU_LIBRARY=$BUILD/libquipu.so QUIPU_PLUGIN_PATH=$BUILD/plugins MEM0_DIR=$BUILD/hosts/mem0-home \
    exec "$python" -W ignore "$SOURCE/bench/hosts_mem0.py"

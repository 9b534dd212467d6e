#!/bin/sh
# all-MiniLM-L6-v2 against the library that publishes it. `make test-models` fetches the model; without it this is skipped.
here=$(cd "$(dirname "$0")" && pwd)
model=${QUIPU_MINILM:-$BUILD/models/all-MiniLM-L6-v2}
python=
for candidate in python3 /usr/bin/python3; do # one with numpy
    "$candidate" -c 'import numpy' 2>/dev/null && python=$candidate && break
done
if [ ! -f "$model/model.safetensors" ]; then
    echo '1..0 # SKIP the model is not here; make test-models fetches it'
elif [ ! "$python" ]; then
    echo '1..0 # SKIP python3 has no numpy'
else
    PYTHONDONTWRITEBYTECODE=1 "$python" "$here/compare.py" check "$BUILD/tests/model_driver" "$model" "$here/minilm.npz" ||
        printf 'not ok 1 - the comparison ended\n1..1\n'
fi

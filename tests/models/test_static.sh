#!/bin/sh
# The embedder "static" against model2vec, on a model that `compare.py distil` made. Both have to be there; else this is skipped.
here=$(cd "$(dirname "$0")" && pwd)
model=${QUIPU_STATIC:-$BUILD/models/static-minilm}
python=
for candidate in "$BUILD/peer/bin/python" python3; do
    "$candidate" -c 'import numpy, model2vec' 2>/dev/null && python=$candidate && break
done
if [ ! -f "$model/model.safetensors" ]; then
    echo '1..0 # SKIP no static model is here; compare.py distil makes one'
elif [ ! "$python" ]; then
    echo '1..0 # SKIP python3 has no model2vec'
else
    PYTHONDONTWRITEBYTECODE=1 "$python" "$here/compare.py" static "$BUILD/tests/model_driver" "$model" 2>/dev/null ||
        printf 'not ok 1 - the comparison ended\n1..1\n'
fi

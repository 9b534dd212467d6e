# The examples are small, and they work: with their own backend and with those of the house.
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
root=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=$(cd "$BUILD" && pwd)
QUIPU_PLUGIN_PATH=$BUILD/examples/plugins:$BUILD/plugins
LIBQUIPU=$BUILD/libquipu.so
export QUIPU_PLUGIN_PATH LIBQUIPU
number=0

report() { # STATUS NAME
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        [ -s "$work/out" ] && tail -n 15 "$work/out" | sed 's/^/# /'
    fi
}

skip() { # NAME WHY
    number=$((number + 1))
    echo "ok $number - $1 # SKIP $2"
}

for file in tiny_backend.c tiny_host.c; do
    [ "$(wc -l <"$root/examples/$file")" -lt 200 ]
    report $? "$file has fewer than 200 lines"
done

python=
for candidate in python3 /usr/bin/python3; do # one with numpy, where there is one
    "$candidate" -c 'import ctypes' 2>/dev/null || continue
    [ -n "$python" ] || python=$candidate
    "$candidate" -c 'import numpy' 2>/dev/null && python=$candidate && break
done

for backend in tiny memory git; do
    if ! [ -e "$BUILD/plugins/$backend.so" ] && ! [ -e "$BUILD/examples/plugins/${backend}_backend.so" ]; then
        skip "hosts with the backend $backend" "it was not built"
        continue
    fi
    "$BUILD/examples/tiny_host" "$backend" "$work/c-$backend" >"$work/out" 2>&1 &&
        grep -q "Ada prefers tea" "$work/out" && grep -q "3. Ada prefers green tea" "$work/out" &&
        grep -q "of bob:" "$work/out" && grep -q "^  nothing" "$work/out"
    report $? "tiny_host adds, finds, changes and lists with $backend"

    if [ -n "${SAN:-}" ]; then
        skip "python_host with $backend" "a sanitizer's runtime must be loaded first"
        skip "rust_host with $backend" "a sanitizer's runtime must be loaded first"
        continue
    fi
    if [ -n "$python" ]; then
        "$python" "$root/examples/python_host.py" "$backend" >"$work/out" 2>&1
        report $? "python_host shares a store between threads and survives a fork with $backend"
    else
        skip "python_host with $backend" "there is no Python 3 with ctypes"
    fi
    if [ -x "$BUILD/examples/rust_host" ]; then
        "$BUILD/examples/rust_host" "$backend" "$work/rust-$backend" >"$work/out" 2>&1
        report $? "rust_host shares a store between threads with $backend"
    else
        skip "rust_host with $backend" "there is no rustc"
    fi
done

"$BUILD/examples/tiny_host" no-such-backend "$work/none" >"$work/out" 2>&1
[ $? -eq 1 ] && grep -q "no-such-backend" "$work/out"
report $? "tiny_host says that a backend is missing"

echo "1..$number"

# The kernels of another processor, built by a cross compiler and run by an emulator: no other test here sees them.
source=${SOURCE:-$PWD}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

echo "1..1"
name="neon_adds_as_the_scalar_kernel_does"
for tool in aarch64-linux-gnu-gcc qemu-aarch64; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "ok 1 - $name # SKIP $tool is not installed (gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user in Debian)"
        exit 0
    fi
done

if aarch64-linux-gnu-gcc -std=c11 -O2 -Wall -Wextra -Werror -static -I"$source" -I"$source/plugins" -I"$source/plugin_api" \
    -o "$work/kernels" "$source/tests/processors/kernels.c" "$source/plugins/sdk/vectors/scan.c" >"$work/out" 2>&1 &&
    qemu-aarch64 "$work/kernels" >>"$work/out" 2>&1 && [ "$(cat "$work/out")" = neon ]; then
    echo "ok 1 - $name"
else
    sed 's/^/# /' "$work/out"
    echo "not ok 1 - $name"
fi

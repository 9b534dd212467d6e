# make install: what it puts where is enough to build a host through pkg-config alone, and make uninstall takes all of it back.
source=${SOURCE:-$PWD}
build=${BUILD:-$source/build}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
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

skip() { # NAME WHY
    number=$((number + 1))
    echo "ok $number - $1 # SKIP $2"
}

# Nothing is built here: other tests use the same files at the same time.
run_make() {
    make -C "$source" --no-print-directory B="$build" "$@" >"$work/out" 2>&1
}

run_make install-built PREFIX=/opt/quipu DESTDIR="$work/root"
report $? "install_into_a_destdir"

root=$work/root/opt/quipu
: >"$work/out"
for file in bin/quipu lib/libquipu.so lib/libquipu.so.0 include/quipu.h include/quipu/backend.h include/quipu/ext/history.h \
    lib/quipu/plugins/git.so lib/quipu/plugins/memory.so lib/pkgconfig/quipu-sdk.pc lib/quipu/sdk/plugin.map \
    include/quipu-sdk/sdk/query.h include/quipu-sdk/base/fail.h lib/quipu/sdk/libquipu_sdk.a lib/pkgconfig/quipu.pc share/man/man1/quipu.1 \
    share/bash-completion/completions/quipu share/zsh/site-functions/_quipu share/fish/vendor_completions.d/quipu.fish; do
    [ -s "$root/$file" ] || echo "$file is not there" >>"$work/out"
done
[ ! -s "$work/out" ]
report $? "program_library_headers_plugins_and_pages_are_there"

[ -L "$root/lib/libquipu.so" ] && [ -L "$root/lib/libquipu.so.0" ] && [ -f "$root/lib/libquipu.so" ]
report $? "the_library_has_its_soname_links"

! grep -r "$work" "$root/lib/pkgconfig" "$root/share" >"$work/out" 2>&1 && grep -q '^prefix=/opt/quipu$' "$root/lib/pkgconfig/quipu.pc"
report $? "nothing_installed_names_the_destdir"

run_make uninstall PREFIX=/opt/quipu DESTDIR="$work/root" && find "$work/root" ! -type d >"$work/out" && [ ! -s "$work/out" ] &&
    [ ! -e "$root/lib/quipu" ] && [ ! -e "$root/include/quipu" ] && [ ! -e "$root/include/quipu-sdk" ]
report $? "uninstall_takes_back_every_file"

prefix=$work/prefix
run_make install-built PREFIX="$prefix"
"$prefix/bin/quipu" --store "$work/store" add "the key lies under the mat" >"$work/out" 2>&1 &&
    "$prefix/bin/quipu" --store "$work/store" search "key mat" 2>"$work/out" | grep -q "under the mat"
report $? "the_installed_program_finds_its_plugins"

export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
if [ "$SAN" ]; then
    skip "a_host_builds_through_pkg_config_alone_and_runs" "the library wants the sanitizer's runtime"
elif ! command -v pkg-config >/dev/null 2>&1; then
    skip "a_host_builds_through_pkg_config_alone_and_runs" "pkg-config is not installed"
else
    # A folder of its own: nothing of the source tree can be found by chance.
    cp "$source/examples/tiny_host.c" "$work/" && cd "$work" &&
        ${CC:-cc} -std=c11 -Wall -Wextra -Werror -D_POSIX_C_SOURCE=200809L tiny_host.c $(pkg-config --cflags --libs quipu) -o tiny_host >"$work/out" 2>&1 &&
        LD_LIBRARY_PATH="$prefix/lib" ./tiny_host git "$work/host-store" >"$work/out" 2>&1 && [ -s "$work/out" ]
    report $? "a_host_builds_through_pkg_config_alone_and_runs"
    "$prefix/bin/quipu" new-plugin brook >"$work/out" 2>&1 &&
        env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -C brook check QUIPU="$prefix/bin/quipu" LEVEL=1 >"$work/out" 2>&1
    report $? "a_plugin_builds_through_pkg_config_alone_and_passes"
fi

echo "1..$number"

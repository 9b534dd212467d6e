#!/bin/sh
# Installs what make built, or with -u takes it back: install.sh [-u] BUILD PREFIX VERSION SOVERSION; honours DESTDIR.
# Both go through the one list below.
undo=
[ "$1" = -u ] && undo=1 && shift
build=$1 prefix=$2 version=$3 soversion=$4
root=$DESTDIR$prefix

put() { # MODE SOURCE TARGET
    if [ "$undo" ]; then
        rm -f "$root/$3"
    else
        mkdir -p "$root/$(dirname "$3")" && install -m "$1" "$2" "$root/$3" || exit 1
    fi
}

link() { # CONTENT TARGET
    if [ "$undo" ]; then
        rm -f "$root/$2"
    else
        ln -sf "$1" "$root/$2" || exit 1
    fi
}

put 755 "$build/quipu" bin/quipu
put 755 "$build/libquipu.so" "lib/libquipu.so.$version"
link "libquipu.so.$version" "lib/libquipu.so.$soversion"
link "libquipu.so.$soversion" lib/libquipu.so
for file in "$build"/plugins/*.so; do
    put 755 "$file" "lib/quipu/plugins/${file##*/}"
done
for folder in plugin_api host_shim/include; do
    for file in $(cd $folder && find . -name '*.h' | sed 's|^\./||'); do
        put 644 "$folder/$file" "include/$file"
    done
done
sed -e "s|@PREFIX@|$prefix|" -e "s|@VERSION@|$version|" packaging/quipu.pc.in >"$build/quipu.pc" || exit 1
put 644 "$build/quipu.pc" lib/pkgconfig/quipu.pc
# For authors of plugins: the headers of the sdk, its archives, the version script.
for file in $(find plugins/sdk base -maxdepth 1 -name '*.h') storage_git/os.h; do
    put 644 "$file" "include/quipu-sdk/${file#plugins/}"
done
put 644 "$build/lib/libsdk.a" lib/quipu/sdk/libquipu_sdk.a
put 644 "$build/lib/libbase.a" lib/quipu/sdk/libquipu_base.a
put 644 plugins/sdk/plugin.map lib/quipu/sdk/plugin.map
sed -e "s|@PREFIX@|$prefix|; s|@INCLUDES@|\${prefix}/include|; s|@LIBDIR@|\${prefix}/lib/quipu/sdk|; s|@MAP@|\${libdir}/plugin.map|" \
    -e "s|@VERSION@|$version|; s|@LIBS@|-L\${libdir} -lquipu_sdk -lquipu_base $SDK_LIBS|" \
    -e "s|@CFLAGS@|-I\${includedir} -I\${includedir}/quipu-sdk|" packaging/quipu-sdk.pc.in >"$build/quipu-sdk.pc" || exit 1
put 644 "$build/quipu-sdk.pc" lib/pkgconfig/quipu-sdk.pc
if [ -d "$build/share" ]; then
    for file in $(cd "$build/share" && find man bash-completion zsh fish -type f 2>/dev/null); do
        put 644 "$build/share/$file" "share/$file"
    done
fi
for file in LICENSE NOTICE; do
    [ ! -e "$file" ] || put 644 "$file" "share/doc/quipu/$file"
done
if [ "$undo" ]; then
    rmdir "$root/include/quipu-sdk/sdk" "$root/include/quipu-sdk/base" "$root/include/quipu-sdk/storage_git" "$root/include/quipu-sdk" \
        "$root/lib/quipu/sdk" "$root/lib/quipu/plugins" "$root/lib/quipu" "$root/include/quipu/ext" "$root/include/quipu" \
        "$root/share/doc/quipu" 2>/dev/null
    echo "uninstalled quipu $version from $root"
else
    echo "installed quipu $version in $root"
fi

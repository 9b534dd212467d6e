#!/bin/sh
# Installs what is needed to build and test Quipu, where something is missing; does nothing, quickly, where all is there.
#
# Debian and Ubuntu: through apt-get (with sudo where not root), saying so first. QUIPU_NO_INSTALL=1, or a system with
# another package manager: prints the command to run and answers 1.

debian="gcc make pkg-config libgit2-dev libcjson-dev libopenblas-dev libssl-dev libdeflate-dev libstemmer-dev libutf8proc-dev libsqlite3-dev libpq-dev libcurl4-openssl-dev libmicrohttpd-dev libcmocka-dev
 libc6-dev git python3 python3-numpy"
fedora="gcc make pkgconf-pkg-config libgit2-devel cjson-devel openblas-devel openssl-devel libdeflate-devel
 libstemmer-devel utf8proc-devel sqlite-devel libpq-devel libcurl-devel libmicrohttpd-devel libcmocka-devel git python3-numpy"
alpine="gcc musl-dev make pkgconf libgit2-dev cjson-dev openblas-dev openssl-dev libdeflate-dev libstemmer-dev utf8proc-dev sqlite-dev libpq-dev curl-dev libmicrohttpd-dev cmocka-dev
 git python3 py3-numpy"
arch="gcc make pkgconf libgit2 cjson openblas cblas openssl libdeflate snowball libutf8proc sqlite postgresql-libs curl libmicrohttpd cmocka git python-numpy"
macos="pkg-config libgit2 cjson openblas openssl@3 libdeflate snowball utf8proc sqlite libpq curl libmicrohttpd cmocka numpy"

# libpq is optional (the backend "postgres"): it is installed with the rest, and nobody is kept waiting for it where it is missing.
headers="git2.h cjson/cJSON.h cblas.h openssl/evp.h libdeflate.h libstemmer.h utf8proc.h sqlite3.h curl/curl.h cmocka.h"
optional="microhttpd.h" # for `quipu serve`; all else is built without it
compiler=${CC:-cc}

# Words on one line, so that a list can be printed and copied.
line() { echo $1; }

# The compiler sees every header at once; only where that fails they are tried one by one, to name what is missing.
# cblas.h has a folder of its own on some systems, which pkg-config knows; cmocka.h wants four others before it.
preprocess() {
    {
        printf '#include <stdarg.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <setjmp.h>\n'
        for header in "$@"; do
            echo "#include <$header>"
        done
    } | $compiler $(pkg-config --cflags openblas 2>/dev/null) -E -x c - -o /dev/null 2>/dev/null
}

list_missing() {
    for tool in $compiler make git; do
        command -v "$tool" >/dev/null 2>&1 || echo "$tool"
    done
    preprocess $headers $optional && return
    for header in $headers; do
        preprocess "$header" || echo "$header"
    done
}

list_missing_optional() {
    for header in $optional; do
        preprocess "$header" || echo "$header"
    done
}

# The command that this system's owner would type, or nothing for a system that is not known.
install_command() {
    if command -v apt-get >/dev/null 2>&1; then
        echo "apt-get install -y --no-install-recommends $(line "$debian")"
    elif command -v dnf >/dev/null 2>&1; then
        echo "dnf install -y $(line "$fedora")"
    elif command -v apk >/dev/null 2>&1; then
        echo "apk add $(line "$alpine")"
    elif command -v pacman >/dev/null 2>&1; then
        echo "pacman -S --needed $(line "$arch")"
    elif command -v brew >/dev/null 2>&1; then
        echo "brew install $(line "$macos")"
    fi
}

# How to become root: nothing, sudo, or a failure where there is no way without a person.
find_sudo() {
    sudo=
    [ "$(id -u)" -eq 0 ] && return 0
    command -v sudo >/dev/null 2>&1 || return 1
    sudo=sudo
    sudo -n true 2>/dev/null || [ -t 0 ]
}

explain() {
    echo "setup: missing: $(line "$missing")" >&2
    command=$(install_command)
    if [ "$command" ]; then
        [ "$(id -u)" -eq 0 ] || [ "${command%% *}" = brew ] || command="sudo $command"
        echo "setup: to install what Quipu needs, run:" >&2
        echo "    $command" >&2
    else
        echo "setup: install these with your package manager: a C compiler, make, git, libgit2, cJSON, OpenBLAS," >&2
        echo "       libcrypto (OpenSSL), libdeflate, libstemmer (Snowball), utf8proc, libcurl, cmocka" >&2
    fi
    exit 1
}

apt() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q "$@"; }

install_debian() {
    echo "setup: missing: $(line "$missing")"
    echo "setup: installing through apt-get${sudo:+ with sudo}: $(line "$debian")"
    # Lists that are absent or old name packages that the server no longer has: fetch them, then try once more.
    if [ -z "$(apt-cache search --names-only '^libgit2-dev$' 2>/dev/null)" ]; then
        apt update || return 1
    fi
    apt install -y --no-install-recommends $debian ||
        { apt update && apt install -y --no-install-recommends $debian; }
}

missing=$(list_missing)
if [ -z "$missing" ]; then
    missing=$(list_missing_optional)
    [ "$missing" ] || exit 0
    # What can be done without is installed where that asks nobody anything, and only mentioned elsewhere.
    if [ -z "$QUIPU_NO_INSTALL" ] && command -v apt-get >/dev/null 2>&1 && find_sudo </dev/null && install_debian; then
        exit 0
    fi
    echo "setup: building without $(line "$missing"): quipu serve will not be there" >&2
    exit 0
fi
[ -z "$QUIPU_NO_INSTALL" ] || explain
command -v apt-get >/dev/null 2>&1 || explain
find_sudo || explain
install_debian || { echo "setup: apt-get failed; what it said stands above" >&2 && exit 1; }
missing=$(list_missing)
[ -z "$missing" ] || explain

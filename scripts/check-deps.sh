#!/bin/sh
# Checks who may include whom (docs/architecture.md): check-deps.sh [ROOT]. Names each violation; exit status 1 where there is one.
# Tests may include everything, and are not looked at.
cd "${1:-$(dirname "$0")/..}" || exit 2

list=$(mktemp) || exit 1
trap 'rm -f "$list"' EXIT
find plugin_api base storage_git plugins host_shim examples bench -name '*.[ch]' 2>/dev/null | LC_ALL=C sort >"$list"
[ -s "$list" ] || { echo "check-deps.sh: no C files here" >&2 && exit 2; }

xargs grep -n '^[ 	]*#[ 	]*include' /dev/null <"$list" | awk '
    function refuse(rule) {
        print place ": includes " name ": " rule
        bad = 1
    }

    # The part of the house that an include leads to: the folder that it names, "own" for a sibling, "system" for the rest.
    function part_of(name) {
        if (name ~ /^quipu\//) return "plugin_api"
        if (name == "quipu.h") return "shim"
        if (name ~ /^base\//) return "base"
        if (name ~ /^sdk\//) return "sdk"
        if (name ~ /^storage_git\//) return "storage_git"
        if (name ~ /^(core|cli|memory|serve|host_shim)\//) return "shim_inside"
        if (name ~ /^plugins\// || name ~ /^(git|json|sqlite|postgres|mem0|embed_[a-z]+)\//) return "plugin"
        return quoted ? "own" : "system"
    }

    function check_house(owner, to) {
        if (owner == "shim" && name ~ /^\.\.\/(core|cli|memory|serve|validate)\/[a-z_]+\.h$/)
            return
        if (name ~ /^\.\.\// && owner != "plugin_api")
            refuse("name the folder (<base/...>), do not climb")
        if (to == "own" || to == "system")
            return
        if (owner == "plugin_api" && !(to == "plugin_api"))
            refuse("plugin_api depends on nothing")
        else if (owner == "base" && to !~ /^(plugin_api|base)$/)
            refuse("base depends on plugin_api only")
        else if (owner == "storage_git" && to !~ /^(plugin_api|base|storage_git)$/)
            refuse("storage_git knows plugin_api and base only")
        else if (owner == "sdk" && to !~ /^(plugin_api|base|sdk)$/ && name != "storage_git/os.h")
            refuse("the sdk knows plugin_api, base and storage_git/os.h only")
        else if (owner == "plugin" && to ~ /^shim/)
            refuse("a plugin never includes a header of host_shim")
        else if (owner == "plugin" && to == "plugin" && name !~ ("^(plugins/)?" folder "/"))
            refuse("a plugin never includes a header of another plugin; what several need lives in plugins/sdk")
        else if (owner == "plugin" && to == "storage_git" && folder != "git" && name != "storage_git/os.h")
            refuse("only plugins/git stands on storage_git")
        else if (owner == "shim" && (to == "plugin" || (to == "storage_git" && name != "storage_git/os.h")))
            refuse("host_shim never includes a header of a plugin, and of storage_git only os.h")
        else if (owner == "shim" && to == "sdk" && name !~ /^sdk\/(json|record|filter|model\/model_folder)\.h$/)
            refuse("of the sdk, host_shim may include json.h, record.h, filter.h and model/model_folder.h only")
        else if (file ~ /^host_shim\/serve\/http\// && name ~ /^serve\// && name !~ /^serve\/http\//)
            refuse("the server knows no wire")
        else if (owner == "examples" && to !~ /^(plugin_api|shim|base|sdk)$/)
            refuse("an example uses public headers and the sdk for plugin authors")
    }

    function check_libraries() {
        if (name ~ /^git2(\.h|\/)/ && file !~ /^(storage_git|bench)\//)
            refuse("git2.h only under storage_git/, and in bench/ as a peer")
        if (name == "cblas.h" && file !~ /^(plugins\/(sdk|embed_[a-z]+)|bench)\//)
            refuse("cblas.h only under plugins/sdk/, in an embedder, and in bench/ as a peer")
        if (name == "dlfcn.h" && file != "host_shim/core/loader.c" && owner != "examples")
            refuse("dlfcn.h only in host_shim/core/loader.c")
        if (name ~ /^curl\// && file !~ /^plugins\/sdk\/http\//)
            refuse("libcurl only under plugins/sdk/http/; use sdk/http.h")
        if (name == "microhttpd.h" && file != "host_shim/serve/http/web_server.c")
            refuse("libmicrohttpd only in host_shim/serve/http/web_server.c")
        if (name == "sqlite3.h" && file !~ /^(plugins\/sqlite|bench)\//)
            refuse("sqlite3.h only under plugins/sqlite/, and in bench/ as a peer")
        if (name == "libpq-fe.h" && file !~ /^plugins\/postgres\//)
            refuse("libpq-fe.h only under plugins/postgres/")
    }

    {
        split($0, parts, ":")
        file = parts[1]
        place = parts[1] ":" parts[2]
        quoted = ($0 ~ /include[ \t]*"/)
        name = $0
        sub(/^.*include[ \t]*["<]/, "", name)
        sub(/[">].*/, "", name)
        split(file, steps, "/")
        folder = steps[2]
        owner = steps[1] == "plugins" ? (folder == "sdk" ? "sdk" : "plugin") : steps[1] == "host_shim" ? "shim" : steps[1]
        if (owner != "bench")
            check_house(owner, part_of(name))
        check_libraries()
        count++
    }

    END {
        if (!bad)
            print count " includes keep the rules"
        exit bad
    }'

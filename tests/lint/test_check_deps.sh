# The dependency rules: each forbidden include is found in a copy of the house, and an allowed one is not.
source=${SOURCE:-$PWD}
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

check() { # FILE INCLUDE
    rm -rf "$work/house"
    mkdir -p "$work/house/$(dirname "$1")"
    printf '#include <stdint.h>\n#include %s\n' "$2" >"$work/house/$1"
    sh "$source/scripts/check-deps.sh" "$work/house" >"$work/out" 2>&1
}

refused() { # NAME FILE INCLUDE
    ! check "$2" "$3" && grep -q "$2:2: includes" "$work/out"
    report $? "$1"
}

allowed() { # NAME FILE INCLUDE
    check "$2" "$3"
    report $? "$1"
}

sh "$source/scripts/check-deps.sh" >"$work/out" 2>&1
report $? "the_house_keeps_its_rules"

refused "plugin_api_includes_nothing_of_the_house" plugin_api/quipu/base.h '<base/buffer.h>'
refused "base_does_not_include_the_sdk" base/buffer.c '<sdk/json.h>'
refused "storage_git_knows_no_records" storage_git/pack.c '<sdk/record.h>'
refused "the_sdk_knows_of_storage_git_the_file_operations_only" plugins/sdk/derived/derived.c '<storage_git/pack.h>'
allowed "the_sdk_may_use_the_file_operations" plugins/sdk/derived/derived.c '<storage_git/os.h>'
refused "a_plugin_does_not_include_the_public_header_of_the_shim" plugins/git/git.c '<quipu.h>'
refused "a_plugin_does_not_include_inner_headers_of_the_shim" plugins/git/git.c '"host_shim/core/slot.h"'
refused "a_plugin_does_not_include_another_plugin" plugins/memory/memory.c '<git/git.h>'
refused "only_the_git_plugin_stands_on_storage_git" plugins/memory/memory.c '<storage_git/commits.h>'
allowed "the_git_plugin_stands_on_storage_git" plugins/git/git.c '<storage_git/commits.h>'
refused "the_shim_does_not_include_a_plugin" host_shim/core/slot.c '"plugins/git/git.h"'
refused "the_shim_does_not_include_storage_git" host_shim/core/slot.c '<storage_git/refs.h>'
allowed "the_shim_may_use_the_file_operations" host_shim/core/store.c '<storage_git/os.h>'
refused "the_shim_uses_three_headers_of_the_sdk" host_shim/core/slot.c '<sdk/record_index.h>'
allowed "the_shim_may_use_the_record_codec" host_shim/core/slot.c '<sdk/record.h>'
refused "git2_stays_in_storage_git" plugins/git/git.c '<git2.h>'
refused "a_part_of_git2_stays_in_storage_git" plugins/git/git.c '<git2/oid.h>'
allowed "storage_git_uses_git2" storage_git/commits.c '<git2.h>'
refused "cblas_stays_in_the_sdk" plugins/memory/memory.c '<cblas.h>'
allowed "the_sdk_uses_cblas" plugins/sdk/search/vectors.c '<cblas.h>'
refused "dlfcn_stays_in_the_loader" host_shim/core/slot.c '<dlfcn.h>'
allowed "the_loader_uses_dlfcn" host_shim/core/loader.c '<dlfcn.h>'
refused "libmicrohttpd_stays_in_one_file" host_shim/serve/http/serve.c '<microhttpd.h>'
allowed "the_web_server_stands_on_libmicrohttpd" host_shim/serve/http/web_server.c '<microhttpd.h>'
refused "the_server_knows_no_wire" host_shim/serve/http/router.c '<serve/mem0/mem0.h>'
allowed "a_wire_stands_on_the_server" host_shim/serve/mem0/oss.c '<serve/http/serve.h>'
refused "libcurl_stays_behind_the_sdk" plugins/embed_openai/request.c '<curl/curl.h>'
allowed "the_sdks_client_stands_on_libcurl" plugins/sdk/http/http_curl.c '<curl/curl.h>'
refused "sqlite_stays_in_its_plugin" plugins/git/git.c '<sqlite3.h>'
refused "libpq_stays_in_its_plugin" plugins/sqlite/read.c '<libpq-fe.h>'
refused "no_include_climbs_out_of_its_folder" host_shim/core/slot.c '"../../plugins/git/git.h"'
allowed "parts_of_the_shim_may_include_each_other" host_shim/validate/probe.c '"../core/check.h"'
refused "an_example_uses_no_inner_header" examples/tiny_backend.c '<storage_git/refs.h>'

echo "1..$number"

/* web_server_none.c - in the place of web_server.c in a build without libmicrohttpd: says what is missing. */
#ifndef HAVE_MICROHTTPD
#include "web_server.h"

#include <base/fail.h>

bool web_server_is_built(void)
{
    return false;
}

int32_t web_server_start(const web_server_options *options, serve *s, web_server **out, quipu_error *error)
{
    (void)options, (void)s;
    *out = NULL;
    return fail(error, QUIPU_E_UNSUPPORTED, NULL,
                "this program was built without libmicrohttpd: install it (Debian: libmicrohttpd-dev) and build again");
}

uint16_t web_server_port(const web_server *w)
{
    (void)w;
    return 0;
}

void web_server_tick(web_server *w)
{
    (void)w;
}

uint64_t web_server_stop(web_server *w, uint32_t drain_ms)
{
    (void)w, (void)drain_ms;
    return 0;
}
#else
typedef int web_server_is_there; /* no empty file */
#endif

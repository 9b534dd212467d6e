/* fuzz_credentials.c - a line of git's credential store, after the first NUL byte an address: a password is for the scheme and the host
 * that the line names, and for no other. */
#include "fuzz.h"

#include <storage_git/credentials.h>

static quipu_str host_of(quipu_str rest)
{
    const char *slash = rest.len ? memchr(rest.ptr, '/', (size_t)rest.len) : NULL;
    return slash ? str_make(rest.ptr, (size_t)(slash - rest.ptr)) : rest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    quipu_str part = fuzz_part(&data, &size, 0), scheme, info, rest, asked, asked_info, place;
    char *line = fuzz_copy(part.ptr, (size_t)part.len), *url = fuzz_copy(data, size);
    buffer user = { 0 }, password = { 0 };
    quipu_str stored = str_make(line, (size_t)part.len), wanted = str_make(url, size);
    if (credentials_of_line(stored, wanted, &user, &password)) {
        PROMISE(credentials_split(stored, &scheme, &info, &rest) &&
                credentials_split(wanted, &asked, &asked_info, &place));
        PROMISE(str_same(scheme, asked) && info.ptr && rest.len);
        PROMISE(str_same(host_of(rest), host_of(place)));
        PROMISE(!user.len || !memchr(user.bytes, '\n', user.len));
        PROMISE(!password.len || !memchr(password.bytes, '\0', password.len));
    }
    buffer_free(&user);
    buffer_free(&password);
    free(line);
    free(url);
    return 0;
}

/* test_network.c - transfers with a machine that is silent end in time, in the caller's way; and which password is for whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <storage_git/credentials.h>
#include <storage_git/git_store.h>
#include <storage_git/remote.h>
#include <sys/socket.h>
#include <tests/support/scratch.h>
#include <time.h>
#include <unistd.h>

static char folder[128];
static quipu_error error = { .struct_size = sizeof error };
static git_store *store;
static object_id tip;
static int listener;
static char address[80]; /* where somebody takes connections, and says nothing */

static int begin(void **state)
{
    struct sockaddr_in place = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof place;
    git_store_options options = { .durable = false };
    bool made;
    char path[200];
    (void)state;
    objects_library_begin();
    scratch_make(folder);
    snprintf(path, sizeof path, "%s/s", folder);
    assert_int_equal(git_store_open(path, &options, &store, &made, &error), QUIPU_OK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&place, sizeof place), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&place, &len), 0);
    snprintf(address, sizeof address, "git://127.0.0.1:%u/x", (unsigned)ntohs(place.sin_port));
    return 0;
}

static int end(void **state)
{
    (void)state;
    close(listener); /* the abandoned transfers end with it */
    git_store_close(store);
    scratch_remove(folder);
    return 0;
}

static int32_t try_fetch(const remote_call *how)
{
    remote there;
    objects *from;
    assert_int_equal(remote_find(store, str_of(address), &there, &error), QUIPU_OK);
    int32_t code = remote_fetch(store, &there, "refs/heads/main", how, &from, &tip, &error);
    remote_free(&there);
    return code;
}

static void the_deadline_holds_while_the_other_side_is_silent(void **state)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    quipu_call call = { .struct_size = sizeof call,
                        .deadline_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec + 200000000 };
    remote_call how = { .call = &call };
    (void)state;
    assert_int_equal(try_fetch(&how), QUIPU_E_TIMEOUT);
    assert_int_equal(error.code, QUIPU_E_TIMEOUT);
}

static void a_cancelled_transfer_ends_while_the_other_side_is_silent(void **state)
{
    quipu_cancel cancel = { .struct_size = sizeof cancel, .fd = -1, .flag = 1 };
    quipu_call call = { .struct_size = sizeof call, .cancel = &cancel };
    remote_call how = { .call = &call };
    (void)state;
    assert_int_equal(try_fetch(&how), QUIPU_E_CANCELLED);
}

static void patience_ends(void **state)
{
    remote_call how = { .patience_ms = 1 };
    (void)state;
    assert_int_equal(try_fetch(&how), QUIPU_E_NETWORK);
    assert_non_null(strstr(error.message, "said nothing"));
}

static void nothing_was_sent_so_a_push_that_is_given_up_is_certain(void **state)
{
    remote there;
    bool refused;
    remote_call how = { .patience_ms = 1 };
    (void)state;
    assert_int_equal(remote_find(store, str_of(address), &there, &error), QUIPU_OK);
    assert_int_equal(remote_push(store, &there, "refs/heads/main", &tip, &how, &refused, &error), QUIPU_E_NETWORK);
    assert_false(refused);
    remote_free(&there);
}

/* "user password" for the address, or "" where the line is not about it. */
static void assert_shown(const char *line, const char *url, const char *expected)
{
    buffer user = { 0 }, password = { 0 };
    char both[100] = "";
    if (credentials_of_line(str_of(line), str_of(url), &user, &password))
        snprintf(both, sizeof both, "%s %s", user.bytes ? user.bytes : "", password.bytes ? password.bytes : "");
    assert_string_equal(both, expected);
    buffer_free(&user);
    buffer_free(&password);
}

static void a_stored_password_is_for_its_host_alone(void **state)
{
    (void)state;
    assert_shown("https://ruth:a%3Ab@example.org", "https://example.org/m.git", "ruth a:b");
    assert_shown("https://ruth:x@example.org/", "https://example.org/m.git", "ruth x");
    assert_shown("https://ruth:x@example.org/m.git", "https://example.org/m.git", "ruth x");
    assert_shown("https://ruth:x@example.org/m.git", "https://example.org/m.git.evil", "");
    assert_shown("https://ruth:x@example.org/m", "https://example.org/m/n", "");
    assert_shown("https://ruth:x@example.org", "https://example.org.evil/m.git", "");
    assert_shown("https://ruth:x@example.org", "https://example.org:444/m.git", "");
    assert_shown("https://ruth:x@example.org", "http://example.org/m.git", "");
    assert_shown("https://ruth:x@", "https://example.org/m.git", "");
    assert_shown("https://ruth@example.org", "https://example.org/m.git", "");
    assert_shown("https://ruth:a%0Ab@example.org", "https://example.org/m.git", "");
    assert_shown("https://ruth:a%2@example.org", "https://example.org/m.git", "");
}

static void assert_found(const char *url, const char *shown, const char *handed, const char *user, const char *password)
{
    remote r;
    assert_int_equal(remote_find(store, str_of(url), &r, &error), QUIPU_OK);
    assert_string_equal(r.shown, shown);
    assert_string_equal(r.url, handed);
    assert_string_equal(r.user ? r.user : "none", user);
    assert_string_equal(r.password ? r.password : "none", password);
    remote_free(&r);
}

static void what_libgit2_is_handed_has_no_password(void **state)
{
    (void)state;
    assert_found("https://me:s%40x@example.org/m", "https://example.org/m", "https://example.org/m", "me", "s@x");
    assert_found("https://token@example.org/m", "https://example.org/m", "https://example.org/m", "token", "");
    assert_found("ssh://me:secret@example.org/m", "ssh://example.org/m", "ssh://me@example.org/m", "me", "secret");
    assert_found("https://example.org/a@b", "https://example.org/a@b", "https://example.org/a@b", "none", "none");
    assert_found("me@example.org:m", "me@example.org:m", "me@example.org:m", "none", "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_deadline_holds_while_the_other_side_is_silent, begin, end),
        cmocka_unit_test_setup_teardown(a_cancelled_transfer_ends_while_the_other_side_is_silent, begin, end),
        cmocka_unit_test_setup_teardown(patience_ends, begin, end),
        cmocka_unit_test_setup_teardown(nothing_was_sent_so_a_push_that_is_given_up_is_certain, begin, end),
        cmocka_unit_test(a_stored_password_is_for_its_host_alone),
        cmocka_unit_test_setup_teardown(what_libgit2_is_handed_has_no_password, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

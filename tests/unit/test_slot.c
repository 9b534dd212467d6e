/* test_slot.c - entering, leaving and exchanging what is in the slot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <host_shim/core/slot.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define THREADS 4
#define SWAPS 300

/* Stands for a backend: the slot never looks into it. */
typedef struct fake {
    atomic_int alive;
} fake;

static const quipu_backend_api api = { .struct_size = sizeof api };

static quipu_backend *as_backend(fake *f)
{
    return (quipu_backend *)(void *)f;
}

static int64_t soon(int64_t ns)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec + ns;
}

static void shut_slot_lets_nobody_in(void **state)
{
    slot s = { .all = NULL };
    atomic_uint_fast64_t *inside;
    (void)state;
    assert_null(slot_enter(&s, &inside));
    assert_int_equal(slot_publish(&s, NULL, NULL, 0, NULL, NULL), QUIPU_OK);
    assert_null(slot_enter(&s, &inside));
    slot_end(&s);
}

static void a_caller_gets_what_was_published(void **state)
{
    slot s = { .all = NULL };
    fake f = { 1 };
    atomic_uint_fast64_t *inside;
    slot_generation *old;
    (void)state;
    assert_int_equal(slot_publish(&s, &api, as_backend(&f), 0, &old, NULL), QUIPU_OK);
    assert_null(old);
    const slot_generation *g = slot_enter(&s, &inside);
    assert_non_null(g);
    assert_ptr_equal(g->api, &api);
    assert_ptr_equal(g->self, as_backend(&f));
    slot_leave(inside);
    assert_int_equal(slot_publish(&s, NULL, NULL, 0, &old, NULL), QUIPU_OK);
    assert_ptr_equal(old, g);
    slot_end(&s);
}

static void publishing_waits_for_calls_inside_until_its_deadline(void **state)
{
    slot s = { .all = NULL };
    fake first = { 1 }, second = { 1 };
    atomic_uint_fast64_t *inside, *later;
    slot_generation *old;
    quipu_error error = { .struct_size = sizeof error };
    (void)state;
    slot_publish(&s, &api, as_backend(&first), 0, NULL, NULL);
    const slot_generation *held = slot_enter(&s, &inside);
    assert_int_equal(slot_publish(&s, &api, as_backend(&second), soon(2000000), &old, &error), QUIPU_E_TIMEOUT);
    assert_int_equal(error.code, QUIPU_E_TIMEOUT);
    assert_ptr_equal(old, held);
    const slot_generation *g = slot_enter(&s, &later); /* new calls go to the new one all the same */
    assert_ptr_equal(g->self, as_backend(&second));
    slot_leave(later);
    assert_int_equal(slot_drain(old, soon(2000000), &error), QUIPU_E_TIMEOUT);
    slot_leave(inside);
    assert_int_equal(slot_drain(old, soon(2000000), &error), QUIPU_OK);
    slot_publish(&s, NULL, NULL, 0, NULL, NULL);
    slot_end(&s);
}

static void a_caller_that_comes_late_is_sent_on(void **state)
{
    slot s = { .all = NULL };
    fake first = { 1 }, second = { 1 };
    atomic_uint_fast64_t *inside = NULL;
    slot_generation *seen;
    (void)state;
    slot_publish(&s, &api, as_backend(&first), 0, NULL, NULL);
    seen = atomic_load(&s.current); /* a caller has looked, and sleeps; meanwhile: */
    slot_publish(&s, &api, as_backend(&second), 0, NULL, NULL);
    assert_false(slot_try(&s, seen, 3, &inside));
    assert_null(inside);
    assert_int_equal(slot_drain(seen, soon(2000000), NULL), QUIPU_OK);
    assert_true(slot_try(&s, atomic_load(&s.current), 3, &inside));
    slot_leave(inside);
    slot_publish(&s, NULL, NULL, 0, NULL, NULL);
    slot_end(&s);
}

typedef struct crowd {
    slot s;
    atomic_int stop;
    atomic_long calls, dead;
} crowd;

static void *hammer(void *context)
{
    crowd *c = context;
    long calls = 0, dead = 0;
    while (!atomic_load(&c->stop)) {
        atomic_uint_fast64_t *inside;
        const slot_generation *g = slot_enter(&c->s, &inside);
        if (!g)
            continue;
        fake *f = (fake *)(void *)g->self;
        dead += !atomic_load_explicit(&f->alive, memory_order_relaxed);
        calls++;
        slot_leave(inside);
    }
    atomic_fetch_add(&c->calls, calls);
    atomic_fetch_add(&c->dead, dead);
    return NULL;
}

/* Each backend is freed as soon as publishing returns: a caller still inside would be seen here and by the sanitizers. */
static void nobody_is_inside_a_backend_that_was_exchanged(void **state)
{
    crowd c = { .stop = 0 };
    pthread_t threads[THREADS];
    fake *current = calloc(1, sizeof *current);
    (void)state;
    atomic_store(&current->alive, 1);
    slot_publish(&c.s, &api, as_backend(current), 0, NULL, NULL);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &c), 0);
    for (int i = 0; i < SWAPS; i++) {
        fake *next = calloc(1, sizeof *next);
        atomic_store(&next->alive, 1);
        assert_int_equal(slot_publish(&c.s, &api, as_backend(next), 0, NULL, NULL), QUIPU_OK);
        atomic_store_explicit(&current->alive, 0, memory_order_relaxed);
        free(current);
        current = next;
    }
    atomic_store(&c.stop, 1);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&c.dead), 0);
    slot_publish(&c.s, NULL, NULL, 0, NULL, NULL);
    free(current);
    slot_end(&c.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shut_slot_lets_nobody_in),
        cmocka_unit_test(a_caller_gets_what_was_published),
        cmocka_unit_test(publishing_waits_for_calls_inside_until_its_deadline),
        cmocka_unit_test(a_caller_that_comes_late_is_sent_on),
        cmocka_unit_test(nobody_is_inside_a_backend_that_was_exchanged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

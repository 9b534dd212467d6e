/* cpu.c - see cpu.h. Numbers of leaves and bits: Intel 64 and IA-32 Architectures Software Developer's Manual, CPUID and XGETBV. */
#include "cpu.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <stdatomic.h>

enum { ASKED = 1, AVX2 = 2, AVX512 = 4 };

/* Which registers the system saves when it switches threads. */
static unsigned saved_registers(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static int ask(void)
{
    unsigned a, b, c, d, saved;
    int has = ASKED;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_FMA))
        return has;
    saved = saved_registers();
    if ((saved & 0x6) != 0x6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) /* XMM and YMM */
        return has;
    if (b & bit_AVX2)
        has |= AVX2;
    if (has & AVX2 && b & bit_AVX512F && b & bit_AVX512BW && (saved & 0xe6) == 0xe6) /* and ZMM */
        has |= AVX512;
    return has;
}

/* Asked once: a virtual machine answers slowly. */
static int features(void)
{
    static atomic_int known;
    int has = atomic_load_explicit(&known, memory_order_relaxed);
    if (!has) {
        has = ask();
        atomic_store_explicit(&known, has, memory_order_relaxed);
    }
    return has;
}

bool cpu_has_avx2(void)
{
    return features() & AVX2;
}

bool cpu_has_avx512(void)
{
    return features() & AVX512;
}

#else

bool cpu_has_avx2(void)
{
    return false;
}

bool cpu_has_avx512(void)
{
    return false;
}

#endif

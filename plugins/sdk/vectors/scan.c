/* scan.c - see scan.h. Functions for a kind of processor are compiled for it alone, and called only where it is there. */
#include "scan.h"

#include <base/cpu.h>

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

static void scan_scalar(const uint8_t *block, const uint8_t *table, uint32_t groups, uint16_t sums[CODES_ROWS])
{
    memset(sums, 0, CODES_ROWS * sizeof sums[0]);
    for (uint32_t g = 0; g < groups; g++, block += 16, table += 16)
        for (uint32_t j = 0; j < 16; j++) {
            sums[j] = (uint16_t)(sums[j] + table[block[j] & 15]);
            sums[j + 16] = (uint16_t)(sums[j + 16] + table[block[j] >> 4]);
        }
}

#if defined(__x86_64__)

/* Bytes are added as 16-bit pairs: `pairs` gathers even bytes plus 256 times the odd ones, `odd` the odd ones alone; what
 * overflows in `pairs` is taken off again at the end. */
typedef struct sums256 {
    __m256i pairs, odd;
} sums256;

__attribute__((target("avx2"))) static inline void add256(sums256 *s, __m256i bytes)
{
    s->pairs = _mm256_add_epi16(s->pairs, bytes);
    s->odd = _mm256_add_epi16(s->odd, _mm256_srli_epi16(bytes, 8));
}

/* Both halves hold sums of the same 16 rows, of different groups. */
__attribute__((target("avx2"))) static inline void store256(sums256 s, uint16_t *sums)
{
    __m256i even = _mm256_sub_epi16(s.pairs, _mm256_slli_epi16(s.odd, 8));
    __m128i evens = _mm_add_epi16(_mm256_castsi256_si128(even), _mm256_extracti128_si256(even, 1));
    __m128i odds = _mm_add_epi16(_mm256_castsi256_si128(s.odd), _mm256_extracti128_si256(s.odd, 1));
    _mm_storeu_si128((__m128i *)sums, _mm_unpacklo_epi16(evens, odds));
    _mm_storeu_si128((__m128i *)(sums + 8), _mm_unpackhi_epi16(evens, odds));
}

__attribute__((target("avx2"))) static void scan_avx2(const uint8_t *block, const uint8_t *table, uint32_t groups,
                                                      uint16_t sums[CODES_ROWS])
{
    const __m256i mask = _mm256_set1_epi8(15);
    sums256 low = { _mm256_setzero_si256(), _mm256_setzero_si256() }, high = low;
    for (uint32_t g = 0; g < groups; g += 2, block += 32, table += 32) {
        __m256i codes = _mm256_loadu_si256((const __m256i *)block);
        __m256i values = _mm256_loadu_si256((const __m256i *)table);
        add256(&low, _mm256_shuffle_epi8(values, _mm256_and_si256(codes, mask)));
        add256(&high, _mm256_shuffle_epi8(values, _mm256_and_si256(_mm256_srli_epi16(codes, 4), mask)));
    }
    store256(low, sums);
    store256(high, sums + 16);
}

#define AVX512 __attribute__((target("avx512f,avx512bw,avx2")))

AVX512 static inline sums256 fold512(__m512i pairs, __m512i odd)
{
    return (sums256){ _mm256_add_epi16(_mm512_castsi512_si256(pairs), _mm512_extracti64x4_epi64(pairs, 1)),
                      _mm256_add_epi16(_mm512_castsi512_si256(odd), _mm512_extracti64x4_epi64(odd, 1)) };
}

AVX512 static void scan_avx512(const uint8_t *block, const uint8_t *table, uint32_t groups, uint16_t sums[CODES_ROWS])
{
    const __m512i mask = _mm512_set1_epi8(15);
    __m512i low = _mm512_setzero_si512(), low_odd = low, high = low, high_odd = low;
    for (uint32_t g = 0; g < groups; g += 4, block += 64, table += 64) {
        __m512i codes = _mm512_loadu_si512(block);
        __m512i values = _mm512_loadu_si512(table);
        __m512i a = _mm512_shuffle_epi8(values, _mm512_and_si512(codes, mask));
        __m512i b = _mm512_shuffle_epi8(values, _mm512_and_si512(_mm512_srli_epi16(codes, 4), mask));
        low = _mm512_add_epi16(low, a);
        low_odd = _mm512_add_epi16(low_odd, _mm512_srli_epi16(a, 8));
        high = _mm512_add_epi16(high, b);
        high_odd = _mm512_add_epi16(high_odd, _mm512_srli_epi16(b, 8));
    }
    store256(fold512(low, low_odd), sums);
    store256(fold512(high, high_odd), sums + 16);
}

#elif defined(__aarch64__)

static void scan_neon(const uint8_t *block, const uint8_t *table, uint32_t groups, uint16_t sums[CODES_ROWS])
{
    const uint8x16_t mask = vdupq_n_u8(15);
    uint16x8_t sum[4] = { vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0) };
    for (uint32_t g = 0; g < groups; g++, block += 16, table += 16) {
        uint8x16_t codes = vld1q_u8(block), values = vld1q_u8(table);
        uint8x16_t low = vqtbl1q_u8(values, vandq_u8(codes, mask)), high = vqtbl1q_u8(values, vshrq_n_u8(codes, 4));
        sum[0] = vaddw_u8(sum[0], vget_low_u8(low));
        sum[1] = vaddw_high_u8(sum[1], low);
        sum[2] = vaddw_u8(sum[2], vget_low_u8(high));
        sum[3] = vaddw_high_u8(sum[3], high);
    }
    for (int i = 0; i < 4; i++)
        vst1q_u16(sums + 8 * i, sum[i]);
}

#endif

scan_choice scan_runnable(int i)
{
    scan_choice all[4];
    int count = 0;
    memset(all, 0, sizeof all);
#if defined(__x86_64__)
    if (cpu_has_avx512())
        all[count++] = (scan_choice){ "avx512", scan_avx512 };
    if (cpu_has_avx2())
        all[count++] = (scan_choice){ "avx2", scan_avx2 };
#elif defined(__aarch64__)
    all[count++] = (scan_choice){ "neon", scan_neon };
#endif
    all[count] = (scan_choice){ "scalar", scan_scalar };
    return all[i <= count ? i : count + 1];
}

scan_choice scan_best(void)
{
    return scan_runnable(0);
}

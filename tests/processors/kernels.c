/*
 * kernels.c - every kernel of scan.h that this processor runs, against the scalar one; prints the best one's name.
 *
 * It needs nothing but the kernels, so that test_other_processor.sh can build it for a processor that is only emulated.
 */
#include <sdk/vectors/scan.h>
#include <stdio.h>
#include <string.h>

#define GROUPS_MAX 256u

int main(void)
{
    static uint8_t block[GROUPS_MAX * 16], table[GROUPS_MAX * 16];
    uint32_t random = 7;
    int last = 0;
    while (scan_runnable(last + 1).kernel)
        last++;
    for (uint32_t groups = 4; groups <= GROUPS_MAX; groups += 12) {
        for (uint32_t i = 0; i < groups * 16; i++) {
            random = random * 1664525u + 1013904223u;
            block[i] = (uint8_t)(random >> 24);
            table[i] = groups == 4 ? 255 : (uint8_t)(random >> 8);
        }
        uint16_t expected[CODES_ROWS], sums[CODES_ROWS];
        scan_runnable(last).kernel(block, table, groups, expected);
        for (int i = 0; i < last; i++) {
            scan_runnable(i).kernel(block, table, groups, sums);
            if (memcmp(sums, expected, sizeof sums) != 0) {
                printf("%s differs with %u groups\n", scan_runnable(i).name, groups);
                return 1;
            }
        }
    }
    puts(scan_best().name);
    return 0;
}

/* What a transcoder looks like from outside, without its work: bytes on standard output, in writes of 32 KiB.
 *
 *   source fast BYTES          as fast as they are taken
 *   source paced RATE BURST    BURST bytes at once, then RATE bytes a second for ever, beginning at a random phase
 *   source pattern BYTES       bytes that are all different from their neighbours, in writes of random sizes
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 32768

static char block[BLOCK];

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void put(const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(1, data, size);
        if (written <= 0)
            _exit(1);
        data += written;
        size -= (size_t)written;
    }
}

static void fast(uint64_t bytes)
{
    for (; bytes >= BLOCK; bytes -= BLOCK)
        put(block, BLOCK);
    put(block, bytes);
}

static void paced(uint64_t rate, uint64_t burst)
{
    uint64_t interval = 1000000000ull * BLOCK / rate;
    struct timespec due;
    fast(burst);
    clock_gettime(CLOCK_MONOTONIC, &due);
    uint64_t seed = 88172645463325252ull ^ ((uint64_t)getpid() << 20) ^ (uint64_t)due.tv_nsec;
    uint64_t wait = next(&seed) % interval;
    for (;;) {
        due.tv_nsec += (long)wait;
        due.tv_sec += due.tv_nsec / 1000000000;
        due.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        put(block, BLOCK);
        wait = interval;
    }
}

static void pattern(uint64_t bytes)
{
    uint64_t content = 88172645463325252ull, sizes = (uint64_t)getpid() << 17 | 1;
    while (bytes > 0) {
        size_t size = 1 + next(&sizes) % (BLOCK / 8) * 8;
        if (size > bytes)
            size = bytes;
        /* The content must not depend on the sizes: it comes byte by byte. */
        for (size_t i = 0; i < size; i++)
            block[i] = (char)(next(&content) >> 24);
        put(block, size);
        bytes -= size;
        if (next(&sizes) % 64 == 0)
            usleep(next(&sizes) % 4000);
    }
}

int main(int count, char **words)
{
    memset(block, 0x5a, sizeof block);
    if (count == 3 && !strcmp(words[1], "fast"))
        fast(strtoull(words[2], NULL, 10));
    else if (count == 4 && !strcmp(words[1], "paced"))
        paced(strtoull(words[2], NULL, 10), strtoull(words[3], NULL, 10));
    else if (count == 3 && !strcmp(words[1], "pattern"))
        pattern(strtoull(words[2], NULL, 10));
    else
        return 2;
    return 0;
}

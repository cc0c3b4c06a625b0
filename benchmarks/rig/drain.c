/* A client that costs little: asks COUNT times for a URL on loopback, and takes what comes as fast as it can.
 *
 *   drain PORT PATH COUNT VERSION        VERSION is 1.0 or 1.1
 *
 * What comes after the headers is dropped inside the kernel (MSG_TRUNC): a real client is on another machine, and this one
 * must not take part of the processor from the server that is measured. Prints `ready` when every stream has begun, then for
 * each line on standard input and at the end of all streams `BYTES SECONDS ENDED BROKEN`: bytes of all streams with headers
 * and framing, seconds since the first request, streams that ended, and how many of those did so with a reset or without a
 * 200. Ends when all streams have, or standard input has.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE (1 << 20)

static uint64_t bytes;
static int count, begun, ended, broken;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int ask(int port, const char *path, const char *version)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    char request[1024];
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int size = snprintf(request, sizeof request, "GET %s HTTP/%s\r\nHost: localhost\r\nConnection: close\r\n\r\n", path, version);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) || write(fd, request, (size_t)size) != size)
        return -1;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void over(int fd, int badly)
{
    close(fd);
    ended++;
    broken += badly;
}

static void take(int fd, char *has_begun)
{
    char head[4096];
    ssize_t got = *has_begun ? recv(fd, NULL, AT_ONCE, MSG_TRUNC) : recv(fd, head, sizeof head, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        over(fd, got < 0 || !*has_begun);
        return;
    }
    bytes += (uint64_t)got;
    if (*has_begun)
        return;
    /* The first block holds the status line with every server here. */
    if (got < 12 || memcmp(head + 8, " 200", 4)) {
        fwrite(head, 1, (size_t)got, stderr);
        over(fd, 1);
        return;
    }
    *has_begun = 1;
    begun++;
}

int main(int words, char **word)
{
    if (words != 5)
        return 2;
    int port = atoi(word[1]), told = 0;
    count = atoi(word[3]);
    char *begun_by = calloc((size_t)count, 1);
    int *fds = calloc((size_t)count, sizeof *fds), poll = epoll_create1(0);
    struct epoll_event events[256], event = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
    epoll_ctl(poll, EPOLL_CTL_ADD, 0, &event);
    double start = now();
    for (int i = 0; i < count; i++) {
        fds[i] = ask(port, word[2], word[4]);
        if (fds[i] < 0)
            return perror("connect"), 1;
        event.data.u32 = (uint32_t)i;
        epoll_ctl(poll, EPOLL_CTL_ADD, fds[i], &event);
    }
    while (ended < count) {
        int ready = epoll_wait(poll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            uint32_t which = events[i].data.u32;
            if (which != UINT32_MAX) {
                take(fds[which], &begun_by[which]);
                continue;
            }
            char line[64];
            if (read(0, line, sizeof line) <= 0)
                return 0;
            printf("%llu %.6f %d %d\n", (unsigned long long)bytes, now() - start, ended, broken);
            fflush(stdout);
        }
        if (!told && begun + broken == count) {
            told = 1;
            puts("ready");
            fflush(stdout);
        }
    }
    printf("%llu %.6f %d %d\n", (unsigned long long)bytes, now() - start, ended, broken);
    return 0;
}

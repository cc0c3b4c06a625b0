/* Asks for a URL on loopback again and again, each time on a connection of its own, as load balancers do.
 *
 *   health PORT PATH INTERVAL_US
 *
 * Prints the milliseconds from connect to the end of each answer, one a line, until standard input ends.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

int main(int words, char **word)
{
    if (words != 4)
        return 2;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(word[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct pollfd parent = {.fd = 0, .events = POLLIN};
    char request[512], answer[4096];
    int size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", word[2]);
    while (poll(&parent, 1, 0) == 0) {
        double start = now();
        int fd = socket(AF_INET, SOCK_STREAM, 0), good = 0;
        ssize_t got;
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) || write(fd, request, (size_t)size) != size)
            return perror("health"), 1;
        while ((got = read(fd, answer, sizeof answer)) > 0)
            good |= got > 12 && !memcmp(answer + 8, " 200", 4);
        close(fd);
        if (!good)
            return fputs("health: no 200\n", stderr), 1;
        printf("%.4f\n", now() - start);
        usleep((useconds_t)atoi(word[3]));
    }
    return 0;
}

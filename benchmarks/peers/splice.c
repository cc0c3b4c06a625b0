/* The floor: a relay that does nothing but splice(2) from the child's pipe to the socket, one thread, one epoll.
 *
 *   splice CHILD        listens on a free port of loopback and prints it; GET /NAME runs `CHILD NAME`
 *
 * Responses are delimited by the end of the connection. A child whose client has left gets SIGKILL.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIPE (256 * 1024)
#define MOST (1 << 20) /* bytes of one stream in one turn */

struct stream {
    int client, pipe;
    pid_t child;
    int waiting; /* for room in the socket */
};

extern char **environ;
static int epoll;
static const char *child;

/* The lowest bit of an event's pointer tells the pipe from the client. */
static void watch(int how, int fd, struct stream *stream, int is_pipe, uint32_t what)
{
    struct epoll_event event = {.events = what, .data.u64 = (uint64_t)(uintptr_t)stream | (uint64_t)is_pipe};
    epoll_ctl(epoll, how, fd, &event);
}

static void finish(struct stream *stream, int killed)
{
    if (killed && stream->child > 0)
        kill(stream->child, SIGKILL);
    if (stream->pipe >= 0)
        close(stream->pipe);
    close(stream->client);
    stream->client = stream->pipe = -1;
    if (stream->child > 0)
        waitpid(stream->child, NULL, 0);
}

static void pump(struct stream *stream)
{
    for (size_t moved = 0; moved < MOST;) {
        ssize_t size = splice(stream->pipe, NULL, stream->client, NULL, PIPE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (size > 0) {
            moved += (size_t)size;
            continue;
        }
        if (size == 0 || errno != EAGAIN) {
            finish(stream, size != 0);
            return;
        }
        /* EAGAIN of which side? A pipe with something in it is not the reason. */
        int filling = 0;
        ioctl(stream->pipe, FIONREAD, &filling);
        if (filling && !stream->waiting) {
            stream->waiting = 1;
            watch(EPOLL_CTL_MOD, stream->pipe, stream, 1, 0);
            watch(EPOLL_CTL_MOD, stream->client, stream, 0, EPOLLIN | EPOLLOUT);
        }
        return;
    }
}

static void answer(struct stream *stream)
{
    static char request[8192];
    char name[128];
    ssize_t got = read(stream->client, request, sizeof request - 1);
    if (got <= 0) {
        finish(stream, 1);
        return;
    }
    request[got] = 0;
    if (stream->child > 0)
        return;
    if (sscanf(request, "GET /%100[a-z0-9] HTTP/1.", name) != 1 || !strcmp(name, "healthz")) {
        static const char healthy[] = "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
        if (write(stream->client, healthy, sizeof healthy - 1) > 0)
            finish(stream, 0);
        return;
    }
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        exit(1);
    fcntl(ends[0], F_SETPIPE_SZ, PIPE);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    char *words[] = {(char *)child, name, NULL};
    if (posix_spawn(&stream->child, child, &actions, NULL, words, environ))
        exit(1);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    stream->pipe = ends[0];
    static const char head[] = "HTTP/1.0 200 OK\r\nContent-Type: video/mp4\r\n\r\n";
    if (write(stream->client, head, sizeof head - 1) < 0)
        finish(stream, 1);
    else
        watch(EPOLL_CTL_ADD, stream->pipe, stream, 1, EPOLLIN);
}

int main(int count, char **words)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    struct epoll_event events[256];
    if (count != 2)
        return 2;
    child = words[1];
    signal(SIGPIPE, SIG_IGN);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int port = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(port, (struct sockaddr *)&address, sizeof address) || listen(port, 512))
        return 1;
    getsockname(port, (struct sockaddr *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(EPOLL_CTL_ADD, port, NULL, 0, EPOLLIN);
    for (;;) {
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            struct stream *stream = (struct stream *)(uintptr_t)(events[i].data.u64 & ~1ull);
            if (stream == NULL) {
                int client = accept4(port, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (client >= 0) {
                    stream = calloc(1, sizeof *stream);
                    stream->client = client;
                    stream->pipe = -1;
                    watch(EPOLL_CTL_ADD, client, stream, 0, EPOLLIN);
                }
            } else if (stream->client < 0) {
                continue; /* ended earlier in this turn; a few bytes each are not worth a list of the dead */
            } else if (events[i].data.u64 & 1) {
                if (!stream->waiting)
                    pump(stream);
            } else if (events[i].events & EPOLLOUT) {
                stream->waiting = 0;
                watch(EPOLL_CTL_MOD, stream->client, stream, 0, EPOLLIN);
                watch(EPOLL_CTL_MOD, stream->pipe, stream, 1, EPOLLIN);
                pump(stream);
            } else {
                answer(stream);
            }
        }
    }
}

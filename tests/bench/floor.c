// The floor under every figure of the benchmark: the least that an HTTP server can do on Linux.
// One thread, one epoll loop, one canned answer; of a request only its end is looked for.
// Usage: floor ANSWER_FILE  (the whole response, head and body)
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum
{
    max_descriptors = 4096,
    max_events = 256,
    max_answer = 1 << 20
};

struct connection
{
    int matched;  // how much of "\r\n\r\n" the bytes read so far end in
    size_t owed;  // bytes of answers not written yet
    bool blocked; // waits for room to write, and reads nothing meanwhile
};

static struct connection connections[max_descriptors]; // by descriptor
static char answer[max_answer];
static size_t answer_size;
static int epoll;

static void watch(int operation, int descriptor, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = descriptor};
    if (epoll_ctl(epoll, operation, descriptor, &event) < 0)
        err(EXIT_FAILURE, "epoll_ctl");
}

static int listen_on_loopback(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listener < 0 || setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) < 0 ||
        bind(listener, (struct sockaddr*)&address, size) < 0 || listen(listener, SOMAXCONN) < 0 ||
        getsockname(listener, (struct sockaddr*)&address, &size) < 0)
        err(EXIT_FAILURE, "listen");
    printf("floor ready on http://127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static void accept_all(int listener)
{
    for (int descriptor; (descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        if (descriptor >= max_descriptors)
            errx(EXIT_FAILURE, "too many connections");
        connections[descriptor] = (struct connection){0};
        watch(EPOLL_CTL_ADD, descriptor, EPOLLIN);
    }
}

static size_t count_heads(struct connection* c, const char* bytes, size_t size)
{
    size_t heads = 0;
    for (const char* end = bytes + size; bytes < end; ++bytes) {
        c->matched = *bytes == "\r\n\r\n"[c->matched] ? c->matched + 1 : *bytes == '\r';
        heads += c->matched == 4;
        c->matched %= 4;
    }
    return heads;
}

// False when the connection is over.
static bool serve(int descriptor)
{
    struct connection* c = &connections[descriptor];
    if (!c->blocked) {
        char bytes[16384];
        ssize_t size = recv(descriptor, bytes, sizeof bytes, 0);
        if (size <= 0)
            return size < 0 && errno == EAGAIN;
        c->owed += count_heads(c, bytes, (size_t)size) * answer_size;
    }
    while (c->owed > 0) {
        size_t rest = c->owed % answer_size; // of an answer that is partly written
        if (rest == 0)
            rest = answer_size;
        ssize_t size = send(descriptor, answer + answer_size - rest, rest, MSG_NOSIGNAL);
        if (size < 0 && errno == EAGAIN)
            break;
        if (size < 0)
            return false;
        c->owed -= (size_t)size;
    }
    if (c->blocked != (c->owed > 0)) {
        c->blocked = !c->blocked;
        watch(EPOLL_CTL_MOD, descriptor, c->blocked ? EPOLLOUT : EPOLLIN);
    }
    return true;
}

int main(int argc, char** argv)
{
    FILE* file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (file == NULL)
        errx(EXIT_FAILURE, "usage: floor ANSWER_FILE");
    answer_size = fread(answer, 1, sizeof answer, file);
    if (answer_size == 0 || answer_size == sizeof answer)
        errx(EXIT_FAILURE, "empty or too large: %s", argv[1]);
    fclose(file);

    if ((epoll = epoll_create1(0)) < 0)
        err(EXIT_FAILURE, "epoll_create1");
    int listener = listen_on_loopback();
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    for (;;) {
        struct epoll_event events[max_events];
        int ready = epoll_wait(epoll, events, max_events, -1);
        for (int i = 0; i < ready; ++i) {
            if (events[i].data.fd == listener)
                accept_all(listener);
            else if (!serve(events[i].data.fd))
                close(events[i].data.fd);
        }
    }
}

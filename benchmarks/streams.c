/* Opens thousands of event streams to 127.0.0.1 and times what arrives: streams.py starts it.
 *
 *     streams PORT      commands on stdin, one line of JSON on stdout for each; ends with stdin
 *
 * open FILE AT_A_TIME SECONDS   opens a stream for each line of FILE (a path, then headers,
 *                               separated by tabs), at most so many at a time, for so long
 * wait EVENTS SECONDS           reports when so many events have come since the last report, or
 *                               after so long
 * close                         closes them all
 *
 * An event counts if its data holds "load NUMBER TIME" (see worker.py): its latency is the time of
 * its arrival less TIME (microseconds since the epoch), and in each stream numbers have to ascend.
 * One epoll loop, one recv for each stream that is readable: it has to be cheaper by far than
 * whatever it measures. Linux only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct stream {
    int fd;
    enum { CLOSED, CONNECTING, HEAD, BODY } state;
    char *text; /* the head, or a line, of which the end has not come yet */
    size_t length, capacity;
    uint64_t last_number;
};

/* What has arrived since the last report; latencies in microseconds. */
static struct {
    uint64_t events, doubled, ended;
    double began, last_event;
    uint32_t *latency;
    uint64_t room;
} window;

static struct stream *streams;
static char **requests;
static int count, next_to_open, opening, open_now, last_status, epoll, port;
static char buffer[1 << 18];
static int64_t arrived; /* when what is being parsed was received, in microseconds */

static double seconds_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static double now(void) { return seconds_of(CLOCK_MONOTONIC); }

static void *enlarged(void *memory, size_t size) {
    memory = realloc(memory, size);
    if (!memory) {
        fputs("streams: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

static void begin_window(void) {
    window.events = window.doubled = window.ended = 0;
    window.began = window.last_event = now();
}

static int ascending(const void *one, const void *other) {
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

/* Once they are sorted. */
static double milliseconds(int percent) {
    return window.events ? window.latency[(window.events - 1) * percent / 100] / 1e3 : 0;
}

/* One stream's text */

static void keep(struct stream *stream, const char *text, size_t length) {
    if (stream->length + length + 1 > stream->capacity) {
        stream->capacity = (stream->length + length + 1) * 2;
        stream->text = enlarged(stream->text, stream->capacity);
    }
    memcpy(stream->text + stream->length, text, length);
    stream->length += length;
    stream->text[stream->length] = 0;
}

static void take_line(struct stream *stream, const char *line, size_t length) {
    static const char mark[] = "\"load ";
    if (length < 5 || memcmp(line, "data:", 5)) return;
    const char *found = memmem(line, length, mark, sizeof mark - 1);
    if (!found) return;
    char *after; /* a closing quote follows the time, so strtoull does not leave the line */
    uint64_t number = strtoull(found + sizeof mark - 1, &after, 10);
    int64_t latency = arrived - strtoll(after, NULL, 10);
    window.doubled += number <= stream->last_number;
    stream->last_number = number;
    if (window.events == window.room) {
        window.room = window.room * 2 + 1024;
        window.latency = enlarged(window.latency, window.room * sizeof *window.latency);
    }
    window.latency[window.events++] = latency < 0 ? 0 : latency > UINT32_MAX ? UINT32_MAX : latency;
}

/* The sizes between the chunks of a body are lines that no event has. A server that broke an
 * event's line in two chunks would seem to lose it; none of them does. */
static void take(struct stream *stream, const char *text, size_t length) {
    while (length) {
        const char *end = memchr(text, '\n', length);
        if (!end) {
            keep(stream, text, length);
            return;
        }
        size_t line = end - text;
        if (stream->length) {
            keep(stream, text, line);
            take_line(stream, stream->text, stream->length);
            stream->length = 0;
        } else {
            take_line(stream, text, line);
        }
        text = end + 1;
        length -= line + 1;
    }
}

/* Connections */

static void end(struct stream *stream) {
    if (stream->state == BODY) {
        open_now--;
        window.ended++;
    } else {
        opening--;
    }
    close(stream->fd);
    stream->state = CLOSED;
    stream->length = 0;
}

static void watch(int number, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.u32 = number};
    epoll_ctl(epoll, operation, streams[number].fd, &event);
}

static void start(int number) {
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port)};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct stream *stream = &streams[number];
    stream->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    stream->state = CONNECTING;
    opening++;
    if (stream->fd < 0) {
        perror("streams: socket");
        exit(1);
    }
    if (connect(stream->fd, (void *)&server, sizeof server) && errno != EINPROGRESS) end(stream);
    else watch(number, EPOLL_CTL_ADD, EPOLLOUT);
}

static void send_request(int number) {
    ssize_t length = strlen(requests[number]);
    if (send(streams[number].fd, requests[number], length, MSG_NOSIGNAL) != length) {
        end(&streams[number]);
        return;
    }
    streams[number].state = HEAD;
    watch(number, EPOLL_CTL_MOD, EPOLLIN);
}

static void receive(struct stream *stream) {
    ssize_t length = recv(stream->fd, buffer, sizeof buffer, 0);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (length <= 0) {
        end(stream);
        return;
    }
    arrived = (int64_t)(seconds_of(CLOCK_REALTIME) * 1e6);
    uint64_t before = window.events;
    if (stream->state == BODY) {
        take(stream, buffer, length);
    } else {
        keep(stream, buffer, length);
        char *head_end = strstr(stream->text, "\r\n\r\n");
        if (!head_end) return;
        last_status = stream->length > 12 ? atoi(stream->text + 9) : 0;
        if (last_status != 200) {
            end(stream);
            return;
        }
        size_t body = stream->length - (head_end + 4 - stream->text);
        stream->state = BODY;
        stream->length = 0;
        opening--;
        open_now++;
        take(stream, buffer + length - body, body);
    }
    if (window.events != before) window.last_event = now();
}

/* Commands */

static void close_all(void) {
    for (int i = 0; i < count; i++) {
        if (streams[i].state != CLOSED) close(streams[i].fd);
        free(streams[i].text);
        free(requests[i]);
    }
    count = next_to_open = opening = open_now = 0;
}

static void read_requests(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        exit(1);
    }
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    while ((length = getline(&line, &room, file)) > 0) {
        if (line[length - 1] == '\n') line[--length] = 0;
        requests = enlarged(requests, (count + 1) * sizeof *requests);
        char *request = enlarged(NULL, length * 2 + 200), *rest = line, *part = strsep(&rest, "\t");
        char *at = request + sprintf(request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n", part, port);
        at += sprintf(at, "Accept: text/event-stream\r\nCache-Control: no-cache\r\n");
        while ((part = strsep(&rest, "\t"))) at += sprintf(at, "%s\r\n", part);
        strcpy(at, "\r\n");
        requests[count++] = request;
    }
    free(line);
    fclose(file);
    streams = enlarged(streams, (count + 1) * sizeof *streams);
    memset(streams, 0, (count + 1) * sizeof *streams);
}

/* Work on the streams for at most this long, until something is ready. */
static void turn(int milliseconds) {
    static struct epoll_event events[1024];
    int ready = epoll_wait(epoll, events, 1024, milliseconds);
    for (int i = 0; i < ready; i++) {
        int number = events[i].data.u32;
        if (number < 0) continue; /* stdin, which the main loop reads */
        struct stream *stream = &streams[number];
        if (stream->state == CONNECTING) {
            int error = 0;
            socklen_t size = sizeof error;
            getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &size);
            if (error) end(stream);
            else send_request(number);
        } else if (stream->state != CLOSED) {
            receive(stream);
        }
    }
}

static void open_all(int at_a_time, double seconds) {
    begin_window();
    double deadline = window.began + seconds;
    while ((next_to_open < count || opening) && now() < deadline) {
        while (next_to_open < count && opening < at_a_time) start(next_to_open++);
        turn(50);
    }
    double took = now() - window.began;
    for (int i = 0; i < count; i++)
        if (streams[i].state == CONNECTING || streams[i].state == HEAD) end(&streams[i]);
    printf("{\"open\": %d, \"seconds\": %.6f, \"last_status\": %d}\n", open_now, took, last_status);
}

static void wait_for(uint64_t events, double seconds) {
    double deadline = now() + seconds;
    while (window.events < events && now() < deadline) turn(5);
    qsort(window.latency, window.events, sizeof *window.latency, ascending);
    printf("{\"events\": %lu, \"seconds_to_last\": %.6f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
           "\"doubled\": %lu, \"ended\": %lu}\n",
           window.events, window.last_event - window.began, milliseconds(50), milliseconds(99),
           window.doubled, window.ended);
    begin_window();
}

int main(int arguments, char **argument) {
    if (arguments != 2) {
        fputs("streams PORT; see the head of streams.c\n", stderr);
        return 2;
    }
    port = atoi(argument[1]);
    epoll = epoll_create1(0);
    struct epoll_event commands = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
    epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &commands);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    setvbuf(stdout, NULL, _IOLBF, 0);
    setvbuf(stdin, NULL, _IONBF, 0); /* so that what has been sent is seen by epoll, or was read */
    begin_window();

    static char line[4096], file[2048];
    double a, b;
    for (;;) {
        fd_set input;
        struct timeval none = {0};
        FD_ZERO(&input);
        FD_SET(0, &input);
        if (select(1, &input, NULL, NULL, &none) != 1) {
            turn(-1);
            continue;
        }
        if (!fgets(line, sizeof line, stdin)) return 0;
        if (sscanf(line, "open %2047s %lf %lf", file, &a, &b) == 3) {
            close_all();
            read_requests(file);
            open_all((int)a, b);
        } else if (sscanf(line, "wait %lf %lf", &a, &b) == 2) {
            wait_for((uint64_t)a, b);
        } else if (!strcmp(line, "close\n")) {
            close_all();
            puts("{}");
        } else {
            fprintf(stderr, "streams: unknown command: %s", line);
            return 2;
        }
    }
}

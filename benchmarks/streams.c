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
 * An event counts if its data holds "load NUMBER TIME" (see load.py): its latency is the time of
 * its arrival less TIME (microseconds since the epoch), and in each stream numbers have to ascend.
 * One epoll loop, one recv for each stream that is readable, no allocation for each event: it has
 * to be cheaper by far than whatever it measures. Linux only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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

enum state { CLOSED, CONNECTING, HEAD, BODY };
enum chunk { SIZE, DATA, DATA_END };

struct stream {
    int fd;
    enum state state;
    bool chunked;
    enum chunk chunk;
    uint64_t chunk_left;
    char *text; /* the head, or a line, of which the end has not come yet */
    size_t length, capacity;
    uint64_t last_number;
};

/* What has arrived since the last report. Latencies are kept in buckets of 3 %: 32 for each power
 * of two of microseconds. */
#define BUCKETS (64 * 32)
static struct {
    uint64_t events, doubled, resets, ended, bytes, reads;
    double began, last_event, cpu;
    uint64_t latency[BUCKETS], slowest;
} window;

static struct stream *streams;
static char **requests;
static int count, next_to_open, opening, open_now, failed, last_status;
static int epoll, port;
static char buffer[1 << 18];
static int64_t arrived; /* when what is being parsed was received, in microseconds */

static double clock_seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static double now(void) { return clock_seconds(CLOCK_MONOTONIC); }

static void out_of_memory(void *allocated) {
    if (!allocated) {
        fputs("streams: out of memory\n", stderr);
        exit(1);
    }
}

static void begin_window(void) {
    memset(&window, 0, sizeof window);
    window.began = window.last_event = now();
    window.cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

/* Latencies */

static int bucket_of(uint64_t latency) {
    if (latency < 32) return (int)latency;
    int power = 63 - __builtin_clzll(latency);
    return (power - 4) * 32 + (int)((latency >> (power - 5)) & 31);
}

static double bucket_start(int bucket) {
    if (bucket < 32) return bucket;
    return (double)((uint64_t)(32 + bucket % 32) << (bucket / 32 - 1));
}

static double percentile(double percent) {
    uint64_t timed = 0, seen = 0;
    for (int i = 0; i < BUCKETS; i++) timed += window.latency[i];
    for (int i = 0; i < BUCKETS; i++) {
        seen += window.latency[i];
        if (timed && seen >= timed * percent / 100) return bucket_start(i);
    }
    return 0;
}

/* One stream's text */

static void keep(struct stream *stream, const char *text, size_t length) {
    if (stream->length + length + 1 > stream->capacity) {
        stream->capacity = (stream->length + length + 1) * 2;
        stream->text = realloc(stream->text, stream->capacity);
        out_of_memory(stream->text);
    }
    memcpy(stream->text + stream->length, text, length);
    stream->length += length;
    stream->text[stream->length] = 0;
}

static void take_line(struct stream *stream, const char *line, size_t length) {
    static const char mark[] = "\"load ";
    if (length >= 12 && !memcmp(line, "event: reset", 12)) window.resets++;
    if (length < 5 || memcmp(line, "data:", 5)) return;
    const char *found = memmem(line, length, mark, sizeof mark - 1);
    if (!found) return;
    char *after; /* a closing quote follows the time, so strtoull does not leave the line */
    uint64_t number = strtoull(found + sizeof mark - 1, &after, 10);
    int64_t latency = arrived - strtoll(after, NULL, 10);
    window.events++;
    window.doubled += number <= stream->last_number;
    stream->last_number = number;
    latency = latency < 0 ? 0 : latency;
    window.latency[bucket_of(latency)]++;
    if ((uint64_t)latency > window.slowest) window.slowest = latency;
}

static void take_body(struct stream *stream, const char *text, size_t length) {
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

/* https://www.rfc-editor.org/rfc/rfc9112#section-7.1. False at the end of the body. */
static bool take(struct stream *stream, const char *text, size_t length) {
    if (!stream->chunked) {
        take_body(stream, text, length);
        return true;
    }
    while (length) {
        if (stream->chunk == DATA) {
            size_t part = length < stream->chunk_left ? length : stream->chunk_left;
            take_body(stream, text, part);
            text += part;
            length -= part;
            stream->chunk_left -= part;
            if (!stream->chunk_left) stream->chunk = DATA_END;
            continue;
        }
        char c = *text++;
        length--;
        if (stream->chunk == DATA_END) {
            if (c == '\n') stream->chunk = SIZE;
        } else if (c == '\n') {
            if (!stream->chunk_left) return false;
            stream->chunk = DATA;
        } else if (c != '\r') {
            int digit = c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
            stream->chunk_left = stream->chunk_left * 16 + digit;
        }
    }
    return true;
}

/* Connections */

static void end(struct stream *stream) {
    if (stream->state == CONNECTING || stream->state == HEAD) {
        opening--;
        failed++;
    } else {
        open_now--;
        window.ended++;
    }
    close(stream->fd);
    stream->state = CLOSED;
    stream->length = 0;
}

static void watch(int i, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.u32 = i};
    epoll_ctl(epoll, operation, streams[i].fd, &event);
}

static void start(int i) {
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port)};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct stream *stream = &streams[i];
    stream->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    stream->state = CONNECTING;
    opening++;
    if (stream->fd < 0) {
        perror("streams: socket");
        exit(1);
    }
    if (connect(stream->fd, (void *)&server, sizeof server) && errno != EINPROGRESS) {
        end(stream);
        return;
    }
    watch(i, EPOLL_CTL_ADD, EPOLLOUT);
}

static void send_request(int i) {
    ssize_t length = strlen(requests[i]);
    if (send(streams[i].fd, requests[i], length, MSG_NOSIGNAL) != length) {
        end(&streams[i]);
        return;
    }
    streams[i].state = HEAD;
    watch(i, EPOLL_CTL_MOD, EPOLLIN);
}

static void receive(struct stream *stream) {
    ssize_t length = recv(stream->fd, buffer, sizeof buffer, 0);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (length <= 0) {
        end(stream);
        return;
    }
    arrived = (int64_t)(clock_seconds(CLOCK_REALTIME) * 1e6);
    window.bytes += length;
    window.reads++;
    uint64_t before = window.events;
    bool goes_on = true;
    if (stream->state == BODY) {
        goes_on = take(stream, buffer, length);
    } else {
        keep(stream, buffer, length);
        char *head_end = strstr(stream->text, "\r\n\r\n");
        if (!head_end) return;
        last_status = stream->length > 12 ? atoi(stream->text + 9) : 0;
        if (last_status != 200) {
            end(stream);
            return;
        }
        *head_end = 0;
        stream->chunked = strcasestr(stream->text, "\ntransfer-encoding: chunked") != NULL;
        size_t body = stream->length - (head_end + 4 - stream->text);
        stream->state = BODY;
        stream->length = 0;
        opening--;
        open_now++;
        goes_on = take(stream, buffer + length - body, body);
    }
    if (window.events != before) window.last_event = now();
    if (!goes_on) end(stream);
}

/* Commands */

static void close_all(void) {
    for (int i = 0; i < count; i++) {
        if (streams[i].state != CLOSED) close(streams[i].fd);
        free(streams[i].text);
        free(requests[i]);
    }
    free(streams);
    free(requests);
    streams = NULL;
    requests = NULL;
    count = next_to_open = opening = open_now = failed = 0;
}

static void read_requests(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        exit(1);
    }
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    int room = 0;
    while ((length = getline(&line, &capacity, file)) > 0) {
        if (line[length - 1] == '\n') line[--length] = 0;
        if (count == room) {
            requests = realloc(requests, (room = room * 2 + 64) * sizeof *requests);
            out_of_memory(requests);
        }
        char *request = malloc(length * 2 + 200), *rest = line, *part = strsep(&rest, "\t");
        out_of_memory(request);
        char *at = request + sprintf(request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n", part, port);
        at += sprintf(at, "Accept: text/event-stream\r\nCache-Control: no-cache\r\n");
        while ((part = strsep(&rest, "\t"))) at += sprintf(at, "%s\r\n", part);
        strcpy(at, "\r\n");
        requests[count++] = request;
    }
    free(line);
    fclose(file);
    streams = calloc(count ? count : 1, sizeof *streams);
    out_of_memory(streams);
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
    printf("{\"open\": %d, \"failed\": %d, \"seconds\": %.6f, \"last_status\": %d}\n", open_now,
           failed + count - next_to_open, took, last_status);
}

static void wait_for(uint64_t events, double seconds) {
    double deadline = now() + seconds;
    while (window.events < events && now() < deadline) turn(5);
    double ended = now();
    printf("{\"events\": %lu, \"seconds\": %.6f, \"seconds_to_last\": %.6f, \"p50_ms\": %.3f, "
           "\"p95_ms\": %.3f, \"p99_ms\": %.3f, \"slowest_ms\": %.3f, \"doubled\": %lu, "
           "\"resets\": %lu, \"ended\": %lu, \"open\": %d, \"bytes\": %lu, \"reads\": %lu, "
           "\"cpu_seconds\": %.3f}\n",
           window.events, ended - window.began, window.last_event - window.began,
           percentile(50) / 1e3, percentile(95) / 1e3, percentile(99) / 1e3, window.slowest / 1e3,
           window.doubled, window.resets, window.ended, open_now, window.bytes, window.reads,
           clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - window.cpu);
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
    begin_window();

    static char line[4096];
    size_t length = 0;
    for (;;) {
        char *end_of_line;
        while (!(end_of_line = memchr(line, '\n', length))) {
            turn(-1);
            struct timeval none = {0};
            fd_set input;
            FD_ZERO(&input);
            FD_SET(0, &input);
            if (select(1, &input, NULL, NULL, &none) != 1) continue;
            ssize_t more = read(0, line + length, sizeof line - length);
            if (more <= 0) return 0;
            length += more;
        }
        *end_of_line = 0;
        char file[2048];
        double a, b;
        if (sscanf(line, "open %2047s %lf %lf", file, &a, &b) == 3) {
            close_all();
            read_requests(file);
            open_all((int)a, b);
        } else if (sscanf(line, "wait %lf %lf", &a, &b) == 2) {
            wait_for((uint64_t)a, b);
        } else if (!strcmp(line, "close")) {
            close_all();
            puts("{}");
        } else {
            fprintf(stderr, "streams: unknown command: %s\n", line);
            return 2;
        }
        length -= end_of_line + 1 - line;
        memmove(line, end_of_line + 1, length);
    }
}

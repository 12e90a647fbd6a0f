// Closed loops: every connection keeps `depth` requests in flight. One thread, one epoll.
//
// Responses of a connection come in the order of its requests, so the times of sending are a ring.

#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECEIVE_BYTES = 1 << 20, FRAME_HEAD = 512 };

struct connection {
  int fd;
  int partition;
  // What is still to be sent. For produce: whole requests that are alike, and where the first stands.
  struct buffer out;
  size_t out_at;
  int to_send;
  bool writing;
  // What is read: the head of the frame, as far as it came, and bytes of it that are still to come.
  uint8_t head[FRAME_HEAD];
  size_t head_size;
  size_t frame_left;
  // Ring of sending times.
  int64_t *sent_at;
  int ring_at;
  long next_batch;
};

struct loop {
  const struct options *options;
  struct connection *connections;
  struct buffer *requests;
  int epoll;
  bool fetching;
  int64_t begin;
  int64_t end;
  bool measuring;
  long sent;
  long done;
  uint64_t bytes;
  struct histogram histogram;
};

static void watch(struct loop *loop, struct connection *connection, bool writing) {
  if (connection->writing == writing) return;
  connection->writing = writing;
  struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0)};
  event.data.ptr = connection;
  if (epoll_ctl(loop->epoll, EPOLL_CTL_MOD, connection->fd, &event) != 0) die("epoll_ctl");
}

// False: the socket is full.
static bool send_some(struct connection *connection, const uint8_t *bytes, size_t size) {
  while (connection->out_at < size) {
    ssize_t sent = send(connection->fd, bytes + connection->out_at, size - connection->out_at,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EAGAIN) return false;
    if (sent < 0) die("send: %s", strerror(errno));
    connection->out_at += (size_t)sent;
  }
  connection->out_at = 0;
  return true;
}

static void flush(struct loop *loop, struct connection *connection) {
  bool sent = true;
  if (loop->fetching) {
    sent = send_some(connection, connection->out.bytes, connection->out.size);
    if (sent) connection->out.size = 0;
  } else {
    const struct buffer *request = &loop->requests[connection->partition];
    while (connection->to_send > 0 && sent) {
      sent = send_some(connection, request->bytes, request->size);
      if (sent) connection->to_send--;
    }
  }
  watch(loop, connection, !sent);
}

static void queue_request(struct loop *loop, struct connection *connection, int64_t now) {
  const struct options *options = loop->options;
  if (options->requests > 0 && loop->sent >= options->requests) return;
  loop->sent++;
  connection->sent_at[connection->ring_at] = now;
  connection->ring_at = (connection->ring_at + 1) % options->depth;
  if (!loop->fetching) {
    connection->to_send++;
    return;
  }
  int64_t offset = connection->next_batch * options->records;
  // A stride that is prime to most counts: neighbours in time are no neighbours in the log.
  connection->next_batch = (connection->next_batch + 7919) % options->batches;
  fetch_request(&connection->out, options, connection->partition, 1, &offset, 500);
}

// The ring holds `depth` times, and the request that this answers is the oldest.
static void finish_request(struct loop *loop, struct connection *connection, int64_t now) {
  const struct options *options = loop->options;
  const uint8_t *head = connection->head;
  size_t error_at = produce_error_at(options) + 4;
  if (loop->fetching) error_at += 4 + 2 + 4;
  if (connection->head_size < error_at + 2) die("a response of %zu bytes", connection->head_size);
  int16_t error = get_i16(head + error_at);
  if (error != 0) die("the broker answers with error %d", error);
  if (loop->fetching) {
    size_t records_at = error_at + 2 + 8 + 8 + 8 + 4 + 4;
    if (get_i32(head + records_at) <= 0) die("a fetch without records");
  }
  if (loop->measuring) {
    loop->done++;
    loop->bytes += 4 + (uint32_t)get_i32(head);
    record_value(&loop->histogram, now - connection->sent_at[connection->ring_at]);
  } else if (options->requests > 0) {
    loop->done++;
  }
  queue_request(loop, connection, now);
}

static void take(struct loop *loop, struct connection *connection, const uint8_t *bytes, size_t size,
                 int64_t now) {
  while (size > 0) {
    if (connection->frame_left == 0) {
      // The size prefix may come in parts.
      size_t part = 4 - connection->head_size;
      if (part > size) part = size;
      memcpy(connection->head + connection->head_size, bytes, part);
      connection->head_size += part;
      bytes += part;
      size -= part;
      if (connection->head_size < 4) return;
      connection->frame_left = (size_t)get_i32(connection->head);
    }
    size_t part = connection->frame_left < size ? connection->frame_left : size;
    size_t keep = FRAME_HEAD - connection->head_size;
    if (keep > part) keep = part;
    memcpy(connection->head + connection->head_size, bytes, keep);
    connection->head_size += keep;
    connection->frame_left -= part;
    bytes += part;
    size -= part;
    if (connection->frame_left > 0) return;
    finish_request(loop, connection, now);
    connection->head_size = 0;
  }
}

static void read_some(struct loop *loop, struct connection *connection, uint8_t *scratch) {
  ssize_t got = recv(connection->fd, scratch, RECEIVE_BYTES, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got < 0) die("recv: %s", strerror(errno));
  if (got == 0) die("the broker closed the connection");
  take(loop, connection, scratch, (size_t)got, now_ns());
  flush(loop, connection);
}

static void open_connections(struct loop *loop) {
  const struct options *options = loop->options;
  size_t count = (size_t)options->connections;
  loop->connections = calloc(count, sizeof *loop->connections);
  for (size_t i = 0; i < count; i++) {
    struct connection *connection = &loop->connections[i];
    connection->fd = dial_or_die(options->port, false);
    connection->partition = (int)i % options->partitions;
    connection->next_batch = (long)(i * 104729) % options->batches;
    connection->sent_at = calloc((size_t)options->depth, sizeof(int64_t));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0) die("epoll_ctl");
  }
}

static void run(struct loop *loop) {
  const struct options *options = loop->options;
  uint8_t *scratch = malloc(RECEIVE_BYTES);
  loop->epoll = epoll_create1(0);
  open_connections(loop);
  int64_t start = now_ns();
  loop->begin = start + (int64_t)(options->warm_seconds * 1e9);
  loop->end = loop->begin + (int64_t)(options->seconds * 1e9);
  for (int i = 0; i < options->connections; i++) {
    for (int j = 0; j < options->depth; j++) queue_request(loop, &loop->connections[i], start);
    flush(loop, &loop->connections[i]);
  }
  struct epoll_event events[256];
  for (;;) {
    int64_t now = now_ns();
    if (!loop->measuring && now >= loop->begin) {
      loop->measuring = true;
      loop->begin = now;
      puts("measuring");
      fflush(stdout);
    }
    bool over = options->requests > 0 ? loop->done >= options->requests : now >= loop->end;
    if (over) {
      loop->end = now;
      break;
    }
    int count = epoll_wait(loop->epoll, events, 256, 10);
    for (int i = 0; i < count; i++) {
      struct connection *connection = events[i].data.ptr;
      if (events[i].events & EPOLLOUT) flush(loop, connection);
      if (events[i].events & ~(uint32_t)EPOLLOUT) read_some(loop, connection, scratch);
    }
  }
  double seconds = (double)(loop->end - loop->begin) / 1e9;
  printf("{\"seconds\":%.6f,\"requests\":%ld,\"responseBytes\":%lu,", seconds, loop->done, loop->bytes);
  print_histogram("latencyUs", &loop->histogram);
  puts("}");
}

void run_produce(const struct options *options) {
  struct loop *loop = calloc(1, sizeof *loop);
  loop->options = options;
  loop->requests = calloc((size_t)options->partitions, sizeof *loop->requests);
  for (int i = 0; i < options->partitions; i++) produce_request(&loop->requests[i], options, i);
  run(loop);
}

void run_fetch(const struct options *options) {
  struct loop *loop = calloc(1, sizeof *loop);
  loop->options = options;
  loop->fetching = true;
  run(loop);
}

// A fixed offered load. Batch k of all is due at start + k / rate and goes to partition k % partitions;
// the topic is new, so its offset tells k, and k the time at which it was due. A batch that is sent late,
// because the broker or the socket did not take it, counts from when it was due: no omission.
//
// The producer's thread sends when something is due and reads acknowledgements; the consumer's thread
// has one fetch of all partitions waiting all the time, as a consumer has.

#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct producer {
  int fd;
  bool writing;
  // Batches of this connection that were due, and how far they are sent: k = index + n * connections.
  long due;
  long sent;
  size_t sent_bytes;
  long acked;
  uint8_t head[512];
  size_t head_size;
  size_t frame_left;
};

struct run {
  const struct options *options;
  struct buffer *requests;
  int64_t start;
  // First batch that is measured, and the number of all.
  long first;
  long total;
  struct histogram acked;
  struct histogram delivered;
  atomic_long received;
  atomic_bool stop;
  int consumer_fd;
};

static int64_t due_at(const struct run *run, long k) {
  return run->start + (int64_t)((double)k * 1e9 / run->options->rate);
}

// --- Producer ---

static void send_due(struct run *run, struct producer *producer, int index, int epoll) {
  const struct options *options = run->options;
  bool full = false;
  while (producer->sent < producer->due && !full) {
    long k = index + producer->sent * options->connections;
    const struct buffer *request = &run->requests[k % options->partitions];
    ssize_t sent = send(producer->fd, request->bytes + producer->sent_bytes,
                        request->size - producer->sent_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EAGAIN) full = true;
    else if (sent < 0) die("send: %s", strerror(errno));
    else producer->sent_bytes += (size_t)sent;
    if (producer->sent_bytes < request->size) continue;
    producer->sent_bytes = 0;
    producer->sent++;
  }
  if (producer->writing == full) return;
  producer->writing = full;
  struct epoll_event event = {.events = EPOLLIN | (full ? EPOLLOUT : 0), .data.u32 = (uint32_t)index};
  if (epoll_ctl(epoll, EPOLL_CTL_MOD, producer->fd, &event) != 0) die("epoll_ctl");
}

static void acknowledged(struct run *run, struct producer *producer, int index, int64_t now) {
  size_t error_at = produce_error_at(run->options) + 4;
  if (producer->head_size < error_at + 2) die("a response of %zu bytes", producer->head_size);
  int16_t error = get_i16(producer->head + error_at);
  if (error != 0) die("the broker answers with error %d", error);
  long k = index + producer->acked * run->options->connections;
  producer->acked++;
  if (k >= run->first) record_value(&run->acked, now - due_at(run, k));
}

static void read_acks(struct run *run, struct producer *producer, int index) {
  uint8_t bytes[64 << 10];
  ssize_t got = recv(producer->fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) die("recv: %s", got == 0 ? "closed by the broker" : strerror(errno));
  int64_t now = now_ns();
  for (ssize_t at = 0; at < got; at++) {
    if (producer->head_size == sizeof producer->head) die("a long response");
    producer->head[producer->head_size++] = bytes[at];
    if (producer->head_size < 4) continue;
    if (producer->head_size < 4 + (size_t)get_i32(producer->head)) continue;
    acknowledged(run, producer, index, now);
    producer->head_size = 0;
  }
}

static void produce_all(struct run *run) {
  const struct options *options = run->options;
  int count = options->connections;
  struct producer *producers = calloc((size_t)count, sizeof *producers);
  int epoll = epoll_create1(0);
  for (int i = 0; i < count; i++) {
    producers[i].fd = dial_or_die(options->port, false);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, producers[i].fd, &event) != 0) die("epoll_ctl");
  }
  run->start = now_ns() + 10000000;
  long next = 0;
  long acked = 0;
  bool said = false;
  int64_t give_up = due_at(run, run->total) + 10000000000LL;
  struct epoll_event events[256];
  while (acked < run->total && now_ns() < give_up) {
    int64_t now = now_ns();
    for (; next < run->total && due_at(run, next) <= now; next++) {
      int i = (int)(next % count);
      producers[i].due++;
      if (!producers[i].writing) send_due(run, &producers[i], i, epoll);
    }
    if (!said && next >= run->first) {
      said = true;
      puts("measuring");
      fflush(stdout);
    }
    int64_t wait = next < run->total ? due_at(run, next) - now_ns() : 10000000;
    if (wait < 0) wait = 0;
    struct timespec timeout = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
    int ready = epoll_pwait2(epoll, events, 256, &timeout, NULL);
    for (int e = 0; e < ready; e++) {
      int i = (int)events[e].data.u32;
      if (events[e].events & EPOLLOUT) send_due(run, &producers[i], i, epoll);
      if (events[e].events & ~(uint32_t)EPOLLOUT) read_acks(run, &producers[i], i);
    }
    acked = 0;
    for (int i = 0; i < count; i++) acked += producers[i].acked;
  }
}

// --- Consumer ---

// Takes the batches of one partition; answers the offset behind them.
static int64_t take_batches(struct run *run, int partition, const uint8_t *bytes, size_t size, int64_t from,
                            int64_t now) {
  int64_t next = from;
  size_t at = 0;
  while (at + 61 <= size) {
    size_t batch = 12 + (size_t)get_i32(bytes + at + 8);
    if (at + batch > size) break;
    int64_t base = get_i64(bytes + at);
    if (base >= from) {
      next = base + get_i32(bytes + at + 23) + 1;
      long k = (long)(base / run->options->records) * run->options->partitions + partition;
      if (k >= run->first) record_value(&run->delivered, now - due_at(run, k));
      atomic_fetch_add(&run->received, 1);
    }
    at += batch;
  }
  return next;
}

static void take_response(struct run *run, const struct buffer *response, int64_t *offsets) {
  int64_t now = now_ns();
  const uint8_t *bytes = response->bytes;
  int16_t error = get_i16(bytes + 8);
  if (error != 0) die("a fetch is answered with error %d", error);
  size_t at = 4 + 4 + 2 + 4;
  int topics = get_i32(bytes + at);
  at += 4;
  for (int t = 0; t < topics; t++) {
    at += 2 + (size_t)get_i16(bytes + at);
    int partitions = get_i32(bytes + at);
    at += 4;
    for (int p = 0; p < partitions; p++) {
      int index = get_i32(bytes + at);
      error = get_i16(bytes + at + 4);
      if (error != 0) die("partition %d: error %d", index, error);
      at += 4 + 2 + 8 + 8 + 8;
      int aborted = get_i32(bytes + at);
      at += 4 + (aborted > 0 ? (size_t)aborted * 16 : 0) + 4;
      int size = get_i32(bytes + at);
      at += 4;
      if (size <= 0) continue;
      offsets[index] = take_batches(run, index, bytes + at, (size_t)size, offsets[index], now);
      at += (size_t)size;
    }
  }
}

static void *consume_all(void *argument) {
  struct run *run = argument;
  const struct options *options = run->options;
  int64_t *offsets = calloc((size_t)options->partitions, sizeof *offsets);
  struct buffer request = {0};
  struct buffer response = {0};
  while (!atomic_load(&run->stop)) {
    request.size = 0;
    fetch_request(&request, options, 0, options->partitions, offsets, 500);
    send_all(run->consumer_fd, request.bytes, request.size);
    if (!read_response(run->consumer_fd, &response)) break;
    take_response(run, &response, offsets);
  }
  return NULL;
}

void run_latency(const struct options *options) {
  if (options->partitions % options->connections != 0) die("connections must divide the partitions");
  struct run *run = calloc(1, sizeof *run);
  run->options = options;
  run->first = (long)(options->warm_seconds * options->rate);
  run->total = run->first + (long)(options->seconds * options->rate);
  run->requests = calloc((size_t)options->partitions, sizeof *run->requests);
  for (int i = 0; i < options->partitions; i++) produce_request(&run->requests[i], options, i);
  // Far in the future until the producer begins: no batch can come before.
  run->start = INT64_MAX / 2;
  run->consumer_fd = dial_or_die(options->port, true);
  pthread_t consumer;
  if (pthread_create(&consumer, NULL, consume_all, run) != 0) die("pthread_create");
  produce_all(run);
  int64_t give_up = now_ns() + 5000000000LL;
  while (atomic_load(&run->received) < run->total && now_ns() < give_up) sleep_ns(1000000);
  long received = atomic_load(&run->received);
  atomic_store(&run->stop, true);
  pthread_join(consumer, NULL);
  printf("{\"seconds\":%.6f,\"offered\":%ld,\"delivered\":%ld,", options->seconds, run->total, received);
  print_histogram("ackUs", &run->acked);
  putchar(',');
  print_histogram("endToEndUs", &run->delivered);
  puts("}");
  if (received < run->total) die("%ld batches were not delivered in time", run->total - received);
}

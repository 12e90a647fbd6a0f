// What the modes of the load generator share: options, connections, requests and batches as bytes,
// histograms. Speaks Produce 7 and Fetch 11, which Apache Kafka 4 and we both serve.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options {
  const char *mode;
  int port;
  const char *topic;
  int partitions;
  int connections;
  // Requests in flight on a connection.
  int depth;
  // Of a batch, and of a record's value in bytes.
  int records;
  int size;
  int acks;
  double warm_seconds;
  double seconds;
  // Stop after so many requests in all; 0: the time decides.
  long requests;
  // Batches a second, in mode latency.
  double rate;
  // Batches that the partition holds, and the limit of a fetch, in mode fetch.
  long batches;
  int fetch_bytes;
  // CLOCK_MONOTONIC in nanoseconds, in mode first.
  int64_t since;
};

struct buffer {
  uint8_t *bytes;
  size_t size;
  size_t capacity;
};

void put_i8(struct buffer *buffer, int8_t value);
void put_i16(struct buffer *buffer, int16_t value);
void put_i32(struct buffer *buffer, int32_t value);
void put_i64(struct buffer *buffer, int64_t value);
void put_string(struct buffer *buffer, const char *text);
void put_bytes(struct buffer *buffer, const void *bytes, size_t size);
int16_t get_i16(const uint8_t *bytes);
int32_t get_i32(const uint8_t *bytes);
int64_t get_i64(const uint8_t *bytes);

// A whole request with its size prefix; the correlation id is the partition.
void produce_request(struct buffer *out, const struct options *options, int partition);
// Where the error code of the one partition stands behind the size prefix of a Produce 7 response.
size_t produce_error_at(const struct options *options);
// Fetches `count` partitions from `first` on, each from offsets[i] on.
void fetch_request(struct buffer *out, const struct options *options, int first, int count,
                   const int64_t *offsets, int wait_ms);
void metadata_request(struct buffer *out, const char *topic);

int64_t now_ns(void);
void sleep_ns(int64_t ns);
// Both: a socket without Nagle's delay, or -1.
int dial(int port);
int dial_or_die(int port, bool blocking);
void send_all(int fd, const uint8_t *bytes, size_t size);
// Reads one response into `into`, grown as needed, without its size prefix. False at the end.
bool read_response(int fd, struct buffer *into);
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

// Counts of nanoseconds in buckets that are at most 1/256 of their value wide.
struct histogram {
  uint64_t counts[57 * 256];
  uint64_t total;
  int64_t max;
  double sum;
};
void record_value(struct histogram *histogram, int64_t ns);
// The highest value of the bucket in which that share of the values ends, in microseconds.
double percentile_us(const struct histogram *histogram, double share);
void print_histogram(const char *name, const struct histogram *histogram);

// From load-closed.c and load-latency.c.
void run_produce(const struct options *options);
void run_fetch(const struct options *options);
void run_latency(const struct options *options);

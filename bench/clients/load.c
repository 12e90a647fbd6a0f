// A load generator for Kafka brokers whose own cost is small and the same for every broker.
//
//   load produce --port P --topic T ...   so many requests in flight on so many connections, all the time
//   load fetch   ...                      as that, with small fetches that jump through one partition
//   load latency ... --rate BATCHES       a fixed offered load, whatever the broker does meanwhile: the
//                                         time from when a batch was due to when a consumer has it
//   load first   ... --since NS           tries until a first produce is answered
//
// Batches are made once and sent again and again: no idempotence, no compression. It prints "measuring"
// when the warm-up is over, and at the end one line of JSON. Errors of the broker end it with exit code 1.

#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char CLIENT_ID[] = "load";

void die(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("load: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(1);
}

int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

void sleep_ns(int64_t ns) {
  struct timespec span = {.tv_sec = ns / 1000000000LL, .tv_nsec = ns % 1000000000LL};
  nanosleep(&span, NULL);
}

// --- Bytes ---

void put_bytes(struct buffer *buffer, const void *bytes, size_t size) {
  if (buffer->size + size > buffer->capacity) {
    buffer->capacity = (buffer->size + size) * 2;
    buffer->bytes = realloc(buffer->bytes, buffer->capacity);
    if (buffer->bytes == NULL) die("out of memory");
  }
  memcpy(buffer->bytes + buffer->size, bytes, size);
  buffer->size += size;
}

static void put_big_endian(struct buffer *buffer, uint64_t value, int size) {
  uint8_t bytes[8];
  for (int i = 0; i < size; i++) bytes[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
  put_bytes(buffer, bytes, (size_t)size);
}

void put_i8(struct buffer *buffer, int8_t value) { put_big_endian(buffer, (uint64_t)value, 1); }
void put_i16(struct buffer *buffer, int16_t value) { put_big_endian(buffer, (uint64_t)value, 2); }
void put_i32(struct buffer *buffer, int32_t value) { put_big_endian(buffer, (uint64_t)value, 4); }
void put_i64(struct buffer *buffer, int64_t value) { put_big_endian(buffer, (uint64_t)value, 8); }

void put_string(struct buffer *buffer, const char *text) {
  put_i16(buffer, (int16_t)strlen(text));
  put_bytes(buffer, text, strlen(text));
}

static void put_varint(struct buffer *buffer, int32_t value) {
  uint32_t zigzag = ((uint32_t)value << 1) ^ (uint32_t)(value >> 31);
  while (zigzag > 0x7f) {
    put_i8(buffer, (int8_t)(zigzag | 0x80));
    zigzag >>= 7;
  }
  put_i8(buffer, (int8_t)zigzag);
}

static void patch_i32(struct buffer *buffer, size_t at, uint32_t value) {
  uint32_t big = htonl(value);
  memcpy(buffer->bytes + at, &big, 4);
}

static uint64_t get_big_endian(const uint8_t *bytes, int size) {
  uint64_t value = 0;
  for (int i = 0; i < size; i++) value = value << 8 | bytes[i];
  return value;
}

int16_t get_i16(const uint8_t *bytes) { return (int16_t)get_big_endian(bytes, 2); }
int32_t get_i32(const uint8_t *bytes) { return (int32_t)get_big_endian(bytes, 4); }
int64_t get_i64(const uint8_t *bytes) { return (int64_t)get_big_endian(bytes, 8); }

static uint32_t crc32c(const uint8_t *bytes, size_t size) {
  uint32_t crc = 0xffffffff;
  for (size_t i = 0; i < size; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0x82f63b78 & (0 - (crc & 1)));
  }
  return ~crc;
}

// --- Requests ---

static size_t begin_request(struct buffer *out, int16_t api, int16_t version, int32_t correlation) {
  size_t at = out->size;
  put_i32(out, 0);
  put_i16(out, api);
  put_i16(out, version);
  put_i32(out, correlation);
  put_string(out, CLIENT_ID);
  return at;
}

static void end_request(struct buffer *out, size_t at) {
  patch_i32(out, at, (uint32_t)(out->size - at - 4));
}

//  0 base offset 8, length 4, leader epoch 4, magic 1, crc 4, attributes 2 (21), last offset delta 4,
//    base timestamp 8, max timestamp 8, producer id 8, epoch 2, base sequence 4, count 4 (57), records
static void put_batch(struct buffer *out, const struct options *options) {
  size_t start = out->size;
  struct timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  int64_t time_ms = wall.tv_sec * 1000LL + wall.tv_nsec / 1000000;
  put_i64(out, 0);
  put_i32(out, 0);
  put_i32(out, -1);
  put_i8(out, 2);
  put_i32(out, 0);
  put_i16(out, 0);
  put_i32(out, options->records - 1);
  put_i64(out, time_ms);
  put_i64(out, time_ms);
  put_i64(out, -1);
  put_i16(out, -1);
  put_i32(out, -1);
  put_i32(out, options->records);
  uint8_t *value = malloc((size_t)options->size);
  if (value == NULL) die("out of memory");
  for (int i = 0; i < options->size; i++) value[i] = (uint8_t)('a' + rand() % 26);
  for (int i = 0; i < options->records; i++) {
    struct buffer record = {0};
    put_i8(&record, 0);
    put_varint(&record, 0);
    put_varint(&record, i);
    put_varint(&record, -1);
    put_varint(&record, options->size);
    put_bytes(&record, value, (size_t)options->size);
    put_varint(&record, 0);
    put_varint(out, (int32_t)record.size);
    put_bytes(out, record.bytes, record.size);
    free(record.bytes);
  }
  free(value);
  patch_i32(out, start + 8, (uint32_t)(out->size - start - 12));
  patch_i32(out, start + 17, crc32c(out->bytes + start + 21, out->size - start - 21));
}

void produce_request(struct buffer *out, const struct options *options, int partition) {
  size_t at = begin_request(out, 0, 7, partition);
  put_i16(out, -1);
  put_i16(out, (int16_t)options->acks);
  put_i32(out, 30000);
  put_i32(out, 1);
  put_string(out, options->topic);
  put_i32(out, 1);
  put_i32(out, partition);
  size_t length_at = out->size;
  put_i32(out, 0);
  put_batch(out, options);
  patch_i32(out, length_at, (uint32_t)(out->size - length_at - 4));
  end_request(out, at);
}

size_t produce_error_at(const struct options *options) {
  return 4 + 4 + 2 + strlen(options->topic) + 4 + 4;
}

void fetch_request(struct buffer *out, const struct options *options, int first, int count,
                   const int64_t *offsets, int wait_ms) {
  size_t at = begin_request(out, 1, 11, first);
  put_i32(out, -1);
  put_i32(out, wait_ms);
  put_i32(out, 1);
  put_i32(out, 50 << 20);
  put_i8(out, 0);
  put_i32(out, 0);
  put_i32(out, -1);
  put_i32(out, 1);
  put_string(out, options->topic);
  put_i32(out, count);
  for (int i = 0; i < count; i++) {
    put_i32(out, first + i);
    put_i32(out, -1);
    put_i64(out, offsets[i]);
    put_i64(out, -1);
    put_i32(out, options->fetch_bytes);
  }
  put_i32(out, 0);
  put_string(out, "");
  end_request(out, at);
}

void metadata_request(struct buffer *out, const char *topic) {
  size_t at = begin_request(out, 3, 4, 0);
  put_i32(out, 1);
  put_string(out, topic);
  put_i8(out, 1);
  end_request(out, at);
}

// --- Sockets ---

int dial(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket: %s", strerror(errno));
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    close(fd);
    return -1;
  }
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

int dial_or_die(int port, bool blocking) {
  int fd = dial(port);
  if (fd < 0) die("connect: %s", strerror(errno));
  if (!blocking) fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

void send_all(int fd, const uint8_t *bytes, size_t size) {
  while (size > 0) {
    ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
    if (sent < 0) die("send: %s", strerror(errno));
    bytes += sent;
    size -= (size_t)sent;
  }
}

static bool read_all(int fd, uint8_t *bytes, size_t size) {
  while (size > 0) {
    ssize_t got = recv(fd, bytes, size, 0);
    if (got <= 0) return false;
    bytes += got;
    size -= (size_t)got;
  }
  return true;
}

bool read_response(int fd, struct buffer *into) {
  uint8_t prefix[4];
  if (!read_all(fd, prefix, 4)) return false;
  size_t size = (size_t)get_i32(prefix);
  if (size > into->capacity) {
    into->capacity = size * 2;
    into->bytes = realloc(into->bytes, into->capacity);
    if (into->bytes == NULL) die("out of memory");
  }
  into->size = size;
  return read_all(fd, into->bytes, size);
}

// --- Histogram ---

void record_value(struct histogram *histogram, int64_t ns) {
  uint64_t value = ns < 0 ? 0 : (uint64_t)ns;
  int shift = 0;
  if (value >= 512) shift = 64 - __builtin_clzll(value) - 9;
  // 256 to 511 for every shift but the first, which has 0 to 511.
  size_t bucket = shift == 0 ? value : (size_t)(shift + 1) * 256 + (value >> shift) - 256;
  histogram->counts[bucket]++;
  histogram->total++;
  histogram->sum += (double)value;
  if (ns > histogram->max) histogram->max = ns;
}

double percentile_us(const struct histogram *histogram, double share) {
  uint64_t wanted = (uint64_t)((double)histogram->total * share);
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < sizeof histogram->counts / 8; bucket++) {
    seen += histogram->counts[bucket];
    if (seen <= wanted && bucket + 1 < sizeof histogram->counts / 8) continue;
    if (bucket < 512) return (double)bucket / 1e3;
    int shift = (int)(bucket / 256) - 1;
    return (double)(((bucket % 256 + 257) << shift) - 1) / 1e3;
  }
  return 0;
}

void print_histogram(const char *name, const struct histogram *histogram) {
  printf("\"%s\":{\"count\":%lu,\"mean\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,"
         "\"max\":%.1f}",
         name, histogram->total, histogram->sum / 1e3 / (double)(histogram->total + (histogram->total == 0)),
         percentile_us(histogram, 0.5), percentile_us(histogram, 0.9), percentile_us(histogram, 0.99),
         percentile_us(histogram, 0.999), (double)histogram->max / 1e3);
}

// --- Mode first ---

static void run_first(const struct options *options) {
  struct buffer metadata = {0};
  struct buffer request = {0};
  struct buffer response = {0};
  metadata_request(&metadata, options->topic);
  produce_request(&request, options, 0);
  int64_t end = now_ns() + 120000000000LL;
  puts("measuring");
  fflush(stdout);
  while (now_ns() < end) {
    int fd = dial(options->port);
    if (fd < 0) {
      sleep_ns(1000000);
      continue;
    }
    int16_t error = -1;
    while (error != 0 && now_ns() < end) {
      send_all(fd, metadata.bytes, metadata.size);
      if (!read_response(fd, &response)) break;
      send_all(fd, request.bytes, request.size);
      if (!read_response(fd, &response)) break;
      if (response.size < produce_error_at(options) + 2) break;
      error = get_i16(response.bytes + produce_error_at(options));
      if (error != 0) sleep_ns(1000000);
    }
    int64_t done = now_ns();
    close(fd);
    if (error != 0) continue;
    printf("{\"firstMs\":%.2f}\n", (double)(done - options->since) / 1e6);
    return;
  }
  die("no produce was answered in two minutes");
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  struct options options = {.mode = argc > 1 ? argv[1] : "",
                            .port = 9092,
                            .topic = "load",
                            .partitions = 1,
                            .connections = 1,
                            .depth = 1,
                            .records = 16,
                            .size = 1000,
                            .acks = -1,
                            .warm_seconds = 0,
                            .seconds = 5,
                            .rate = 1000,
                            .batches = 1,
                            .fetch_bytes = 1 << 20};
  for (int i = 2; i + 1 < argc; i += 2) {
    const char *name = argv[i];
    const char *value = argv[i + 1];
    if (strcmp(name, "--port") == 0) options.port = atoi(value);
    else if (strcmp(name, "--topic") == 0) options.topic = value;
    else if (strcmp(name, "--partitions") == 0) options.partitions = atoi(value);
    else if (strcmp(name, "--connections") == 0) options.connections = atoi(value);
    else if (strcmp(name, "--depth") == 0) options.depth = atoi(value);
    else if (strcmp(name, "--records") == 0) options.records = atoi(value);
    else if (strcmp(name, "--size") == 0) options.size = atoi(value);
    else if (strcmp(name, "--acks") == 0) options.acks = atoi(value);
    else if (strcmp(name, "--warm-seconds") == 0) options.warm_seconds = atof(value);
    else if (strcmp(name, "--seconds") == 0) options.seconds = atof(value);
    else if (strcmp(name, "--requests") == 0) options.requests = atol(value);
    else if (strcmp(name, "--rate") == 0) options.rate = atof(value);
    else if (strcmp(name, "--batches") == 0) options.batches = atol(value);
    else if (strcmp(name, "--fetch-bytes") == 0) options.fetch_bytes = atoi(value);
    else if (strcmp(name, "--since") == 0) options.since = atoll(value);
    else die("unknown option %s", name);
  }
  if (strcmp(options.mode, "produce") == 0) run_produce(&options);
  else if (strcmp(options.mode, "fetch") == 0) run_fetch(&options);
  else if (strcmp(options.mode, "latency") == 0) run_latency(&options);
  else if (strcmp(options.mode, "first") == 0) run_first(&options);
  else die("usage: load produce|fetch|latency|first --port P --topic T ...");
  return 0;
}

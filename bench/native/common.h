// What the C programs of the benches share: arguments NAME=VALUE, sockets, clocks, big-endian numbers.
// Baselines, not products: they end at the first error.
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static inline void die(const char* what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static inline const char* text_of(int argc, char** argv, const char* name, const char* otherwise) {
  size_t size = strlen(name);
  for (int i = 1; i < argc; i++) {
    if (strncmp(argv[i], name, size) == 0 && argv[i][size] == '=') return argv[i] + size + 1;
  }
  return otherwise;
}

static inline int64_t number_of(int argc, char** argv, const char* name, int64_t otherwise) {
  const char* text = text_of(argc, argv, name, NULL);
  return text == NULL ? otherwise : strtoll(text, NULL, 10);
}

static inline double now_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline double cpu_seconds(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static inline void set_non_blocking(int fd) {
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL, 0) | O_NONBLOCK) != 0) die("fcntl");
}

static inline void set_no_delay(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// A listening socket of loopback at any port, which it prints; the congestion control is set before
// anything is accepted, as our broker does it.
static inline int listen_on_loopback(const char* congestion) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  if (congestion != NULL && *congestion != 0 &&
      setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, (socklen_t)strlen(congestion)) != 0) {
    die("congestion control");
  }
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = 0, .sin_addr = {0}, .sin_zero = {0}};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd, (struct sockaddr*)&address, size) != 0 || listen(fd, 1024) != 0) die("listen");
  if (getsockname(fd, (struct sockaddr*)&address, &size) != 0) die("getsockname");
  set_non_blocking(fd);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

static inline int connect_to_loopback(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = 0, .sin_addr = {0}, .sin_zero = {0}};
  address.sin_port = htons((uint16_t)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, (struct sockaddr*)&address, sizeof address) != 0) die("connect");
  set_no_delay(fd);
  return fd;
}

static inline uint32_t read_u32(const uint8_t* at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return be32toh(value);
}

static inline uint64_t read_u64(const uint8_t* at) {
  uint64_t value;
  memcpy(&value, at, 8);
  return be64toh(value);
}

static inline uint8_t* put_u16(uint8_t* at, uint16_t value) {
  value = htobe16(value);
  memcpy(at, &value, 2);
  return at + 2;
}

static inline uint8_t* put_u32(uint8_t* at, uint32_t value) {
  value = htobe32(value);
  memcpy(at, &value, 4);
  return at + 4;
}

static inline uint8_t* put_u64(uint8_t* at, uint64_t value) {
  value = htobe64(value);
  memcpy(at, &value, 8);
  return at + 8;
}

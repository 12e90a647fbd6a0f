// Sends frames from a file (each be32 size and bytes) round and round, and reads what comes back. The
// frames are Produce requests that were encoded beforehand, so that the client costs next to nothing.
//
//   produce_client port=N file=PATH requests=N [connections=1] [depth=1] [answers=1]
//     [error_at=N]   position in a response, its size included, of an int16 that has to be 0
//
// answers=0 is for the sink that answers nothing: everything is sent, then the end is waited for.
// Prints one line of JSON: seconds, cpuSeconds, bytes, responses.
#include "common.h"

#include <sys/stat.h>

enum { CONNECTIONS_MAX = 4096, FRAMES_MAX = 1 << 16, BUFFER_SIZE = 64 * 1024 };

struct connection {
  int fd;
  int in_flight;
  int want_write;
  uint32_t frame;      // being sent
  size_t sent;         // bytes of it
  size_t have;         // bytes of the response's start
  size_t body_left;    // bytes of the response behind that
  uint8_t head[64];
};

static uint8_t* frames[FRAMES_MAX];
static size_t sizes[FRAMES_MAX];
static uint32_t frame_count, turn;
static int64_t left_to_send, left_to_receive, bytes;
static int depth, answers, loop;
static size_t head_size, error_at;

static void want(struct connection* c, int write) {
  if (c->want_write == write) return;
  c->want_write = write;
  struct epoll_event event = {.events = write ? EPOLLIN | EPOLLOUT : EPOLLIN, .data = {.ptr = c}};
  epoll_ctl(loop, EPOLL_CTL_MOD, c->fd, &event);
}

static void send_more(struct connection* c) {
  for (;;) {
    if (c->sent == 0) {
      if (left_to_send == 0 || (answers && c->in_flight >= depth)) return want(c, 0);
      c->frame = turn++ % frame_count;
      left_to_send--;
      c->in_flight++;
    }
    ssize_t sent = send(c->fd, frames[c->frame] + c->sent, sizes[c->frame] - c->sent,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno != EAGAIN) die("send");
      return want(c, 1);
    }
    bytes += sent;
    c->sent += (size_t)sent;
    if (c->sent == sizes[c->frame]) c->sent = 0;
  }
}

static void receive(struct connection* c) {
  static uint8_t buffer[BUFFER_SIZE];
  ssize_t got = recv(c->fd, buffer, BUFFER_SIZE, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    fprintf(stderr, "the server closed the connection\n");
    exit(1);
  }
  const uint8_t* at = buffer;
  for (size_t count = (size_t)got; count > 0;) {
    if (c->body_left > 0) {
      size_t part = count < c->body_left ? count : c->body_left;
      c->body_left -= part;
      at += part;
      count -= part;
    } else {
      size_t part = head_size - c->have < count ? head_size - c->have : count;
      memcpy(c->head + c->have, at, part);
      c->have += part;
      at += part;
      count -= part;
      if (c->have < head_size) return;
      c->body_left = read_u32(c->head) + 4 - head_size;
      if (error_at > 0 && (c->head[error_at] | c->head[error_at + 1]) != 0) {
        fprintf(stderr, "error code %d\n", (c->head[error_at] << 8) | c->head[error_at + 1]);
        exit(1);
      }
    }
    if (c->body_left == 0) {
      c->have = 0;
      c->in_flight--;
      left_to_receive--;
    }
  }
}

static void read_frames(const char* path) {
  int fd = open(path, O_RDONLY);
  struct stat stats;
  if (fd < 0 || fstat(fd, &stats) != 0) die(path);
  uint8_t* all = (uint8_t*)malloc((size_t)stats.st_size);
  for (off_t at = 0; at < stats.st_size;) {
    ssize_t got = read(fd, all + at, (size_t)(stats.st_size - at));
    if (got <= 0) die("read");
    at += got;
  }
  for (off_t at = 0; at < stats.st_size; frame_count++) {
    if (frame_count == FRAMES_MAX) die("too many frames");
    frames[frame_count] = all + at;
    sizes[frame_count] = read_u32(all + at) + 4;
    at += (off_t)sizes[frame_count];
  }
}

int main(int argc, char** argv) {
  int count = (int)number_of(argc, argv, "connections", 1);
  int64_t requests = number_of(argc, argv, "requests", 1);
  depth = (int)number_of(argc, argv, "depth", 1);
  answers = (int)number_of(argc, argv, "answers", 1);
  error_at = (size_t)number_of(argc, argv, "error_at", 0);
  head_size = error_at > 0 ? error_at + 2 : 4;
  if (count > CONNECTIONS_MAX || head_size > 64) die("too many");
  read_frames(text_of(argc, argv, "file", "frames"));
  left_to_send = left_to_receive = requests;
  loop = epoll_create1(EPOLL_CLOEXEC);
  struct connection* all = (struct connection*)calloc((size_t)count, sizeof(struct connection));
  for (int i = 0; i < count; i++) {
    all[i].fd = connect_to_loopback((int)number_of(argc, argv, "port", 0));
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = &all[i]}};
    epoll_ctl(loop, EPOLL_CTL_ADD, all[i].fd, &event);
  }
  double start = now_seconds();
  double cpu = cpu_seconds();
  for (int i = 0; i < count; i++) send_more(&all[i]);
  struct epoll_event events[256];
  while (answers ? left_to_receive > 0 : left_to_send > 0 || all[0].sent > 0) {
    int ready = epoll_wait(loop, events, 256, -1);
    for (int i = 0; i < ready; i++) {
      struct connection* c = (struct connection*)events[i].data.ptr;
      if (events[i].events & EPOLLIN) receive(c);
      send_more(c);
    }
  }
  if (!answers) {
    char end;
    for (int i = 0; i < count; i++) shutdown(all[i].fd, SHUT_WR);
    for (int i = 0; i < count; i++) {
      while (recv(all[i].fd, &end, 1, 0) > 0) continue;
    }
  }
  printf("{\"seconds\":%.6f,\"cpuSeconds\":%.6f,\"bytes\":%lld,\"responses\":%lld}\n",
         now_seconds() - start, cpu_seconds() - cpu, (long long)bytes, (long long)requests);
  return 0;
}

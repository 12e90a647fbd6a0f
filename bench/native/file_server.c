// The limit that fetches are held against: an epoll loop that answers ranges of a file by sendfile(2),
// or a constant block of memory by one send each. It speaks no protocol to speak of:
//
//   request   be32 12, be64 position, be32 length
//   response  be32 length, bytes
//
//   file_server file=PATH [congestion=cubic]     sendfile, the head before it with MSG_MORE
//   file_server memory=BYTES [congestion=cubic]  head and block in one send
//
// Prints its port. Ends with its standard input.
#include "common.h"

#include <sys/sendfile.h>

enum { REQUEST_SIZE = 16, INPUT_MAX = 64 * 1024, CONNECTIONS_MAX = 4096 };

struct connection {
  int fd;
  int waiting;       // for writability
  size_t have;       // bytes of `input`
  size_t used;       // of them answered or being answered
  size_t head_left;  // bytes of the response's head (of head and block, if from memory) to be sent
  off_t position;
  size_t left;  // bytes of the file to be sent
  uint8_t input[INPUT_MAX];
};

static int file = -1;
static uint8_t* block;
static size_t block_size;
static uint8_t head[4];

// 1: all sent; 0: the socket is full; -1: gone.
static int send_rest(struct connection* c) {
  while (c->head_left > 0) {
    ssize_t sent;
    if (block != NULL) {
      sent = send(c->fd, block + block_size - c->head_left, c->head_left, MSG_NOSIGNAL);
    } else {
      put_u32(head, (uint32_t)c->left);
      sent = send(c->fd, head + 4 - c->head_left, c->head_left, MSG_NOSIGNAL | MSG_MORE);
    }
    if (sent < 0) return errno == EAGAIN ? 0 : -1;
    c->head_left -= (size_t)sent;
  }
  while (c->left > 0) {
    ssize_t sent = sendfile(c->fd, file, &c->position, c->left);
    if (sent < 0) return errno == EAGAIN ? 0 : -1;
    if (sent == 0) return -1;
    c->left -= (size_t)sent;
  }
  return 1;
}

// 1: wants input; 0: wants to write; -1: gone.
static int answer(struct connection* c) {
  for (;;) {
    int done = send_rest(c);
    if (done <= 0) return done;
    if (c->have - c->used < REQUEST_SIZE) break;
    const uint8_t* request = c->input + c->used;
    c->used += REQUEST_SIZE;
    if (block != NULL) {
      c->head_left = block_size;
    } else {
      c->position = (off_t)read_u64(request + 4);
      c->left = read_u32(request + 12);
      c->head_left = 4;
    }
  }
  memmove(c->input, c->input + c->used, c->have - c->used);
  c->have -= c->used;
  c->used = 0;
  return 1;
}

int main(int argc, char** argv) {
  const char* path = text_of(argc, argv, "file", NULL);
  size_t memory = (size_t)number_of(argc, argv, "memory", 0);
  if (path != NULL && (file = open(path, O_RDONLY)) < 0) die(path);
  if (memory > 0) {
    block_size = memory + 4;
    block = (uint8_t*)malloc(block_size);
    memset(block, 'x', block_size);
    put_u32(block, (uint32_t)memory);
  }
  int listener = listen_on_loopback(text_of(argc, argv, "congestion", "cubic"));
  int loop = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data = {.fd = listener}};
  epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
  event.data.fd = 0;
  epoll_ctl(loop, EPOLL_CTL_ADD, 0, &event);
  static struct connection* connections[CONNECTIONS_MAX];
  struct epoll_event events[256];
  for (;;) {
    int count = epoll_wait(loop, events, 256, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == 0) return 0;
      if (fd == listener) {
        int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0) continue;
        if (accepted >= CONNECTIONS_MAX) die("too many connections");
        set_no_delay(accepted);
        connections[accepted] = (struct connection*)calloc(1, sizeof(struct connection));
        connections[accepted]->fd = accepted;
        event.events = EPOLLIN;
        event.data.fd = accepted;
        epoll_ctl(loop, EPOLL_CTL_ADD, accepted, &event);
        continue;
      }
      struct connection* c = connections[fd];
      int state = 1;
      if (!c->waiting) {
        ssize_t got = recv(fd, c->input + c->have, INPUT_MAX - c->have, 0);
        if (got > 0) c->have += (size_t)got;
        else if (got == 0 || errno != EAGAIN) state = -1;
      }
      if (state == 1) state = answer(c);
      if (state < 0) {
        close(fd);
        free(c);
        connections[fd] = NULL;
      } else if (c->waiting != (state == 0)) {
        c->waiting = state == 0;
        event.events = c->waiting ? EPOLLOUT : EPOLLIN;
        event.data.fd = fd;
        epoll_ctl(loop, EPOLL_CTL_MOD, fd, &event);
      }
    }
  }
}

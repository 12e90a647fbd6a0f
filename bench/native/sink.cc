// The limit that produce is held against: an epoll loop that receives, takes the CRC-32C (with the
// addon's own code) and appends to a file. No protocol, no check of what it receives.
//
//   sink file=PATH mode=stream   CRC and one pwrite for each full 1 MiB, no answers
//   sink file=PATH mode=frames   be32 size and bytes: CRC and pwrite per frame, 12 bytes of answer each
//
// The file is emptied when a connection ends, so that the next finds no pages to free. Prints its port; ends with its standard input.
#include "../../native/crc32c.h"
#include "common.h"

enum { BUFFER_SIZE = 1 << 20, CONNECTIONS_MAX = 4096 };

struct connection {
  size_t have;
  uint8_t buffer[BUFFER_SIZE + 4096];
};

static int file;
static off_t end;
static uint32_t all_crcs;

static void append(const uint8_t* bytes, size_t size) {
  all_crcs ^= millrace::Crc32c(bytes, size, 0);
  while (size > 0) {
    ssize_t written = pwrite(file, bytes, size, end);
    if (written < 0) die("pwrite");
    bytes += written;
    size -= static_cast<size_t>(written);
    end += written;
  }
}

// Appends the complete frames of the buffer and answers them.
static void take_frames(int fd, connection* c) {
  size_t at = 0;
  while (c->have - at >= 4) {
    size_t size = read_u32(c->buffer + at);
    if (size + 4 > BUFFER_SIZE + 4096) die("frame too large");
    if (c->have - at < size + 4) break;
    append(c->buffer + at + 4, size);
    at += size + 4;
    uint8_t answer[12] = {0, 0, 0, 8};
    if (send(fd, answer, sizeof answer, MSG_NOSIGNAL) < 0) die("send");
  }
  memmove(c->buffer, c->buffer + at, c->have - at);
  c->have -= at;
}

int main(int argc, char** argv) {
  bool frames = strcmp(text_of(argc, argv, "mode", "stream"), "frames") == 0;
  const char* path = text_of(argc, argv, "file", "sink");
  file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (file < 0) die(path);
  int listener = listen_on_loopback(text_of(argc, argv, "congestion", "cubic"));
  int loop = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = listener;
  epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
  event.data.fd = 0;
  epoll_ctl(loop, EPOLL_CTL_ADD, 0, &event);
  static connection* connections[CONNECTIONS_MAX];
  epoll_event events[256];
  for (;;) {
    int count = epoll_wait(loop, events, 256, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == 0) return all_crcs == 1 ? 2 : 0;
      if (fd == listener) {
        int accepted = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0) continue;
        set_no_delay(accepted);
        connections[accepted] = static_cast<connection*>(malloc(sizeof(connection)));
        connections[accepted]->have = 0;
        event.data.fd = accepted;
        epoll_ctl(loop, EPOLL_CTL_ADD, accepted, &event);
        continue;
      }
      connection* c = connections[fd];
      size_t room = (frames ? BUFFER_SIZE + 4096 : BUFFER_SIZE) - c->have;
      ssize_t got = recv(fd, c->buffer + c->have, room, 0);
      if (got > 0) c->have += static_cast<size_t>(got);
      if (frames) {
        if (got > 0) take_frames(fd, c);
      } else if (c->have == BUFFER_SIZE || (got == 0 && c->have > 0)) {
        append(c->buffer, c->have);
        c->have = 0;
      }
      if (got == 0 || (got < 0 && errno != EAGAIN)) {
        close(fd);
        free(c);
        if (ftruncate(file, 0) != 0) die("ftruncate");
        end = 0;
      }
    }
  }
}

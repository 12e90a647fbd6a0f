// A fetch client that costs as little as can be: many connections in one epoll loop, a fixed number of
// requests in flight on each, responses thrown away. Against a Kafka broker it sends Fetch version 4
// and checks the error code and the size of the records in each response; against file_server its
// requests.
//
//   fetch_client port=N requests=N
//     [connections=1] [depth=1] [kind=copy|trunc]   copy: recv into one buffer; trunc: MSG_TRUNC, the
//                                                   bytes are never copied, so the server is the limit
//     max_bytes=N                                   asked of a request (file_server: the length)
//     plain: file_bytes=N                           positions run through the file and start again
//     kafka: topic=NAME [partitions=1] offset_step=N offset_end=N [first_partition=0]
//                                                   offsets run up in each partition and start again
//            [records_min=1]                        fewer bytes of records in a response are an error
//
// Prints one line of JSON: seconds, cpuSeconds, bytes, responses.
#include "common.h"

enum { CONNECTIONS_MAX = 4096, DEPTH_MAX = 1024, REQUEST_MAX = 512, HEAD_MAX = 512 };
enum { BUFFER_SIZE = 256 * 1024 };

struct connection {
  int fd;
  int in_flight;
  size_t head_have;
  size_t body_left;
  uint8_t head[HEAD_MAX];
};

static const char* topic;
static size_t topic_size;
static int trunc_kind, partitions, first_partition;
static uint32_t max_bytes;
static int64_t file_bytes, offset_step, offset_end, records_min;
static size_t head_size;
static int64_t left_to_send, left_to_receive, bytes;
static uint32_t turn;
static int64_t* next_offset;
static uint8_t buffer[BUFFER_SIZE];
static uint8_t output[REQUEST_MAX * DEPTH_MAX];

static uint8_t* put_request(uint8_t* at) {
  if (topic == NULL) {
    at = put_u32(at, 12);
    at = put_u64(at, (uint64_t)next_offset[0]);
    next_offset[0] += max_bytes;
    if (next_offset[0] + max_bytes > file_bytes) next_offset[0] = 0;
    return put_u32(at, max_bytes);
  }
  uint8_t* start = at;
  int partition = (int)(turn % (uint32_t)partitions);
  at = put_u16(at + 4, 1);
  at = put_u16(at, 4);
  at = put_u32(at, turn++);
  at = put_u16(at, 5);
  memcpy(at, "bench", 5);
  at = put_u32(at + 5, (uint32_t)-1);
  at = put_u32(at, 500);         // max_wait_ms
  at = put_u32(at, 1);           // min_bytes
  at = put_u32(at, 0x7fffffff);  // max_bytes of the response
  *at++ = 0;                     // read uncommitted
  at = put_u32(at, 1);
  at = put_u16(at, (uint16_t)topic_size);
  memcpy(at, topic, topic_size);
  at = put_u32(at + topic_size, 1);
  at = put_u32(at, (uint32_t)(first_partition + partition));
  at = put_u64(at, (uint64_t)next_offset[partition]);
  next_offset[partition] += offset_step;
  if (next_offset[partition] >= offset_end) next_offset[partition] = 0;
  at = put_u32(at, max_bytes);
  put_u32(start, (uint32_t)(at - start - 4));
  return at;
}

static void send_requests(struct connection* c, int count) {
  uint8_t* end = output;
  for (int i = 0; i < count && left_to_send > 0; i++, left_to_send--, c->in_flight++) {
    end = put_request(end);
  }
  for (const uint8_t* at = output; at < end;) {
    ssize_t sent = send(c->fd, at, (size_t)(end - at), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) die("send");
    if (sent > 0) at += sent;
  }
}

// The head is complete: how many bytes follow it?
static size_t check_head(const struct connection* c) {
  size_t size = read_u32(c->head) + 4;
  if (topic != NULL) {
    const uint8_t* partition = c->head + 22 + topic_size;
    int16_t error = (int16_t)((partition[4] << 8) | partition[5]);
    int32_t records = (int32_t)read_u32(partition + 26);
    if (error != 0 || records < records_min) {
      fprintf(stderr, "error code %d, %d bytes of records\n", error, records);
      exit(1);
    }
  }
  bytes += (int64_t)size;
  return size - head_size;
}

// Takes `count` received bytes; answers how many responses they complete.
static int take(struct connection* c, const uint8_t* from, size_t count) {
  int done = 0;
  while (count > 0) {
    if (c->body_left > 0) {
      size_t part = count < c->body_left ? count : c->body_left;
      c->body_left -= part;
      from += part;
      count -= part;
    } else {
      size_t part = head_size - c->head_have < count ? head_size - c->head_have : count;
      memcpy(c->head + c->head_have, from, part);
      c->head_have += part;
      from += part;
      count -= part;
      if (c->head_have < head_size) break;
      c->body_left = check_head(c);
    }
    if (c->body_left == 0) {
      c->head_have = 0;
      done++;
    }
  }
  return done;
}

static int receive(struct connection* c) {
  int done = 0;
  // Not past the last answer: what serves one request may close then.
  for (int i = 0; i < 4 && done < c->in_flight; i++) {
    ssize_t got;
    if (trunc_kind && c->body_left > 0) {
      got = recv(c->fd, NULL, c->body_left, MSG_TRUNC | MSG_DONTWAIT);
      if (got > 0) {
        c->body_left -= (size_t)got;
        if (c->body_left == 0) {
          c->head_have = 0;
          done++;
        }
      }
    } else {
      size_t want = trunc_kind ? head_size - c->head_have : BUFFER_SIZE;
      got = recv(c->fd, buffer, want, MSG_DONTWAIT);
      if (got > 0) done += take(c, buffer, (size_t)got);
      if (got > 0 && !trunc_kind && got < BUFFER_SIZE) break;
    }
    if (got == 0) {
      fprintf(stderr, "the server closed the connection\n");
      exit(1);
    }
    if (got < 0) {
      if (errno != EAGAIN) die("recv");
      break;
    }
  }
  return done;
}

int main(int argc, char** argv) {
  int port = (int)number_of(argc, argv, "port", 0);
  int count = (int)number_of(argc, argv, "connections", 1);
  int depth = (int)number_of(argc, argv, "depth", 1);
  left_to_send = left_to_receive = number_of(argc, argv, "requests", 1);
  trunc_kind = strcmp(text_of(argc, argv, "kind", "copy"), "trunc") == 0;
  max_bytes = (uint32_t)number_of(argc, argv, "max_bytes", 1 << 20);
  file_bytes = number_of(argc, argv, "file_bytes", max_bytes);
  topic = text_of(argc, argv, "topic", NULL);
  partitions = (int)number_of(argc, argv, "partitions", 1);
  first_partition = (int)number_of(argc, argv, "first_partition", 0);
  offset_step = number_of(argc, argv, "offset_step", 1);
  offset_end = number_of(argc, argv, "offset_end", 1);
  records_min = number_of(argc, argv, "records_min", 1);
  topic_size = topic == NULL ? 0 : strlen(topic);
  head_size = topic == NULL ? 4 : 22 + topic_size + 30;
  if (count > CONNECTIONS_MAX || depth > DEPTH_MAX || topic_size > 200) die("too many");
  next_offset = (int64_t*)calloc((size_t)partitions, sizeof(int64_t));
  int loop = epoll_create1(EPOLL_CLOEXEC);
  struct connection* all = (struct connection*)calloc((size_t)count, sizeof(struct connection));
  for (int i = 0; i < count; i++) {
    all[i].fd = connect_to_loopback(port);
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = &all[i]}};
    epoll_ctl(loop, EPOLL_CTL_ADD, all[i].fd, &event);
  }
  double start = now_seconds();
  double cpu = cpu_seconds();
  for (int i = 0; i < count; i++) send_requests(&all[i], depth);
  struct epoll_event events[256];
  while (left_to_receive > 0) {
    int ready = epoll_wait(loop, events, 256, -1);
    for (int i = 0; i < ready; i++) {
      struct connection* c = (struct connection*)events[i].data.ptr;
      int done = receive(c);
      c->in_flight -= done;
      left_to_receive -= done;
      if (done > 0 && left_to_send > 0) send_requests(c, depth - c->in_flight);
    }
  }
  printf("{\"seconds\":%.6f,\"cpuSeconds\":%.6f,\"bytes\":%lld,\"responses\":%lld}\n",
         now_seconds() - start, cpu_seconds() - cpu, (long long)bytes,
         (long long)number_of(argc, argv, "requests", 1));
  return 0;
}

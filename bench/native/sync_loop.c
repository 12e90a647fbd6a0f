// The floor of durable appends: pwrite and fdatasync, one after the other, to the end of a new file.
//
//   sync_loop file=PATH size=BYTES seconds=N
//
// Prints one line of JSON: seconds, cpuSeconds, count.
#include "common.h"

int main(int argc, char** argv) {
  const char* path = text_of(argc, argv, "file", "sync");
  size_t size = (size_t)number_of(argc, argv, "size", 100);
  double seconds = strtod(text_of(argc, argv, "seconds", "0.5"), NULL);
  int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (fd < 0) die(path);
  uint8_t* bytes = (uint8_t*)malloc(size);
  memset(bytes, 'x', size);
  double start = now_seconds();
  double cpu = cpu_seconds();
  long count = 0;
  while (now_seconds() - start < seconds) {
    if (pwrite(fd, bytes, size, (off_t)(count * (long)size)) != (ssize_t)size) die("pwrite");
    if (fdatasync(fd) != 0) die("fdatasync");
    count++;
  }
  printf("{\"seconds\":%.6f,\"cpuSeconds\":%.6f,\"count\":%ld}\n", now_seconds() - start,
         cpu_seconds() - cpu, count);
  return 0;
}

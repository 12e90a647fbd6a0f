// Puts files out of the page cache: written back, then POSIX_FADV_DONTNEED. Arguments: the files.
#include "common.h"

int main(int argc, char** argv) {
  for (int i = 1; i < argc; i++) {
    int fd = open(argv[i], O_RDONLY);
    if (fd < 0) die(argv[i]);
    if (fdatasync(fd) != 0) die("fdatasync");
    int failed = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    if (failed != 0) {
      errno = failed;
      die("posix_fadvise");
    }
    close(fd);
  }
  return 0;
}

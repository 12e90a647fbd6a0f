// System calls on files and descriptors, one function each, on the calling thread.
#pragma once

#include <unistd.h>

#include <napi.h>

namespace millrace {

// A descriptor of our own: closed when this goes.
class OwnedDescriptor {
 public:
  OwnedDescriptor() = default;
  explicit OwnedDescriptor(int fd) : fd_(fd) {}
  OwnedDescriptor(const OwnedDescriptor&) = delete;
  OwnedDescriptor& operator=(const OwnedDescriptor&) = delete;
  OwnedDescriptor(OwnedDescriptor&& other) noexcept : fd_(other.Release()) {}
  OwnedDescriptor& operator=(OwnedDescriptor&& other) noexcept {
    if (this != &other) {
      Close();
      fd_ = other.Release();
    }
    return *this;
  }
  ~OwnedDescriptor() { Close(); }

  // Of what `fd` stands for, with close-on-exec; -errno in `error` and an empty one if that fails.
  static OwnedDescriptor Duplicate(int fd, int* error);

  int get() const { return fd_; }
  bool empty() const { return fd_ < 0; }
  int Release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void Close() {
    // Never twice: on Linux the number is free even when close answers EINTR.
    if (fd_ >= 0) ::close(Release());
  }

 private:
  int fd_ = -1;
};

void ExportFileFunctions(Napi::Env env, Napi::Object exports);

}  // namespace millrace

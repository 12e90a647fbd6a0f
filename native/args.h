// Arguments from JavaScript, checked again in C++, and answers back to it.
//
// The one rule for wrong use, for every function and method of the addon:
//   an argument of the wrong type throws a TypeError;
//   a number out of its range answers -EINVAL;
// and in both cases nothing was done. A binding reads all its arguments first:
//
//     Args args(info);
//     const int fd = args.Descriptor(0);
//     const int64_t position = args.Position(1);
//     if (!args.ok()) return args.Failure();
//     return Answer(info, Retry([&] { return ::some_call(fd, position); }));
#pragma once

#include <sys/uio.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <string>

#include <napi.h>

namespace millrace {

// Buffers that one vectored call takes, and the longest list that is looked at.
inline constexpr size_t kIovMax = 1024;
inline constexpr size_t kListMax = 16 * kIovMax;
static_assert(kIovMax <= IOV_MAX);

// 2^53 - 1: beyond it a double is not exact.
inline constexpr int64_t kSafeMax = (int64_t{1} << 53) - 1;

struct Bytes {
  uint8_t* data = nullptr;
  size_t size = 0;
};

struct Doubles {
  double* data = nullptr;
  size_t count = 0;
};

// The part of a list of buffers that one vectored call takes. Borrowed for the call.
struct IoVector {
  iovec parts[kIovMax];
  int count = 0;
  // Bytes in all of them.
  size_t size = 0;
};

class Args {
 public:
  explicit Args(const Napi::CallbackInfo& info) : info_(info), env_(info.Env()) {}
  Args(const Args&) = delete;
  Args& operator=(const Args&) = delete;

  // A whole number in [min, max].
  int64_t Whole(size_t index, int64_t min, int64_t max);
  // A missing or undefined argument stands for `otherwise`.
  int64_t WholeOr(size_t index, int64_t min, int64_t max, int64_t otherwise);
  // Any int32; whether it is open is for the kernel to say.
  int Descriptor(size_t index) { return static_cast<int>(Whole(index, INT_MIN, INT_MAX)); }
  int Int(size_t index) { return static_cast<int>(Whole(index, INT_MIN, INT_MAX)); }
  // A position in a file, or a size in bytes.
  int64_t Position(size_t index) { return Whole(index, 0, kSafeMax); }
  size_t Size(size_t index) { return static_cast<size_t>(Whole(index, 0, kSafeMax)); }

  // A Uint8Array (a Buffer is one). A detached one has no bytes.
  Bytes ByteView(size_t index);
  // A Float64Array.
  Doubles DoubleView(size_t index);
  // The bytes of an array of Uint8Arrays from `first_offset` of their concatenation on, as far as
  // one call takes them. Beyond the end: -EINVAL.
  void Gather(size_t index, int64_t first_offset, IoVector* vector);
  // Without a NUL inside, at most `size_max` bytes of UTF-8.
  std::string Text(size_t index, size_t size_max);
  Napi::Function Callback(size_t index);

  // For relations between arguments.
  void Require(bool condition) {
    if (!condition) Refuse();
  }

  bool ok() const { return !refused_ && !thrown_; }
  Napi::Value Failure() const;

 private:
  void Refuse() { refused_ = true; }
  void Throw(const char* message);

  const Napi::CallbackInfo& info_;
  Napi::Env env_;
  bool refused_ = false;
  bool thrown_ = false;
};

// >= 0 or -errno.
inline Napi::Value Answer(const Napi::CallbackInfo& info, int64_t result) {
  return Napi::Number::New(info.Env(), static_cast<double>(result));
}

// Makes a system call until it is not interrupted; answers its result, or -errno.
template <typename Call>
int64_t Retry(Call call) {
  for (;;) {
    const auto result = call();
    if (result >= 0) return static_cast<int64_t>(result);
    if (errno != EINTR) return -static_cast<int64_t>(errno);
  }
}

}  // namespace millrace

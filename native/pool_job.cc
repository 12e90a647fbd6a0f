#include "pool_job.h"

#include <fcntl.h>

#include <memory>
#include <utility>
#include <vector>

#include "args.h"
#include "file_io.h"

namespace millrace {
namespace {

inline constexpr size_t kPrefetchSizeMax = 64 << 20;
inline constexpr size_t kScratchSize = 256 << 10;

class PoolJob : public Napi::AsyncWorker {
 public:
  PoolJob(Napi::Function callback, const char* name, OwnedDescriptor fd)
      : Napi::AsyncWorker(callback, name), fd_(std::move(fd)) {}

  void Execute() final { result_ = Run(fd_.get()); }

  std::vector<napi_value> GetResult(Napi::Env env) final {
    // Before the callback, so that it sees no descriptor of ours.
    fd_.Close();
    return {Napi::Number::New(env, static_cast<double>(result_))};
  }

 protected:
  // On a pool thread: no JavaScript. Answers >= 0 or -errno.
  virtual int64_t Run(int fd) = 0;

 private:
  OwnedDescriptor fd_;
  int64_t result_ = 0;
};

class SyncJob final : public PoolJob {
 public:
  SyncJob(Napi::Function callback, OwnedDescriptor fd)
      : PoolJob(callback, "millrace.fdatasync", std::move(fd)) {}

 protected:
  // A write-back error is reported per open file description, which the duplicate shares: it comes
  // out here, once.
  int64_t Run(int fd) override {
    return Retry([&] { return ::fdatasync(fd); });
  }
};

class PrefetchJob final : public PoolJob {
 public:
  PrefetchJob(Napi::Function callback, OwnedDescriptor fd, int64_t position, size_t length)
      : PoolJob(callback, "millrace.prefetch", std::move(fd)),
        position_(position),
        length_(length) {}

 protected:
  // readahead(2) alone would not wait until the pages are there; reading them through does.
  int64_t Run(int fd) override {
    ::posix_fadvise(fd, position_, static_cast<off_t>(length_), POSIX_FADV_WILLNEED);
    const std::unique_ptr<uint8_t[]> scratch(new uint8_t[kScratchSize]);
    size_t done = 0;
    while (done < length_) {
      const size_t size = length_ - done < kScratchSize ? length_ - done : kScratchSize;
      const off_t at = position_ + static_cast<off_t>(done);
      const int64_t result = Retry([&] { return ::pread(fd, scratch.get(), size, at); });
      if (result < 0) return result;
      if (result == 0) break;
      done += static_cast<size_t>(result);
    }
    return static_cast<int64_t>(done);
  }

 private:
  int64_t position_;
  size_t length_;
};

// fdatasync(fd, callback)
Napi::Value DataSync(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Descriptor(0);
  const Napi::Function callback = args.Callback(1);
  if (!args.ok()) return args.Failure();
  int error = 0;
  OwnedDescriptor duplicate = OwnedDescriptor::Duplicate(fd, &error);
  if (error < 0) return Answer(info, error);
  // Deletes itself after the callback.
  (new SyncJob(callback, std::move(duplicate)))->Queue();
  return Answer(info, 0);
}

// prefetch(fd, position, length, callback)
Napi::Value Prefetch(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Descriptor(0);
  const int64_t position = args.Position(1);
  const size_t length = args.Size(2);
  const Napi::Function callback = args.Callback(3);
  args.Require(length <= kPrefetchSizeMax);
  if (!args.ok()) return args.Failure();
  int error = 0;
  OwnedDescriptor duplicate = OwnedDescriptor::Duplicate(fd, &error);
  if (error < 0) return Answer(info, error);
  (new PrefetchJob(callback, std::move(duplicate), position, length))->Queue();
  return Answer(info, 0);
}

}  // namespace

void ExportPoolFunctions(Napi::Env env, Napi::Object exports) {
  exports.Set("fdatasync", Napi::Function::New<DataSync>(env, "fdatasync"));
  exports.Set("prefetch", Napi::Function::New<Prefetch>(env, "prefetch"));
}

}  // namespace millrace

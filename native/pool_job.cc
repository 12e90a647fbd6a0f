#include "pool_job.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "args.h"
#include "file_io.h"

namespace millrace {

int PoolJob::Queue(Napi::Env env, std::unique_ptr<PoolJob> job, Napi::Function callback,
                   const char* name) {
  const napi_value resource_name = Napi::String::New(env, name);
  if (napi_create_reference(env, callback, 1, &job->callback_) != napi_ok) return -EAGAIN;
  if (napi_create_async_work(env, nullptr, resource_name, Execute, Complete, job.get(),
                             &job->work_) != napi_ok ||
      napi_queue_async_work(env, job->work_) != napi_ok) {
    job->Release(env);
    return -EAGAIN;
  }
  job.release();
  return 0;
}

void PoolJob::Execute(napi_env, void* data) {
  auto* job = static_cast<PoolJob*>(data);
  job->result_ = job->Run(job->fd_.get());
}

void PoolJob::Complete(napi_env env, napi_status status, void* data) {
  const std::unique_ptr<PoolJob> job(static_cast<PoolJob*>(data));
  // Before the callback, so that it sees no descriptor of ours.
  job->fd_.Close();
  napi_value callback = nullptr;
  napi_value receiver = nullptr;
  napi_value answers[2] = {nullptr, nullptr};
  const bool callable = napi_get_reference_value(env, job->callback_, &callback) == napi_ok &&
                        napi_get_undefined(env, &receiver) == napi_ok &&
                        napi_create_int64(env, job->result_, &answers[0]) == napi_ok;
  if (callable) answers[1] = job->Details(env);
  job->Release(env);
  if (!callable || status != napi_ok) return;
  // What it throws stays pending and becomes an uncaught exception. A refusal is none: then no
  // JavaScript runs here any more.
  const size_t count = answers[1] == nullptr ? 1 : 2;
  napi_call_function(env, receiver, callback, count, answers, nullptr);
}

void PoolJob::Release(napi_env env) {
  if (work_ != nullptr) napi_delete_async_work(env, work_);
  if (callback_ != nullptr) napi_delete_reference(env, callback_);
  work_ = nullptr;
  callback_ = nullptr;
}

namespace {

inline constexpr size_t kPrefetchSizeMax = 64 << 20;
inline constexpr size_t kScratchSize = 256 << 10;

// MADV_POPULATE_READ, Linux 5.14; not in the headers of older systems, on which we also build.
inline constexpr int kPopulateRead = 22;
#ifdef MADV_POPULATE_READ
static_assert(MADV_POPULATE_READ == kPopulateRead);
#endif

class PrefetchJob final : public PoolJob {
 public:
  PrefetchJob(OwnedDescriptor fd, int64_t position, size_t length, size_t ahead)
      : PoolJob(std::move(fd)), position_(position), length_(length), ahead_(ahead) {}

 protected:
  // readahead(2) alone would not wait until the pages are there. Populating a mapping does, and no
  // byte comes to user space; where it fails, reading tells why (an error, or a file cut short).
  //
  // From now on this open file is read by such jobs: the kernel's own readahead would go on from what
  // sendfile(2) sends, by as many MiB as the device is set to, on the thread that sends.
  int64_t Run(int fd) override {
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
    ::readahead(fd, position_, length_ + ahead_);
    const int64_t populated = Populate(fd);
    return populated < 0 ? ReadThrough(fd) : populated;
  }

 private:
  // Answers the bytes that are there, or -errno. Unlike a touch of the mapping, the call answers an
  // error where the file ends or the disk fails: there is no SIGBUS.
  int64_t Populate(int fd) {
    struct stat file {};
    if (::fstat(fd, &file) < 0) return -errno;
    if (position_ >= file.st_size || length_ == 0) return 0;
    const int64_t end = std::min<int64_t>(position_ + static_cast<int64_t>(length_), file.st_size);
    static const int64_t page_size = ::sysconf(_SC_PAGESIZE);
    const int64_t start = position_ - position_ % page_size;
    const auto size = static_cast<size_t>(end - start);
    void* map = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, start);
    if (map == MAP_FAILED) return -errno;
    const int64_t result = Retry([&] { return ::madvise(map, size, kPopulateRead); });
    ::munmap(map, size);
    return result < 0 ? result : end - position_;
  }

  int64_t ReadThrough(int fd) {
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

  int64_t position_;
  size_t length_;
  size_t ahead_;
};

// prefetch(fd, position, length, ahead, callback)
Napi::Value Prefetch(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Descriptor(0);
  const int64_t position = args.Position(1);
  const size_t length = args.Size(2);
  const size_t ahead = args.Size(3);
  const Napi::Function callback = args.Callback(4);
  args.Require(length <= kPrefetchSizeMax && ahead <= kPrefetchSizeMax);
  if (!args.ok()) return args.Failure();
  int error = 0;
  OwnedDescriptor duplicate = OwnedDescriptor::Duplicate(fd, &error);
  if (error < 0) return Answer(info, error);
  auto job = std::make_unique<PrefetchJob>(std::move(duplicate), position, length, ahead);
  return Answer(info, PoolJob::Queue(info.Env(), std::move(job), callback, "millrace.prefetch"));
}

class DropJob final : public PoolJob {
 public:
  DropJob(OwnedDescriptor fd, int64_t position, int64_t length)
      : PoolJob(std::move(fd)), position_(position), length_(length) {}

 protected:
  int64_t Run(int fd) override {
    // It answers the error itself, and to it a length of 0 is "to the end of the file".
    if (length_ == 0) return 0;
    return -::posix_fadvise(fd, position_, length_, POSIX_FADV_DONTNEED);
  }

 private:
  int64_t position_;
  int64_t length_;
};

// dropPages(fd, position, length, callback)
Napi::Value DropPages(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Descriptor(0);
  const int64_t position = args.Position(1);
  const int64_t length = args.Position(2);
  const Napi::Function callback = args.Callback(3);
  args.Require(length <= kSafeMax - position);
  if (!args.ok()) return args.Failure();
  int error = 0;
  OwnedDescriptor duplicate = OwnedDescriptor::Duplicate(fd, &error);
  if (error < 0) return Answer(info, error);
  auto job = std::make_unique<DropJob>(std::move(duplicate), position, length);
  return Answer(info, PoolJob::Queue(info.Env(), std::move(job), callback, "millrace.dropPages"));
}

}  // namespace

void ExportPoolFunctions(Napi::Env env, Napi::Object exports) {
  exports.Set("dropPages", Napi::Function::New<DropPages>(env, "dropPages"));
  exports.Set("prefetch", Napi::Function::New<Prefetch>(env, "prefetch"));
}

}  // namespace millrace

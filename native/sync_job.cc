#include "sync_job.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "args.h"
#include "file_io.h"
#include "pool_job.h"

namespace millrace {

namespace {

inline constexpr size_t kFilesMax = 1024;
// Of a file in the list of syncTogether: descriptor, position, length.
inline constexpr size_t kFields = 3;

int64_t SyncFile(int fd) {
  return Retry([&] { return ::fdatasync(fd); });
}

class SyncJob final : public PoolJob {
 public:
  explicit SyncJob(OwnedDescriptor fd) : PoolJob(std::move(fd)) {}

 protected:
  // A write-back error is reported per open file description, which the duplicate shares: it comes
  // out here, once.
  int64_t Run(int fd) override { return SyncFile(fd); }
};

struct Overwritten {
  OwnedDescriptor fd;
  int64_t position;
  int64_t length;
  int64_t result;
};

// fdatasync of a file whose blocks and size are on the disk does two things: it writes the pages and
// waits for them, and it makes the disk empty its cache. The first is done for each file, all at a
// time; the second is of the whole disk, and the fdatasync of one file does it for all.
class SyncTogetherJob final : public PoolJob {
 public:
  // `flushed`: the last of `files`.
  SyncTogetherJob(OwnedDescriptor flushed, std::vector<Overwritten> files)
      : PoolJob(std::move(flushed)), files_(std::move(files)) {}

 protected:
  int64_t Run(int flushed) override {
#ifdef SYNC_FILE_RANGE_WRITE
    for (Overwritten& file : files_) file.result = Range(file, SYNC_FILE_RANGE_WRITE);
    // All three flags: every dirty page, also one that was under write-back when the call began.
    constexpr unsigned kWriteAndWait =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    for (Overwritten& file : files_) {
      if (file.result >= 0) file.result = Range(file, kWriteAndWait);
    }
    const int64_t result = SyncFile(flushed);
    for (Overwritten& file : files_) {
      if (file.result >= 0 && result < 0) file.result = result;
    }
#else
    (void)flushed;
    for (Overwritten& file : files_) file.result = SyncFile(file.fd.get());
#endif
    for (Overwritten& file : files_) file.fd.Close();
    return 0;
  }

  napi_value Details(napi_env env) override {
    void* data = nullptr;
    napi_value buffer = nullptr;
    napi_value view = nullptr;
    const size_t size = files_.size() * sizeof(int32_t);
    if (napi_create_arraybuffer(env, size, &data, &buffer) != napi_ok) return nullptr;
    auto* results = static_cast<int32_t*>(data);
    for (size_t i = 0; i < files_.size(); i++) results[i] = static_cast<int32_t>(files_[i].result);
    if (napi_create_typedarray(env, napi_int32_array, files_.size(), buffer, 0, &view) != napi_ok) {
      return nullptr;
    }
    return view;
  }

 private:
#ifdef SYNC_FILE_RANGE_WRITE
  static int64_t Range(const Overwritten& file, unsigned flags) {
    return Retry(
        [&] { return ::sync_file_range(file.fd.get(), file.position, file.length, flags); });
  }
#endif

  std::vector<Overwritten> files_;
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
  auto job = std::make_unique<SyncJob>(std::move(duplicate));
  return Answer(info, PoolJob::Queue(info.Env(), std::move(job), callback, "millrace.fdatasync"));
}

bool IsWhole(double value, double max) {
  return value >= 0 && value <= max && value == static_cast<double>(static_cast<int64_t>(value));
}

// syncTogether(files, callback)
Napi::Value SyncTogether(const Napi::CallbackInfo& info) {
  Args args(info);
  const Doubles list = args.DoubleView(0);
  const Napi::Function callback = args.Callback(1);
  args.Require(list.count > 0 && list.count % kFields == 0 && list.count / kFields <= kFilesMax);
  for (size_t at = 0; args.ok() && at < list.count; at += kFields) {
    args.Require(IsWhole(list.data[at], INT_MAX) && IsWhole(list.data[at + 1], kSafeMax) &&
                 IsWhole(list.data[at + 2], kSafeMax));
  }
  if (!args.ok()) return args.Failure();
  int error = 0;
  std::vector<Overwritten> files;
  files.reserve(list.count / kFields);
  for (size_t at = 0; at < list.count; at += kFields) {
    OwnedDescriptor fd = OwnedDescriptor::Duplicate(static_cast<int>(list.data[at]), &error);
    if (error < 0) return Answer(info, error);
    files.push_back({std::move(fd), static_cast<int64_t>(list.data[at + 1]),
                     static_cast<int64_t>(list.data[at + 2]), 0});
  }
  OwnedDescriptor flushed = OwnedDescriptor::Duplicate(files.back().fd.get(), &error);
  if (error < 0) return Answer(info, error);
  auto job = std::make_unique<SyncTogetherJob>(std::move(flushed), std::move(files));
  return Answer(info,
                PoolJob::Queue(info.Env(), std::move(job), callback, "millrace.syncTogether"));
}

}  // namespace

void ExportSyncFunctions(Napi::Env env, Napi::Object exports) {
  exports.Set("fdatasync", Napi::Function::New<DataSync>(env, "fdatasync"));
  exports.Set("syncTogether", Napi::Function::New<SyncTogether>(env, "syncTogether"));
}

}  // namespace millrace

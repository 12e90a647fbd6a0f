#include "page_cache.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "args.h"

namespace millrace {
namespace {

// cachestat(2), Linux 6.5. Neither its number (the same on every architecture) nor its structures
// are in the headers of older systems, on which we also build.
inline constexpr long kCachestatCall = 451;
#ifdef SYS_cachestat
static_assert(SYS_cachestat == kCachestatCall);
#endif

struct CachestatRange {
  uint64_t offset;
  uint64_t length;
};

struct Cachestat {
  uint64_t cached;
  uint64_t dirty;
  uint64_t writeback;
  uint64_t evicted;
  uint64_t recently_evicted;
};

// residentBytes(fd, position, length)
Napi::Value ResidentBytes(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Descriptor(0);
  const int64_t position = args.Position(1);
  const int64_t length = args.Position(2);
  args.Require(length <= kSafeMax - position);
  if (!args.ok()) return args.Failure();
  // To the kernel a length of 0 means "to the end of the file".
  if (length == 0) return Answer(info, 0);
  CachestatRange range{static_cast<uint64_t>(position), static_cast<uint64_t>(length)};
  Cachestat found{};
  const int64_t result = Retry([&] { return ::syscall(kCachestatCall, fd, &range, &found, 0); });
  if (result < 0) return Answer(info, result);
  // It counts pages, of which the first and the last may be in the range in part. All of them:
  // `length`. Not all: less than that, whatever the parts amount to.
  static const int64_t page_size = ::sysconf(_SC_PAGESIZE);
  const int64_t pages = (position + length - 1) / page_size - position / page_size + 1;
  const auto cached = static_cast<int64_t>(found.cached);
  if (cached >= pages) return Answer(info, length);
  return Answer(info, std::min(cached * page_size, length - 1));
}

}  // namespace

void ExportPageCacheFunctions(Napi::Env env, Napi::Object exports) {
  exports.Set("residentBytes", Napi::Function::New<ResidentBytes>(env, "residentBytes"));
}

}  // namespace millrace

#include "check_job.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "args.h"
#include "crc32c.h"
#include "file_io.h"
#include "pool_job.h"
#include "walk_batches.h"

namespace millrace {
namespace {

inline constexpr size_t kCheckSizeMax = 64 << 20;
inline constexpr size_t kPieceSize = 1 << 20;
inline constexpr size_t kBlockSizeMin = 4096;
inline constexpr size_t kBatchesOfWalk = 512;
// Of the framing of a batch: base offset, and the length of what follows at byte 8.
inline constexpr size_t kFramingSize = 12;
inline constexpr size_t kLengthAt = 8;

// Answers how many of `size` bytes are there, or -errno.
int64_t ReadFully(int fd, uint8_t* bytes, size_t size, int64_t position) {
  size_t done = 0;
  while (done < size) {
    const off_t at = position + static_cast<off_t>(done);
    const int64_t result = Retry([&] { return ::pread(fd, bytes + done, size - done, at); });
    if (result < 0) return result;
    if (result == 0) break;
    done += static_cast<size_t>(result);
  }
  return static_cast<int64_t>(done);
}

// Grows to the largest batch, which the file holds: `limit` bounds it.
class Piece {
 public:
  bool Reserve(size_t size) {
    if (size <= size_) return true;
    bytes_.reset(new (std::nothrow) uint8_t[size]);
    size_ = bytes_ == nullptr ? 0 : size;
    return bytes_ != nullptr;
  }
  uint8_t* data() { return bytes_.get(); }

 private:
  std::unique_ptr<uint8_t[]> bytes_;
  size_t size_ = 0;
};

class WalkJob final : public PoolJob {
 public:
  WalkJob(OwnedDescriptor fd, int64_t position, int64_t end, int64_t limit)
      : PoolJob(std::move(fd)), position_(position), end_(end), limit_(limit) {}

 protected:
  int64_t Run(int fd) override {
    int64_t at = position_;
    size_t wanted = kPieceSize;
    while (at < end_) {
      const auto size = static_cast<size_t>(std::min<int64_t>(limit_ - at, wanted));
      if (!piece_.Reserve(size)) return -ENOMEM;
      const int64_t read = ReadFully(fd, piece_.data(), size, at);
      if (read < 0) return read;
      const auto there = static_cast<size_t>(read);
      const size_t good = Walk(there);
      if (stop_ != walk::kEnd && stop_ != walk::kIncomplete) return at + static_cast<int64_t>(good);
      if (good == 0) {
        // One batch is larger than the piece, or passes the limit.
        const size_t batch = there < kFramingSize ? 0 : BatchSize(piece_.data());
        if (batch <= there || static_cast<int64_t>(batch) > limit_ - at || there < size) return at;
        wanted = batch;
        continue;
      }
      at += static_cast<int64_t>(good);
      wanted = kPieceSize;
    }
    return at;
  }

 private:
  // Answers where the good batches end that begin the piece; `stop_` says why there.
  size_t Walk(size_t size) {
    size_t at = 0;
    do {
      const size_t count = walk::Batches(piece_.data(), at, size, out_, kBatchesOfWalk,
                                         walk::kCheckCrc | walk::kSparseOffsets);
      stop_ = static_cast<int>(out_[1]);
      for (size_t batch = 0; batch < count; batch++) {
        const double* fields = out_ + walk::kHead + batch * walk::kStride;
        if (fields[2] <= last_offset_) {
          stop_ = walk::kBadOffsets;
          return static_cast<size_t>(fields[0]);
        }
        last_offset_ = fields[2] + fields[3];
      }
      at = static_cast<size_t>(out_[0]);
    } while (stop_ == walk::kOutFull);
    return at;
  }

  static size_t BatchSize(const uint8_t* batch) {
    uint32_t length = 0;
    for (size_t byte = 0; byte < 4; byte++) length = length << 8 | batch[kLengthAt + byte];
    return kFramingSize + length;
  }

  int64_t position_;
  int64_t end_;
  int64_t limit_;
  Piece piece_;
  int stop_ = walk::kEnd;
  double last_offset_ = -1;
  double out_[walk::kHead + kBatchesOfWalk * walk::kStride];
};

class ChecksumJob final : public PoolJob {
 public:
  ChecksumJob(OwnedDescriptor fd, int64_t position, size_t length, size_t block_size)
      : PoolJob(std::move(fd)), position_(position), length_(length), block_size_(block_size) {}

 protected:
  int64_t Run(int fd) override {
    const std::unique_ptr<uint8_t[]> block(new (std::nothrow) uint8_t[block_size_]);
    if (block == nullptr) return -ENOMEM;
    size_t done = 0;
    while (done < length_) {
      const size_t size = std::min(block_size_, length_ - done);
      const int64_t read =
          ReadFully(fd, block.get(), size, position_ + static_cast<int64_t>(done));
      if (read < 0) return read;
      if (read > 0) crcs_.push_back(Crc32c(block.get(), static_cast<size_t>(read), 0));
      done += static_cast<size_t>(read);
      if (static_cast<size_t>(read) < size) break;
    }
    return static_cast<int64_t>(done);
  }

  napi_value Details(napi_env env) override {
    void* data = nullptr;
    napi_value buffer = nullptr;
    napi_value view = nullptr;
    const size_t size = crcs_.size() * sizeof(uint32_t);
    if (napi_create_arraybuffer(env, size, &data, &buffer) != napi_ok) return nullptr;
    if (size > 0) std::memcpy(data, crcs_.data(), size);
    if (napi_create_typedarray(env, napi_uint32_array, crcs_.size(), buffer, 0, &view) != napi_ok) {
      return nullptr;
    }
    return view;
  }

 private:
  int64_t position_;
  size_t length_;
  size_t block_size_;
  std::vector<uint32_t> crcs_;
};

// walkFile(fd, position, end, limit, callback)
Napi::Value WalkFile(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Descriptor(0);
  const int64_t position = args.Position(1);
  const int64_t end = args.Position(2);
  const int64_t limit = args.Position(3);
  const Napi::Function callback = args.Callback(4);
  args.Require(position <= end && end <= limit);
  args.Require(end - position <= static_cast<int64_t>(kCheckSizeMax));
  if (!args.ok()) return args.Failure();
  int error = 0;
  OwnedDescriptor duplicate = OwnedDescriptor::Duplicate(fd, &error);
  if (error < 0) return Answer(info, error);
  auto job = std::make_unique<WalkJob>(std::move(duplicate), position, end, limit);
  return Answer(info, PoolJob::Queue(info.Env(), std::move(job), callback, "millrace.walkFile"));
}

// checksumBlocks(fd, position, length, blockSize, callback)
Napi::Value ChecksumBlocks(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Descriptor(0);
  const int64_t position = args.Position(1);
  const size_t length = args.Size(2);
  const size_t block_size = args.Size(3);
  const Napi::Function callback = args.Callback(4);
  args.Require(length <= kCheckSizeMax);
  args.Require(block_size >= kBlockSizeMin && block_size <= kCheckSizeMax);
  if (!args.ok()) return args.Failure();
  int error = 0;
  OwnedDescriptor duplicate = OwnedDescriptor::Duplicate(fd, &error);
  if (error < 0) return Answer(info, error);
  auto job = std::make_unique<ChecksumJob>(std::move(duplicate), position, length, block_size);
  return Answer(info,
                PoolJob::Queue(info.Env(), std::move(job), callback, "millrace.checksumBlocks"));
}

}  // namespace

void ExportCheckFunctions(Napi::Env env, Napi::Object exports) {
  exports.Set("walkFile", Napi::Function::New<WalkFile>(env, "walkFile"));
  exports.Set("checksumBlocks", Napi::Function::New<ChecksumBlocks>(env, "checksumBlocks"));
}

}  // namespace millrace

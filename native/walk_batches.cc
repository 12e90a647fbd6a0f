// The header, 61 bytes, big-endian:
//
//     0 base offset i64    8 length i32   12 leader epoch i32   16 magic i8   17 crc u32
//    21 attributes i16    23 last offset delta i32    27 base timestamp i64   35 max timestamp i64
//    43 producer id i64   51 producer epoch i16       53 base sequence i32    57 records count i32
#include "walk_batches.h"

#include <cmath>
#include <limits>

#include "crc32c.h"

namespace millrace::walk {
namespace {

constexpr size_t kFramingSize = 12;
constexpr size_t kHeaderSize = 61;
constexpr size_t kMagicAt = 16;
constexpr size_t kCrcAt = 17;
constexpr size_t kCrcFrom = 21;
constexpr size_t kRecordSizeMin = 7;
constexpr int64_t kOffsetMax = (int64_t{1} << 53) - 1;
constexpr int kCompressionMask = 7;

// Compilers make one load and one byte swap of each of these.
inline uint16_t Load16(const uint8_t* at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }
inline uint32_t Load32(const uint8_t* at) {
  return static_cast<uint32_t>(at[0]) << 24 | static_cast<uint32_t>(at[1]) << 16 |
         static_cast<uint32_t>(at[2]) << 8 | static_cast<uint32_t>(at[3]);
}
inline uint64_t Load64(const uint8_t* at) {
  return static_cast<uint64_t>(Load32(at)) << 32 | Load32(at + 4);
}

// Reads forwards in [at, end) and never past it. After a failure everything fails.
class Reader {
 public:
  Reader(const uint8_t* at, const uint8_t* end) : at_(at), end_(end) {}

  size_t left() const { return static_cast<size_t>(end_ - at_); }
  bool ok() const { return ok_; }

  void Skip(size_t size) {
    if (size > left()) {
      Fail();
    } else {
      at_ += size;
    }
  }

  // A reader of the next `size` bytes, which this one passes over.
  Reader Take(size_t size) {
    if (size > left()) Fail();
    if (!ok_) return Reader(end_, end_);
    const uint8_t* from = at_;
    at_ += size;
    return Reader(from, at_);
  }

  int32_t Varint() {
    uint32_t raw = 0;
    if (at_ < end_ && *at_ < 0x80) {
      raw = *at_++;
    } else {
      raw = static_cast<uint32_t>(Unsigned(5, std::numeric_limits<uint32_t>::max()));
    }
    return static_cast<int32_t>(raw >> 1) ^ -static_cast<int32_t>(raw & 1);
  }

  int64_t Varlong() {
    const uint64_t raw = Unsigned(10, std::numeric_limits<uint64_t>::max());
    return static_cast<int64_t>(raw >> 1) ^ -static_cast<int64_t>(raw & 1);
  }

  // A varint length and as many bytes; -1 stands for null where `nullable`. Answers the length.
  int32_t Field(bool nullable) {
    const int32_t length = Varint();
    if (length >= 0) {
      Skip(static_cast<size_t>(length));
    } else if (length < -1 || !nullable) {
      Fail();
    }
    return length;
  }

 private:
  void Fail() {
    ok_ = false;
    at_ = end_;
  }

  uint64_t Unsigned(int size_max, uint64_t max) {
    uint64_t value = 0;
    const uint8_t* at = at_;
    for (int shift = 0; shift < 7 * size_max && at < end_; shift += 7) {
      const uint64_t bits = *at & 0x7f;
      if (bits > max >> shift) break;  // a bit beyond the width
      value |= bits << shift;
      if (*at++ < 0x80) {
        at_ = at;
        return value;
      }
    }
    Fail();
    return 0;
  }

  const uint8_t* at_;
  const uint8_t* end_;
  bool ok_ = true;
};

struct RecordsSummary {
  int64_t min_timestamp = std::numeric_limits<int64_t>::max();
  int64_t max_timestamp = std::numeric_limits<int64_t>::min();
  int64_t null_key_count = 0;
};

struct RecordsExpected {
  int32_t count;
  int32_t last_offset_delta;
  int64_t base_timestamp;
  bool sparse;
};

// Whether [from, end) holds exactly the records expected.
bool WalkRecords(const uint8_t* from, const uint8_t* end, const RecordsExpected& expected,
                 RecordsSummary* summary) {
  Reader records(from, end);
  int32_t last_delta = -1;
  for (int32_t index = 0; index < expected.count; index++) {
    const int32_t length = records.Varint();
    if (!records.ok() || length < static_cast<int32_t>(kRecordSizeMin) - 1) return false;
    Reader record = records.Take(static_cast<size_t>(length));
    record.Skip(1);
    const int64_t timestamp_delta = record.Varlong();
    const int32_t offset_delta = record.Varint();
    const int32_t key_length = record.Field(true);
    record.Field(true);
    const int32_t header_count = record.Varint();
    // Two bytes is the least a header takes: this bounds the loop by the size of the record.
    if (!record.ok() || header_count < 0 || static_cast<size_t>(header_count) > record.left() / 2) {
      return false;
    }
    for (int32_t header = 0; header < header_count; header++) {
      record.Field(false);
      record.Field(true);
    }
    if (!record.ok() || record.left() != 0) return false;

    if (expected.sparse) {
      if (offset_delta <= last_delta || offset_delta > expected.last_offset_delta) return false;
    } else if (offset_delta != index) {
      return false;
    }
    last_delta = offset_delta;
    int64_t timestamp = 0;
    if (__builtin_add_overflow(expected.base_timestamp, timestamp_delta, &timestamp)) return false;
    if (timestamp < summary->min_timestamp) summary->min_timestamp = timestamp;
    if (timestamp > summary->max_timestamp) summary->max_timestamp = timestamp;
    if (key_length == -1) summary->null_key_count++;
  }
  return records.left() == 0;
}

// Checks the batch at `batch`, of which `remaining` > 0 bytes are there; writes its row and its size
// and answers kEnd if it passes.
Stop CheckBatch(const uint8_t* batch, size_t remaining, uint32_t flags, size_t* size_out, double* row) {
  if (remaining <= kMagicAt) return kIncomplete;
  if (batch[kMagicAt] != 2) return kBadMagic;
  const auto length = static_cast<int32_t>(Load32(batch + 8));
  if (length < static_cast<int32_t>(kHeaderSize - kFramingSize)) return kBadLength;
  const size_t size = kFramingSize + static_cast<size_t>(length);
  if (size > remaining) return kIncomplete;

  if ((flags & kCheckCrc) != 0 &&
      Crc32c(batch + kCrcFrom, size - kCrcFrom, 0) != Load32(batch + kCrcAt)) {
    return kBadCrc;
  }

  const auto base_offset = static_cast<int64_t>(Load64(batch));
  const auto last_offset_delta = static_cast<int32_t>(Load32(batch + 23));
  if (base_offset < 0 || last_offset_delta < 0 || base_offset > kOffsetMax - last_offset_delta) {
    return kBadOffsets;
  }

  const auto attributes = static_cast<int16_t>(Load16(batch + 21));
  const auto records_count = static_cast<int32_t>(Load32(batch + 57));
  const bool plain = (attributes & kCompressionMask) == 0;
  const bool sparse = (flags & kSparseOffsets) != 0;
  if (records_count < 0) return kBadCount;
  if (plain && static_cast<size_t>(records_count) > (size - kHeaderSize) / kRecordSizeMin) {
    return kBadCount;
  }
  if (sparse ? last_offset_delta < records_count - 1
             : records_count < 1 || last_offset_delta != records_count - 1) {
    return kBadCount;
  }

  const auto base_timestamp = static_cast<int64_t>(Load64(batch + 27));
  row[12] = row[13] = row[14] = std::numeric_limits<double>::quiet_NaN();
  if (plain && (flags & kWalkRecords) != 0) {
    RecordsSummary summary;
    const RecordsExpected expected{records_count, last_offset_delta, base_timestamp, sparse};
    if (!WalkRecords(batch + kHeaderSize, batch + size, expected, &summary)) return kBadRecords;
    if (records_count > 0) {
      row[12] = static_cast<double>(summary.min_timestamp);
      row[13] = static_cast<double>(summary.max_timestamp);
    }
    row[14] = static_cast<double>(summary.null_key_count);
  }
  row[1] = static_cast<double>(size);
  row[2] = static_cast<double>(base_offset);
  row[3] = last_offset_delta;
  row[4] = static_cast<int32_t>(Load32(batch + 12));
  row[5] = attributes;
  row[6] = static_cast<double>(base_timestamp);
  row[7] = static_cast<double>(static_cast<int64_t>(Load64(batch + 35)));
  row[8] = static_cast<double>(static_cast<int64_t>(Load64(batch + 43)));
  row[9] = static_cast<int16_t>(Load16(batch + 51));
  row[10] = static_cast<int32_t>(Load32(batch + 53));
  row[11] = records_count;
  row[15] = 0;
  *size_out = size;
  return kEnd;
}

}  // namespace

size_t Batches(const uint8_t* bytes, size_t offset, size_t end, double* out, size_t capacity,
               uint32_t flags) {
  size_t position = offset;
  size_t count = 0;
  Stop stop = kEnd;
  while (position < end) {
    if (count == capacity) {
      stop = kOutFull;
      break;
    }
    // Into a row of its own: a batch that does not pass leaves no trace in the output.
    double row[kStride];
    size_t size = 0;
    stop = CheckBatch(bytes + position, end - position, flags, &size, row);
    if (stop != kEnd) break;
    row[0] = static_cast<double>(position);
    double* target = out + kHead + count * kStride;
    for (size_t i = 0; i < kStride; i++) target[i] = row[i];
    position += size;
    count++;
  }
  out[0] = static_cast<double>(position);
  out[1] = stop;
  return count;
}

}  // namespace millrace::walk

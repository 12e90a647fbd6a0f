// Walks record batches of format v2 and checks them: the one loop that a produce request, recovery
// and the scrubber share. What is checked, and in which order, is written at `walkBatches` in
// src/native/binding.ts; src/record/batch-walk.ts is the same in TypeScript, with equal results for
// every input. No allocation, no state; reads only inside [offset, end), whatever the bytes say.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::walk {

// Why a walk stopped. Exported to JavaScript as WALK_*.
enum Stop : int {
  kEnd = 0,
  kOutFull = 1,
  kIncomplete = 2,
  kBadMagic = 3,
  kBadLength = 4,
  kBadCrc = 5,
  kBadCount = 6,
  kBadRecords = 7,
  kBadOffsets = 8,
};

enum Flags : uint32_t { kCheckCrc = 1, kWalkRecords = 2, kSparseOffsets = 4 };
inline constexpr uint32_t kAllFlags = kCheckCrc | kWalkRecords | kSparseOffsets;

// Output: a head of two doubles (position, reason), then kStride doubles per batch.
inline constexpr size_t kHead = 2;
inline constexpr size_t kStride = 16;

// `out` has room for kHead + capacity * kStride doubles. Answers the number of batches that passed.
size_t Batches(const uint8_t* bytes, size_t offset, size_t end, double* out, size_t capacity,
               uint32_t flags);

}  // namespace millrace::walk

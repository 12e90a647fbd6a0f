// CRC-32C (Castagnoli): reflected polynomial 0x82f63b78, initial value and final xor 0xffffffff.
//
// One entry, dispatched once per process to the fastest implementation that this CPU has:
//   vpclmul  folds 4 x 512 bits by carry-less multiplication (VPCLMULQDQ + AVX-512)
//   sse42    three interleaved streams of the crc32 instruction, joined by PCLMULQDQ
//   armv8    the crc32c instructions of ARMv8
//   table    slicing-by-8
// MILLRACE_CRC32C=NAME in the environment chooses another one of those that run here; for tests.
//
// The polynomial arithmetic that the folding constants come from is written out here, so that no
// magic number has to be believed: they are computed by the compiler.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace {

// CRC of `size` bytes; `seed` is the CRC of what went before, 0 at the start.
uint32_t Crc32c(const uint8_t* bytes, size_t size, uint32_t seed);

// Name of the implementation in use.
const char* Crc32cKind();

namespace crc {

inline constexpr uint32_t kPolynomial = 0x82f63b78;

// The implementations work on the register itself, without the initial and final inversion.
using Update = uint32_t (*)(uint32_t state, const uint8_t* bytes, size_t size);

uint32_t UpdateTable(uint32_t state, const uint8_t* bytes, size_t size);

// Null where this CPU, or this build, does not have them.
Update VpclmulUpdate();
Update Sse42Update();
Update Armv8Update();

// x^n mod P as a 32-bit reflected register: bit i stands for x^(31 - i).
constexpr uint32_t PowerOfX(unsigned n) {
  uint32_t power = 0x80000000;
  for (unsigned i = 0; i < n; i++) power = (power >> 1) ^ ((power & 1) != 0 ? kPolynomial : 0);
  return power;
}

}  // namespace crc
}  // namespace millrace

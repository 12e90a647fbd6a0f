// CRC-32C on x86-64.
//
// The message is a polynomial over GF(2); a little-endian load of 128 bits holds 128 of its
// coefficients, bit k standing for x^(127 - k) of that block. Two facts carry the whole file:
//
//  1. Moving a block ahead by D bits means to multiply it by x^D mod P. With lo and hi the two
//     64-bit halves (lo holds the higher powers) that is lo * x^(D + 64) + hi * x^D. A carry-less
//     product of two reflected 64-bit words, taken as a reflected 128-bit word, is the product
//     times x; so the constants are x^(D + 63) and x^(D - 1), in the upper half of a 64-bit word.
//  2. The crc32 instruction takes a register c and a 64-bit word w to (c * x^64 + w * x^32) mod P
//     in the same representation, so it also finishes a folded block, with c = 0.
#include "crc32c.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#include <cstring>

namespace millrace {
namespace crc {
namespace {

inline uint64_t Load64(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

__attribute__((target("sse4.2"))) inline uint32_t UpdateSerial(uint32_t state, const uint8_t* bytes,
                                                               size_t size) {
  uint64_t wide = state;
  for (; size >= 8; size -= 8, bytes += 8) wide = _mm_crc32_u64(wide, Load64(bytes));
  state = static_cast<uint32_t>(wide);
  for (; size > 0; size--) state = _mm_crc32_u8(state, *bytes++);
  return state;
}

// state * x^n mod P, where `factor` is x^(n - 33) mod P: a product of two reflected 32-bit words is
// times x as above, and the crc32 instruction multiplies by x^32 as it reduces.
__attribute__((target("sse4.2,pclmul"))) inline uint32_t Multiply(uint32_t state, uint32_t factor) {
  const __m128i product = _mm_clmulepi64_si128(_mm_cvtsi32_si128(static_cast<int>(state)),
                                               _mm_cvtsi32_si128(static_cast<int>(factor)), 0x00);
  return static_cast<uint32_t>(
      _mm_crc32_u64(0, static_cast<uint64_t>(_mm_cvtsi128_si64(product))));
}

// Three streams of kBlock bytes at once: the instruction has a latency of three cycles and a
// throughput of one.
template <size_t kBlock>
__attribute__((target("sse4.2,pclmul"))) inline uint32_t UpdateThreeWay(uint32_t state,
                                                                        const uint8_t*& bytes,
                                                                        size_t& size) {
  static_assert(kBlock % 8 == 0 && kBlock * 8 > 33);
  constexpr uint32_t kOneBlock = PowerOfX(kBlock * 8 - 33);
  constexpr uint32_t kTwoBlocks = PowerOfX(kBlock * 16 - 33);
  while (size >= 3 * kBlock) {
    uint64_t first = state;
    uint64_t second = 0;
    uint64_t third = 0;
    for (size_t i = 0; i < kBlock; i += 8) {
      first = _mm_crc32_u64(first, Load64(bytes + i));
      second = _mm_crc32_u64(second, Load64(bytes + kBlock + i));
      third = _mm_crc32_u64(third, Load64(bytes + 2 * kBlock + i));
    }
    state = Multiply(static_cast<uint32_t>(first), kTwoBlocks) ^
            Multiply(static_cast<uint32_t>(second), kOneBlock) ^ static_cast<uint32_t>(third);
    bytes += 3 * kBlock;
    size -= 3 * kBlock;
  }
  return state;
}

__attribute__((target("sse4.2,pclmul"))) uint32_t UpdateSse42(uint32_t state, const uint8_t* bytes,
                                                              size_t size) {
  state = UpdateThreeWay<2048>(state, bytes, size);
  state = UpdateThreeWay<128>(state, bytes, size);
  return UpdateSerial(state, bytes, size);
}

#define MILLRACE_VPCLMUL \
  __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,vpclmulqdq,pclmul,sse4.2")))

// Constants to move each of the four 128-bit lanes ahead by kBits.
template <unsigned kBits>
MILLRACE_VPCLMUL inline __m512i FoldConstants() {
  constexpr uint64_t kLow = static_cast<uint64_t>(PowerOfX(kBits + 63)) << 32;
  constexpr uint64_t kHigh = static_cast<uint64_t>(PowerOfX(kBits - 1)) << 32;
  return _mm512_set_epi64(static_cast<long long>(kHigh), static_cast<long long>(kLow),
                          static_cast<long long>(kHigh), static_cast<long long>(kLow),
                          static_cast<long long>(kHigh), static_cast<long long>(kLow),
                          static_cast<long long>(kHigh), static_cast<long long>(kLow));
}

// `folded` moved ahead, plus what stands there.
MILLRACE_VPCLMUL inline __m512i Fold(__m512i folded, __m512i constants, __m512i next) {
  const __m512i low = _mm512_clmulepi64_epi128(folded, constants, 0x00);
  const __m512i high = _mm512_clmulepi64_epi128(folded, constants, 0x11);
  return _mm512_ternarylogic_epi64(low, high, next, 0x96);  // a ^ b ^ c
}

MILLRACE_VPCLMUL uint32_t UpdateVpclmul(uint32_t state, const uint8_t* bytes, size_t size) {
  if (size < 256) return UpdateSerial(state, bytes, size);
  __m512i a = _mm512_loadu_si512(bytes);
  __m512i b = _mm512_loadu_si512(bytes + 64);
  __m512i c = _mm512_loadu_si512(bytes + 128);
  __m512i d = _mm512_loadu_si512(bytes + 192);
  a = _mm512_xor_si512(a, _mm512_zextsi128_si512(_mm_cvtsi32_si128(static_cast<int>(state))));
  bytes += 256;
  size -= 256;
  const __m512i by_2048 = FoldConstants<2048>();
  for (; size >= 256; size -= 256, bytes += 256) {
    a = Fold(a, by_2048, _mm512_loadu_si512(bytes));
    b = Fold(b, by_2048, _mm512_loadu_si512(bytes + 64));
    c = Fold(c, by_2048, _mm512_loadu_si512(bytes + 128));
    d = Fold(d, by_2048, _mm512_loadu_si512(bytes + 192));
  }
  const __m512i by_512 = FoldConstants<512>();
  d = Fold(Fold(Fold(a, by_512, b), by_512, c), by_512, d);
  for (; size >= 64; size -= 64, bytes += 64) d = Fold(d, by_512, _mm512_loadu_si512(bytes));
  uint8_t rest[64];
  _mm512_storeu_si512(rest, d);
  return UpdateSerial(UpdateSerial(0, rest, sizeof(rest)), bytes, size);
}

}  // namespace

Update Sse42Update() {
  __builtin_cpu_init();
  const bool has = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
  return has ? UpdateSse42 : nullptr;
}

Update VpclmulUpdate() {
  __builtin_cpu_init();
  const bool has = __builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx512f") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && Sse42Update() != nullptr;
  return has ? UpdateVpclmul : nullptr;
}

}  // namespace crc
}  // namespace millrace

#else

namespace millrace::crc {
Update Sse42Update() { return nullptr; }
Update VpclmulUpdate() { return nullptr; }
}  // namespace millrace::crc

#endif

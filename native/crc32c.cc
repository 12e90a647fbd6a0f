#include "crc32c.h"

#include <array>
#include <cstdlib>
#include <cstring>

namespace millrace {
namespace crc {
namespace {

constexpr std::array<std::array<uint32_t, 256>, 8> MakeTables() {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t state = byte;
    for (int bit = 0; bit < 8; bit++) state = (state >> 1) ^ ((state & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = state;
  }
  // Table k steps one byte over k bytes of zeros.
  for (size_t k = 1; k < 8; k++) {
    for (uint32_t byte = 0; byte < 256; byte++) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr auto kTables = MakeTables();

struct Implementation {
  const char* name;
  Update update;
};

Implementation Choose() {
  const Implementation all[] = {
      {"vpclmul", VpclmulUpdate()},
      {"sse42", Sse42Update()},
      {"armv8", Armv8Update()},
      {"table", UpdateTable},
  };
  const char* wanted = std::getenv("MILLRACE_CRC32C");
  if (wanted != nullptr) {
    for (const Implementation& one : all) {
      if (one.update != nullptr && std::strcmp(one.name, wanted) == 0) return one;
    }
  }
  for (const Implementation& one : all) {
    if (one.update != nullptr) return one;
  }
  return all[3];
}

const Implementation& Chosen() {
  static const Implementation chosen = Choose();
  return chosen;
}

}  // namespace

uint32_t UpdateTable(uint32_t state, const uint8_t* bytes, size_t size) {
  while (size >= 8) {
    const uint32_t low = state ^ (static_cast<uint32_t>(bytes[0]) | static_cast<uint32_t>(bytes[1]) << 8 |
                                  static_cast<uint32_t>(bytes[2]) << 16 |
                                  static_cast<uint32_t>(bytes[3]) << 24);
    state = kTables[7][low & 0xff] ^ kTables[6][(low >> 8) & 0xff] ^ kTables[5][(low >> 16) & 0xff] ^
            kTables[4][low >> 24] ^ kTables[3][bytes[4]] ^ kTables[2][bytes[5]] ^
            kTables[1][bytes[6]] ^ kTables[0][bytes[7]];
    bytes += 8;
    size -= 8;
  }
  for (; size > 0; size--) state = (state >> 8) ^ kTables[0][(state ^ *bytes++) & 0xff];
  return state;
}

}  // namespace crc

uint32_t Crc32c(const uint8_t* bytes, size_t size, uint32_t seed) {
  return ~crc::Chosen().update(~seed, bytes, size);
}

const char* Crc32cKind() { return crc::Chosen().name; }

}  // namespace millrace

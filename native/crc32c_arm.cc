// CRC-32C with the instructions of ARMv8 (optional in 8.0, hence the question to the kernel).
#include "crc32c.h"

#if defined(__aarch64__) && defined(__linux__) && defined(__GNUC__)

#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include <cstring>

namespace millrace {
namespace crc {
namespace {

__attribute__((target("+crc"))) uint32_t UpdateArmv8(uint32_t state, const uint8_t* bytes,
                                                     size_t size) {
  for (; size >= 8; size -= 8, bytes += 8) {
    uint64_t word;
    std::memcpy(&word, bytes, sizeof(word));
    state = __crc32cd(state, word);
  }
  for (; size > 0; size--) state = __crc32cb(state, *bytes++);
  return state;
}

}  // namespace

Update Armv8Update() { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0 ? UpdateArmv8 : nullptr; }

}  // namespace crc
}  // namespace millrace

#else

namespace millrace::crc {
Update Armv8Update() { return nullptr; }
}  // namespace millrace::crc

#endif

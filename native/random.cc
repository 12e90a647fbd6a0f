#include "random.h"

#include <sys/random.h>

#include <algorithm>

#include "args.h"

namespace millrace {
namespace {

// What getrandom(2) gives whole, however many signals come.
constexpr size_t kPieceMax = 256;

// fillRandom(bytes)
Napi::Value FillRandom(const Napi::CallbackInfo& info) {
  Args args(info);
  const Bytes bytes = args.ByteView(0);
  if (!args.ok()) return args.Failure();
  for (size_t at = 0; at < bytes.size;) {
    const size_t size = std::min(kPieceMax, bytes.size - at);
    const int64_t count = Retry([&] { return ::getrandom(bytes.data + at, size, 0); });
    if (count < 0) return Answer(info, count);
    at += static_cast<size_t>(count);
  }
  return Answer(info, 0);
}

}  // namespace

void ExportRandomFunctions(Napi::Env env, Napi::Object exports) {
  exports.Set("fillRandom", Napi::Function::New<FillRandom>(env, "fillRandom"));
}

}  // namespace millrace

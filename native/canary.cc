#include "canary.h"

#include "args.h"

namespace millrace {
namespace {

// Reads one byte past the end of an unpooled buffer: for AddressSanitizer.
Napi::Value Overread(const Napi::CallbackInfo& info) {
  Args args(info);
  const Bytes bytes = args.ByteView(0);
  if (!args.ok()) return args.Failure();
  const volatile uint8_t* data = bytes.data;
  return Answer(info, data[bytes.size]);
}

// Overflows an int: for UndefinedBehaviorSanitizer.
Napi::Value Overflow(const Napi::CallbackInfo& info) {
  Args args(info);
  volatile int sum = args.Int(0);
  if (!args.ok()) return args.Failure();
  sum = sum + 1;
  return Answer(info, sum);
}

}  // namespace

void ExportCanary(Napi::Env env, Napi::Object exports) {
  exports.Set("canaryOverread", Napi::Function::New<Overread>(env, "canaryOverread"));
  exports.Set("canaryOverflow", Napi::Function::New<Overflow>(env, "canaryOverflow"));
}

}  // namespace millrace

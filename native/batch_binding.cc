#include "batch_binding.h"

#include "args.h"
#include "crc32c.h"
#include "walk_batches.h"

namespace millrace {
namespace {

// crc32c(bytes, offset, length, seed)
Napi::Value Crc32cOf(const Napi::CallbackInfo& info) {
  Args args(info);
  const Bytes bytes = args.ByteView(0);
  const size_t offset = args.Size(1);
  const size_t length = args.Size(2);
  const auto seed = static_cast<uint32_t>(args.Whole(3, 0, UINT32_MAX));
  args.Require(offset <= bytes.size && length <= bytes.size - offset);
  if (!args.ok()) return args.Failure();
  return Answer(info, Crc32c(bytes.data + offset, length, seed));
}

Napi::Value KindOfCrc32c(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), Crc32cKind());
}

// walkBatches(bytes, offset, end, out, flags)
Napi::Value WalkBatches(const Napi::CallbackInfo& info) {
  Args args(info);
  const Bytes bytes = args.ByteView(0);
  const size_t offset = args.Size(1);
  const size_t end = args.Size(2);
  const Doubles out = args.DoubleView(3);
  const auto flags = static_cast<uint32_t>(args.Whole(4, 0, walk::kAllFlags));
  args.Require(offset <= end && end <= bytes.size && out.count >= walk::kHead);
  if (!args.ok()) return args.Failure();
  const size_t capacity = (out.count - walk::kHead) / walk::kStride;
  const size_t count = walk::Batches(bytes.data, offset, end, out.data, capacity, flags);
  return Answer(info, static_cast<int64_t>(count));
}

}  // namespace

void ExportBatchFunctions(Napi::Env env, Napi::Object exports) {
  exports.Set("crc32c", Napi::Function::New<Crc32cOf>(env, "crc32c"));
  exports.Set("crc32cKind", Napi::Function::New<KindOfCrc32c>(env, "crc32cKind"));
  exports.Set("walkBatches", Napi::Function::New<WalkBatches>(env, "walkBatches"));
}

}  // namespace millrace

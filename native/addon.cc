// The addon's entry: functions, constants, and the end of an environment.
#include "addon.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/file.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "args.h"
#include "batch_binding.h"
#include "check_job.h"
#include "file_io.h"
#include "mapped_file.h"
#include "page_cache.h"
#include "pool_job.h"
#include "random.h"
#include "socket_handle.h"
#include "socket_io.h"
#include "sync_job.h"
#include "walk_batches.h"

#ifdef MILLRACE_CANARY
#include "canary.h"
#endif

namespace millrace {

// Of the interface in src/native/binding.ts, which refuses any other number.
inline constexpr int kInterfaceVersion = 3;

Addon::Addon(napi_env env) {
  // Without the hook a worker that ends with an armed handle would abort the process.
  if (napi_add_async_cleanup_hook(env, OnEnvironmentEnd, this, &hook_) != napi_ok) {
    Napi::Error::New(env, "the cleanup hook was refused").ThrowAsJavaScriptException();
  }
}

void Addon::Remove(WritableWatch* watch) {
  watches_.erase(watch);
  RemoveHookIfDone();
}

void Addon::OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* self) {
  auto* addon = static_cast<Addon*>(self);
  addon->ending_ = true;
  const std::vector<WritableWatch*> watches(addon->watches_.begin(), addon->watches_.end());
  for (WritableWatch* watch : watches) watch->Abandon();
  addon->RemoveHookIfDone();
}

void Addon::RemoveHookIfDone() {
  if (!ending_ || !watches_.empty() || hook_ == nullptr) return;
  napi_async_cleanup_hook_handle hook = hook_;
  hook_ = nullptr;
  // From here on `this` may go at any time.
  napi_remove_async_cleanup_hook(hook);
}

namespace {

Napi::Object Constants(Napi::Env env) {
  const struct {
    const char* name;
    double value;
  } all[] = {
#define MILLRACE_CONSTANT(name) {#name, static_cast<double>(name)}
      MILLRACE_CONSTANT(EAGAIN),
      MILLRACE_CONSTANT(EBADF),
      MILLRACE_CONSTANT(ECONNRESET),
      MILLRACE_CONSTANT(EDQUOT),
      MILLRACE_CONSTANT(EINTR),
      MILLRACE_CONSTANT(EINVAL),
      MILLRACE_CONSTANT(EIO),
      MILLRACE_CONSTANT(EMFILE),
      MILLRACE_CONSTANT(ENOENT),
      MILLRACE_CONSTANT(ENOSPC),
      MILLRACE_CONSTANT(ENOSYS),
      MILLRACE_CONSTANT(ENOTSOCK),
      MILLRACE_CONSTANT(EOPNOTSUPP),
      MILLRACE_CONSTANT(EOVERFLOW),
      MILLRACE_CONSTANT(EPIPE),
      MILLRACE_CONSTANT(EWOULDBLOCK),
      MILLRACE_CONSTANT(LOCK_EX),
      MILLRACE_CONSTANT(LOCK_NB),
      MILLRACE_CONSTANT(LOCK_SH),
      MILLRACE_CONSTANT(LOCK_UN),
      MILLRACE_CONSTANT(FALLOC_FL_KEEP_SIZE),
      MILLRACE_CONSTANT(FALLOC_FL_PUNCH_HOLE),
      MILLRACE_CONSTANT(FALLOC_FL_ZERO_RANGE),
      MILLRACE_CONSTANT(SHUT_RD),
      MILLRACE_CONSTANT(SHUT_WR),
      MILLRACE_CONSTANT(SHUT_RDWR),
#undef MILLRACE_CONSTANT
      {"IOV_MAX", static_cast<double>(kIovMax)},
      {"MAP_COUNT_MAX", static_cast<double>(kMapCountMax)},
      {"WALK_HEAD", static_cast<double>(walk::kHead)},
      {"WALK_STRIDE", static_cast<double>(walk::kStride)},
      {"WALK_END", walk::kEnd},
      {"WALK_OUT_FULL", walk::kOutFull},
      {"WALK_INCOMPLETE", walk::kIncomplete},
      {"WALK_BAD_MAGIC", walk::kBadMagic},
      {"WALK_BAD_LENGTH", walk::kBadLength},
      {"WALK_BAD_CRC", walk::kBadCrc},
      {"WALK_BAD_COUNT", walk::kBadCount},
      {"WALK_BAD_RECORDS", walk::kBadRecords},
      {"WALK_BAD_OFFSETS", walk::kBadOffsets},
      {"WALK_CHECK_CRC", walk::kCheckCrc},
      {"WALK_RECORDS", walk::kWalkRecords},
      {"WALK_SPARSE_OFFSETS", walk::kSparseOffsets},
  };
  Napi::Object constants = Napi::Object::New(env);
  for (const auto& constant : all) constants.Set(constant.name, constant.value);
  constants.Freeze();
  return constants;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Addon(env));
  exports.Set("interfaceVersion", kInterfaceVersion);
  exports.Set("constants", Constants(env));
  ExportBatchFunctions(env, exports);
  ExportCheckFunctions(env, exports);
  ExportSyncFunctions(env, exports);
  ExportFileFunctions(env, exports);
  ExportMapFunctions(env, exports);
  ExportPageCacheFunctions(env, exports);
  ExportPoolFunctions(env, exports);
  ExportRandomFunctions(env, exports);
  ExportSocketFunctions(env, exports);
  SocketHandle::Export(env, exports);
#ifdef MILLRACE_CANARY
  ExportCanary(env, exports);
#endif
  return exports;
}

}  // namespace
}  // namespace millrace

// The macro wants a plain name.
static Napi::Object InitMillrace(Napi::Env env, Napi::Object exports) {
  return millrace::Init(env, exports);
}

NODE_API_MODULE(millrace, InitMillrace)

#include "mapped_file.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>

#include "addon.h"
#include "args.h"

namespace millrace {

// Owned by the finalizer of its ArrayBuffer, which runs exactly once; the pages may go before.
struct Mapping {
  void* base = nullptr;  // null once unmapped
  size_t size = 0;
  void* data = nullptr;  // what JavaScript sees, inside the first page
};

namespace {

// Of the whole process: the limit that it guards is one of the process.
std::atomic<int> live_count{0};

void Unmap(Mapping* mapping) {
  if (mapping->base == nullptr) return;
  ::munmap(mapping->base, mapping->size);
  mapping->base = nullptr;
  live_count.fetch_sub(1, std::memory_order_relaxed);
}

void FinalizeMap(napi_env env, void*, void* hint) {
  auto* mapping = static_cast<Mapping*>(hint);
  if (mapping->base != nullptr) {
    void* addon = nullptr;
    if (napi_get_instance_data(env, &addon) == napi_ok && addon != nullptr) {
      static_cast<Addon*>(addon)->mappings.erase(mapping->data);
    }
    Unmap(mapping);
  }
  delete mapping;
}

// mapFile(fd, position, length)
Napi::Value MapFile(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Descriptor(0);
  const int64_t position = args.Position(1);
  const int64_t length = args.Position(2);
  args.Require(length > 0 && length <= kSafeMax - position);
  if (!args.ok()) return args.Failure();

  struct stat status {};
  const int64_t stated = Retry([&] { return ::fstat(fd, &status); });
  if (stated < 0) return Answer(info, stated);
  if (!S_ISREG(status.st_mode) || position + length > status.st_size) return Answer(info, -EINVAL);

  if (live_count.fetch_add(1, std::memory_order_relaxed) >= kMapCountMax) {
    live_count.fetch_sub(1, std::memory_order_relaxed);
    return Answer(info, -EMFILE);
  }
  static const int64_t page_size = ::sysconf(_SC_PAGESIZE);
  const int64_t lead = position % page_size;
  const auto size = static_cast<size_t>(lead + length);
  void* base = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, position - lead);
  if (base == MAP_FAILED) {
    const int error = errno;
    live_count.fetch_sub(1, std::memory_order_relaxed);
    return Answer(info, -error);
  }
  auto* mapping = new Mapping{base, size, static_cast<uint8_t*>(base) + lead};
  napi_value buffer = nullptr;
  const napi_status created = napi_create_external_arraybuffer(
      info.Env(), mapping->data, static_cast<size_t>(length), FinalizeMap, mapping, &buffer);
  if (created != napi_ok) {
    // A runtime without external buffers.
    Unmap(mapping);
    delete mapping;
    return Answer(info, -EOPNOTSUPP);
  }
  Addon::Of(info.Env()).mappings.emplace(mapping->data, mapping);
  return Napi::Value(info.Env(), buffer);
}

// unmapFile(buffer)
Napi::Value UnmapFile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  void* data = nullptr;
  size_t length = 0;
  bool is_buffer = false;
  if (napi_is_arraybuffer(env, info[0], &is_buffer) != napi_ok || !is_buffer ||
      napi_get_arraybuffer_info(env, info[0], &data, &length) != napi_ok) {
    Napi::TypeError::New(env, "an ArrayBuffer was expected").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  auto& mappings = Addon::Of(env).mappings;
  const auto found = mappings.find(data);
  if (data == nullptr || found == mappings.end()) return Answer(info, -EINVAL);
  // First nobody can see the pages any more, then they go.
  if (napi_detach_arraybuffer(env, info[0]) != napi_ok) return Answer(info, -EINVAL);
  Mapping* mapping = found->second;
  mappings.erase(found);
  Unmap(mapping);
  return Answer(info, 0);
}

Napi::Value MapCount(const Napi::CallbackInfo& info) {
  return Answer(info, live_count.load(std::memory_order_relaxed));
}

}  // namespace

void ExportMapFunctions(Napi::Env env, Napi::Object exports) {
  exports.Set("mapFile", Napi::Function::New<MapFile>(env, "mapFile"));
  exports.Set("unmapFile", Napi::Function::New<UnmapFile>(env, "unmapFile"));
  exports.Set("mapCount", Napi::Function::New<MapCount>(env, "mapCount"));
}

}  // namespace millrace

// What one environment (the main thread, or one worker) keeps: everything that has to be undone when
// it ends. Nothing is shared between environments but the counters of mapped_file.cc.
#pragma once

#include <unordered_map>
#include <unordered_set>

#include <napi.h>

namespace millrace {

struct Mapping;
class WritableWatch;

class Addon {
 public:
  explicit Addon(napi_env env);
  Addon(const Addon&) = delete;
  Addon& operator=(const Addon&) = delete;

  static Addon& Of(Napi::Env env) { return *env.GetInstanceData<Addon>(); }

  // Live maps by their first byte as JavaScript sees it.
  std::unordered_map<void*, Mapping*> mappings;

  // Watches whose memory libuv still holds. The environment may not end before the last is gone.
  void Add(WritableWatch* watch) { watches_.insert(watch); }
  void Remove(WritableWatch* watch);
  bool ending() const { return ending_; }

 private:
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle hook, void* self);
  void RemoveHookIfDone();

  std::unordered_set<WritableWatch*> watches_;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  bool ending_ = false;
};

}  // namespace millrace

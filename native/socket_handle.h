// SocketHandle: the sending half of one connection, over a duplicate of its descriptor.
//
//     JavaScript object --wraps--> SocketHandle --owns--> duplicate descriptor
//                                       |
//                                       +--> WritableWatch --owns--> uv_poll_t
//
// Sends are tried at once; only after EAGAIN does the caller arm, and the watch is made at the first
// arm, since most connections never need one. libuv may still use a watch after its handle is gone,
// until its close callback: so the watch lives by itself, and knows its owner only while there is one.
//
// Lifetimes: armed, the handle holds its JavaScript object; else the object may be collected, which
// closes. The callback is a property of the object and not a persistent reference, so that a cycle
// through it is no leak. When the environment ends, addon.cc abandons every watch.
#pragma once

#include <napi.h>

#include "file_io.h"
#include "uv_subset.h"

namespace millrace {

class Addon;
class SocketHandle;

class WritableWatch {
 public:
  // Null, and -errno in `error`, if libuv refuses.
  static WritableWatch* Make(Napi::Env env, SocketHandle* owner, int fd, int* error);
  WritableWatch(const WritableWatch&) = delete;
  WritableWatch& operator=(const WritableWatch&) = delete;

  // Both answer 0 or -errno.
  int Start();
  int Stop();
  // Ends it: no event from here on, the memory goes when libuv gives it back. Idempotent.
  void Close();
  // The environment ends: also tells the owner.
  void Abandon();

 private:
  WritableWatch(Addon* addon, SocketHandle* owner) : addon_(addon), owner_(owner) {}
  ~WritableWatch();
  static void OnEvent(uv_poll_s* poll, int status, int events);
  static void OnClosed(uv_handle_s* handle);

  Addon* addon_;
  SocketHandle* owner_;  // null once closed
  uv_poll_s* poll_ = nullptr;
  bool closing_ = false;
};

class SocketHandle : public Napi::ObjectWrap<SocketHandle> {
 public:
  static void Export(Napi::Env env, Napi::Object exports);
  explicit SocketHandle(const Napi::CallbackInfo& info);
  ~SocketHandle() override;

  // Hides the base's, which believes any wrapped object: methods and accessors come through here.
  // A TypeError is pending when it answers null.
  static SocketHandle* Unwrap(Napi::Object object);

  // Called by the watch, from the event loop.
  void OnWritable(int status);
  void OnAbandoned();

 private:
  Napi::Value Send(const Napi::CallbackInfo& info);
  Napi::Value SendFileRange(const Napi::CallbackInfo& info);
  Napi::Value Arm(const Napi::CallbackInfo& info);
  Napi::Value Disarm(const Napi::CallbackInfo& info);
  Napi::Value Shutdown(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  Napi::Value Descriptor(const Napi::CallbackInfo& info);
  Napi::Value Armed(const Napi::CallbackInfo& info);

  void CloseDescriptor();

  OwnedDescriptor fd_;
  WritableWatch* watch_ = nullptr;
  bool armed_ = false;
};

}  // namespace millrace

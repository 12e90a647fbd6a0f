// Calls that may wait for a disk, in the libuv pool. A job owns a duplicate of its descriptor and
// holds no memory of JavaScript, so nothing that the caller does meanwhile can reach it. None waits
// for a peer: a job that did would hold up every file operation of the process.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include <napi.h>

#include "file_io.h"

namespace millrace {

// Not Napi::AsyncWorker: in an environment that is being torn down (a worker that is terminated) it
// takes the refusal of its callback for a fatal error and ends the process.
class PoolJob {
 public:
  explicit PoolJob(OwnedDescriptor fd) : fd_(std::move(fd)) {}
  virtual ~PoolJob() = default;
  PoolJob(const PoolJob&) = delete;
  PoolJob& operator=(const PoolJob&) = delete;

  // Answers 0, and deletes the job after the callback; or -EAGAIN, and has deleted it.
  static int Queue(Napi::Env env, std::unique_ptr<PoolJob> job, Napi::Function callback,
                   const char* name);

 protected:
  // On a pool thread: no JavaScript. Answers >= 0 or -errno.
  virtual int64_t Run(int fd) = 0;
  // What the callback gets besides that; null: nothing.
  virtual napi_value Details(napi_env) { return nullptr; }

 private:
  static void Execute(napi_env, void* data);
  static void Complete(napi_env env, napi_status status, void* data);
  void Release(napi_env env);

  OwnedDescriptor fd_;
  int64_t result_ = 0;
  napi_async_work work_ = nullptr;
  napi_ref callback_ = nullptr;
};

void ExportPoolFunctions(Napi::Env env, Napi::Object exports);

}  // namespace millrace

#include "file_io.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/uio.h>

#include "args.h"

namespace millrace {

OwnedDescriptor OwnedDescriptor::Duplicate(int fd, int* error) {
  const int64_t result = Retry([&] { return ::fcntl(fd, F_DUPFD_CLOEXEC, 3); });
  *error = result < 0 ? static_cast<int>(result) : 0;
  return OwnedDescriptor(result < 0 ? -1 : static_cast<int>(result));
}

namespace {

// call(fd, buffers, position, firstOffset = 0)
template <typename Call>
Napi::Value Positional(const Napi::CallbackInfo& info, Call call) {
  Args args(info);
  IoVector vector;
  const int fd = args.Descriptor(0);
  const int64_t position = args.Position(2);
  args.Gather(1, args.WholeOr(3, 0, kSafeMax, 0), &vector);
  if (!args.ok()) return args.Failure();
  return Answer(info, Retry([&] { return call(fd, vector.parts, vector.count, position); }));
}

Napi::Value PositionalWrite(const Napi::CallbackInfo& info) { return Positional(info, ::pwritev); }

Napi::Value PositionalRead(const Napi::CallbackInfo& info) { return Positional(info, ::preadv); }

// writev(fd, buffers, firstOffset = 0)
Napi::Value Write(const Napi::CallbackInfo& info) {
  Args args(info);
  IoVector vector;
  const int fd = args.Descriptor(0);
  args.Gather(1, args.WholeOr(2, 0, kSafeMax, 0), &vector);
  if (!args.ok()) return args.Failure();
  return Answer(info, Retry([&] { return ::writev(fd, vector.parts, vector.count); }));
}

// fallocate(fd, mode, offset, length)
Napi::Value Allocate(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Descriptor(0);
  const int mode = args.Int(1);
  const int64_t offset = args.Position(2);
  const int64_t length = args.Position(3);
  if (!args.ok()) return args.Failure();
  return Answer(info, Retry([&] { return ::fallocate(fd, mode, offset, length); }));
}

// fsyncDir(path)
Napi::Value SyncDirectory(const Napi::CallbackInfo& info) {
  Args args(info);
  const std::string path = args.Text(0, PATH_MAX);
  if (!args.ok()) return args.Failure();
  const int64_t opened =
      Retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (opened < 0) return Answer(info, opened);
  const OwnedDescriptor directory(static_cast<int>(opened));
  return Answer(info, Retry([&] { return ::fsync(directory.get()); }));
}

// flock(fd, operation): never one that waits, which would stop the event loop.
Napi::Value Lock(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Descriptor(0);
  const int operation = args.Int(1);
  args.Require((operation & LOCK_NB) != 0 || operation == LOCK_UN);
  if (!args.ok()) return args.Failure();
  return Answer(info, Retry([&] { return ::flock(fd, operation); }));
}

// dup(fd)
Napi::Value Duplicate(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Descriptor(0);
  if (!args.ok()) return args.Failure();
  int error = 0;
  OwnedDescriptor duplicate = OwnedDescriptor::Duplicate(fd, &error);
  return Answer(info, error < 0 ? error : duplicate.Release());
}

// close(fd): not retried after EINTR, the number may belong to someone else by then.
Napi::Value Close(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Descriptor(0);
  if (!args.ok()) return args.Failure();
  const int result = ::close(fd);
  return Answer(info, result == 0 || errno == EINTR ? 0 : -errno);
}

}  // namespace

void ExportFileFunctions(Napi::Env env, Napi::Object exports) {
  exports.Set("pwritev", Napi::Function::New<PositionalWrite>(env, "pwritev"));
  exports.Set("preadv", Napi::Function::New<PositionalRead>(env, "preadv"));
  exports.Set("writev", Napi::Function::New<Write>(env, "writev"));
  exports.Set("fallocate", Napi::Function::New<Allocate>(env, "fallocate"));
  exports.Set("fsyncDir", Napi::Function::New<SyncDirectory>(env, "fsyncDir"));
  exports.Set("flock", Napi::Function::New<Lock>(env, "flock"));
  exports.Set("dup", Napi::Function::New<Duplicate>(env, "dup"));
  exports.Set("close", Napi::Function::New<Close>(env, "close"));
}

}  // namespace millrace

#include "socket_handle.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "addon.h"
#include "args.h"
#include "socket_io.h"

namespace millrace {
namespace {

// Property of the JavaScript object that holds the callback.
constexpr const char* kOnEvent = "_onEvent";

// Ours alone (random): an object without it was not made by this class.
constexpr napi_type_tag kTypeTag{0x6b1f3d2a90c84e57, 0xa4e07b95d2316cf8};

const char* NameOf(int error) {
  switch (error) {
    case -EBADF:
      return "EBADF";
    case -EINVAL:
      return "EINVAL";
    case -EMFILE:
      return "EMFILE";
    case -ENOTSOCK:
      return "ENOTSOCK";
    default:
      return "ESYSTEM";  // `errno` says which
  }
}

// Constructors cannot answer -errno: an Error with `errno` and `code`.
void ThrowErrno(Napi::Env env, int error) {
  Napi::Error thrown =
      Napi::Error::New(env, std::string("SocketHandle: ") + std::strerror(-error));
  thrown.Value().Set("errno", error);
  thrown.Value().Set("code", NameOf(error));
  thrown.ThrowAsJavaScriptException();
}

// A socket that does not block; 0 or -errno.
int PrepareSocket(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return -errno;
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return -errno;
  if ((flags & O_NONBLOCK) == 0 && ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return -errno;
  return 0;
}

}  // namespace

// --- WritableWatch -----------------------------------------------------------------------------

WritableWatch* WritableWatch::Make(Napi::Env env, SocketHandle* owner, int fd, int* error) {
  uv_loop_s* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) {
    *error = -EINVAL;
    return nullptr;
  }
  Addon& addon = Addon::Of(env);
  auto* watch = new WritableWatch(&addon, owner);
  watch->poll_ = static_cast<uv_poll_s*>(std::calloc(1, uv_handle_size(uv::kPollHandleType)));
  *error = watch->poll_ == nullptr ? -ENOMEM : uv_poll_init(loop, watch->poll_, fd);
  if (*error < 0) {
    // libuv does not know a handle whose init failed, so there is nothing to close.
    delete watch;
    return nullptr;
  }
  uv_handle_set_data(reinterpret_cast<uv_handle_s*>(watch->poll_), watch);
  addon.Add(watch);
  return watch;
}

WritableWatch::~WritableWatch() { std::free(poll_); }

int WritableWatch::Start() { return uv_poll_start(poll_, uv::kWritable, OnEvent); }

int WritableWatch::Stop() { return uv_poll_stop(poll_); }

void WritableWatch::Close() {
  owner_ = nullptr;
  if (closing_) return;
  closing_ = true;
  uv_close(reinterpret_cast<uv_handle_s*>(poll_), OnClosed);
}

void WritableWatch::Abandon() {
  SocketHandle* owner = owner_;
  Close();
  if (owner != nullptr) owner->OnAbandoned();
}

void WritableWatch::OnEvent(uv_poll_s* poll, int status, int) {
  auto* watch = static_cast<WritableWatch*>(
      uv_handle_get_data(reinterpret_cast<const uv_handle_s*>(poll)));
  watch->Stop();
  // The pending error of the socket (SO_ERROR) is not asked for: asking takes it from the reader.
  const int result = status == uv::kBadDescriptor ? -ECONNRESET : status;
  if (watch->owner_ != nullptr) watch->owner_->OnWritable(result);
}

void WritableWatch::OnClosed(uv_handle_s* handle) {
  auto* watch = static_cast<WritableWatch*>(uv_handle_get_data(handle));
  Addon* addon = watch->addon_;
  addon->Remove(watch);
  delete watch;
}

// --- SocketHandle ------------------------------------------------------------------------------

void SocketHandle::Export(Napi::Env env, Napi::Object exports) {
  const Napi::Function type = DefineClass(
      env, "SocketHandle",
      {
          InstanceMethod<&SocketHandle::Send>("send"),
          InstanceMethod<&SocketHandle::SendFileRange>("sendfile"),
          InstanceMethod<&SocketHandle::Arm>("arm"),
          InstanceMethod<&SocketHandle::Disarm>("disarm"),
          InstanceMethod<&SocketHandle::Shutdown>("shutdown"),
          InstanceMethod<&SocketHandle::Close>("close"),
          InstanceAccessor<&SocketHandle::Descriptor>("fd"),
          InstanceAccessor<&SocketHandle::Armed>("armed"),
      });
  exports.Set("SocketHandle", type);
}

SocketHandle* SocketHandle::Unwrap(Napi::Object object) {
  bool ours = false;
  if (napi_check_object_type_tag(object.Env(), object, &kTypeTag, &ours) != napi_ok || !ours) {
    if (!object.Env().IsExceptionPending()) {
      Napi::TypeError::New(object.Env(), "not a SocketHandle").ThrowAsJavaScriptException();
    }
    return nullptr;
  }
  return ObjectWrap::Unwrap(object);
}

SocketHandle::SocketHandle(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  Args args(info);
  const int fd = args.Descriptor(0);
  const Napi::Function on_event = args.Callback(1);
  if (!args.ok()) {
    if (!info.Env().IsExceptionPending()) ThrowErrno(info.Env(), -EINVAL);
    return;
  }
  int error = 0;
  OwnedDescriptor duplicate = OwnedDescriptor::Duplicate(fd, &error);
  if (error == 0) error = PrepareSocket(duplicate.get());
  if (error < 0) {
    ThrowErrno(info.Env(), error);
    return;
  }
  // Neither writable nor listed nor deletable: nobody puts another in its place.
  napi_property_descriptor property{};
  property.utf8name = kOnEvent;
  property.value = on_event;
  property.attributes = napi_default;
  if (napi_define_properties(info.Env(), info.This(), 1, &property) != napi_ok ||
      napi_type_tag_object(info.Env(), info.This(), &kTypeTag) != napi_ok) {
    ThrowErrno(info.Env(), -EINVAL);
    return;
  }
  fd_ = std::move(duplicate);
}

// Collected, or the environment is gone.
SocketHandle::~SocketHandle() { CloseDescriptor(); }

void SocketHandle::CloseDescriptor() {
  // The watch first: libuv has to take the descriptor from its poll set while it is still ours.
  if (watch_ != nullptr) watch_->Close();
  watch_ = nullptr;
  fd_.Close();
}

void SocketHandle::OnAbandoned() {
  // No JavaScript any more, and no reference to drop: the environment drops all of them.
  watch_ = nullptr;
  armed_ = false;
  fd_.Close();
}

void SocketHandle::OnWritable(int status) {
  if (!armed_) return;
  const Napi::Env env = Env();
  const Napi::HandleScope scope(env);
  const Napi::Object self = Value();
  armed_ = false;
  Unref();
  napi_value on_event = nullptr;
  if (napi_get_named_property(env, self, kOnEvent, &on_event) != napi_ok) return;
  // Runs microtasks and process.nextTick after it, as every callback from the loop must.
  const napi_value argument = Napi::Number::New(env, status);
  napi_value result = nullptr;
  if (napi_make_callback(env, nullptr, self, on_event, 1, &argument, &result) == napi_ok) return;
  napi_value thrown = nullptr;
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending &&
      napi_get_and_clear_last_exception(env, &thrown) == napi_ok) {
    napi_fatal_exception(env, thrown);  // 'uncaughtException'
  }
}

Napi::Value SocketHandle::Send(const Napi::CallbackInfo& info) {
  Args args(info);
  IoVector vector;
  const bool more = args.Whole(2, 0, 1) == 1;
  args.Gather(0, args.Position(1), &vector);
  if (!args.ok()) return args.Failure();
  if (fd_.empty()) return Answer(info, -EBADF);
  return Answer(info, SendVector(fd_.get(), &vector, more));
}

Napi::Value SocketHandle::SendFileRange(const Napi::CallbackInfo& info) {
  Args args(info);
  const int file_fd = args.Descriptor(0);
  const int64_t position = args.Position(1);
  const size_t length = args.Size(2);
  if (!args.ok()) return args.Failure();
  if (fd_.empty()) return Answer(info, -EBADF);
  return Answer(info, SendFile(fd_.get(), file_fd, position, length));
}

Napi::Value SocketHandle::Arm(const Napi::CallbackInfo& info) {
  if (fd_.empty() || Addon::Of(info.Env()).ending()) return Answer(info, -EBADF);
  if (armed_) return Answer(info, 0);
  int error = 0;
  if (watch_ == nullptr) watch_ = WritableWatch::Make(info.Env(), this, fd_.get(), &error);
  if (error == 0) error = watch_->Start();
  if (error < 0) return Answer(info, error);
  armed_ = true;
  Ref();
  return Answer(info, 0);
}

Napi::Value SocketHandle::Disarm(const Napi::CallbackInfo& info) {
  if (fd_.empty()) return Answer(info, -EBADF);
  if (!armed_) return Answer(info, 0);
  armed_ = false;
  const int result = watch_->Stop();
  Unref();
  return Answer(info, result);
}

Napi::Value SocketHandle::Shutdown(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto how = static_cast<int>(args.WholeOr(0, 0, INT_MAX, SHUT_RDWR));
  if (!args.ok()) return args.Failure();
  if (fd_.empty()) return Answer(info, -EBADF);
  return Answer(info, Retry([&] { return ::shutdown(fd_.get(), how); }));
}

Napi::Value SocketHandle::Close(const Napi::CallbackInfo& info) {
  CloseDescriptor();
  if (armed_) {
    armed_ = false;
    Unref();
  }
  return Answer(info, 0);
}

Napi::Value SocketHandle::Descriptor(const Napi::CallbackInfo& info) {
  return Answer(info, fd_.get());
}

Napi::Value SocketHandle::Armed(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), armed_);
}

}  // namespace millrace

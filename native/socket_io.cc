#include "socket_io.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>

namespace millrace {

int64_t SendVector(int fd, IoVector* vector, bool more) {
  if (vector->count == 0) return 0;
  msghdr message{};
  message.msg_iov = vector->parts;
  message.msg_iovlen = static_cast<size_t>(vector->count);
  const int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
  return Retry([&] { return ::sendmsg(fd, &message, flags); });
}

int64_t SendFile(int socket_fd, int file_fd, int64_t position, size_t length) {
  return Retry([&] {
    off_t at = position;
    return ::sendfile(socket_fd, file_fd, &at, length);
  });
}

namespace {

// sendfile(socketFd, fileFd, position, length)
Napi::Value SendFileOf(const Napi::CallbackInfo& info) {
  Args args(info);
  const int socket_fd = args.Descriptor(0);
  const int file_fd = args.Descriptor(1);
  const int64_t position = args.Position(2);
  const size_t length = args.Size(3);
  if (!args.ok()) return args.Failure();
  return Answer(info, SendFile(socket_fd, file_fd, position, length));
}

// send(fd, buffers, firstOffset, more)
Napi::Value Send(const Napi::CallbackInfo& info) {
  Args args(info);
  IoVector vector;
  const int fd = args.Descriptor(0);
  const bool more = args.Whole(3, 0, 1) == 1;
  args.Gather(1, args.Position(2), &vector);
  if (!args.ok()) return args.Failure();
  return Answer(info, SendVector(fd, &vector, more));
}

// setCongestion(fd, name)
Napi::Value SetCongestion(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Descriptor(0);
  const std::string name = args.Text(1, 15);  // TCP_CA_NAME_MAX with its NUL is 16
  if (!args.ok()) return args.Failure();
  return Answer(info, Retry([&] {
                  return ::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.c_str(),
                                      static_cast<socklen_t>(name.size()));
                }));
}

// getCongestion(fd)
Napi::Value GetCongestion(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Descriptor(0);
  if (!args.ok()) return args.Failure();
  char name[16] = {};
  socklen_t size = sizeof(name);
  const int64_t result =
      Retry([&] { return ::getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &size); });
  if (result < 0) return Answer(info, result);
  return Napi::String::New(info.Env(), name, ::strnlen(name, sizeof(name)));
}

// setNoDelay(fd)
Napi::Value SetNoDelay(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Descriptor(0);
  if (!args.ok()) return args.Failure();
  const int on = 1;
  return Answer(info, Retry([&] {
                  return ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
                }));
}

// shutdown(fd, how)
Napi::Value Shutdown(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Descriptor(0);
  const int how = args.Int(1);
  if (!args.ok()) return args.Failure();
  return Answer(info, Retry([&] { return ::shutdown(fd, how); }));
}

}  // namespace

void ExportSocketFunctions(Napi::Env env, Napi::Object exports) {
  exports.Set("sendfile", Napi::Function::New<SendFileOf>(env, "sendfile"));
  exports.Set("send", Napi::Function::New<Send>(env, "send"));
  exports.Set("setCongestion", Napi::Function::New<SetCongestion>(env, "setCongestion"));
  exports.Set("getCongestion", Napi::Function::New<GetCongestion>(env, "getCongestion"));
  exports.Set("setNoDelay", Napi::Function::New<SetNoDelay>(env, "setNoDelay"));
  exports.Set("shutdown", Napi::Function::New<Shutdown>(env, "shutdown"));
}

}  // namespace millrace

// The few functions of libuv that socket_handle.cc uses, declared here with opaque handles.
//
// Why not <uv.h>: the addon must build from npm packages alone, and node-api-headers does not carry
// it (ADR 0002). These functions are part of libuv's stable ABI 1.x and exported by the node binary;
// the size of a handle is asked at run time. Where <uv.h> is at hand, uv_check.cc makes the compiler
// compare every line below with it.
#pragma once

#include <cstddef>

struct uv_loop_s;
struct uv_handle_s;
struct uv_poll_s;

namespace millrace::uv {

using PollCallback = void (*)(uv_poll_s* handle, int status, int events);
using CloseCallback = void (*)(uv_handle_s* handle);

inline constexpr int kPollHandleType = 8;  // UV_POLL
inline constexpr int kWritable = 2;        // UV_WRITABLE
inline constexpr int kBadDescriptor = -9;  // UV_EBADF, which is what POLLERR becomes

}  // namespace millrace::uv

#ifndef MILLRACE_UV_FROM_HEADER
extern "C" {
// The argument is an enum in <uv.h>, passed as an int.
size_t uv_handle_size(int type);
void* uv_handle_get_data(const uv_handle_s* handle);
void uv_handle_set_data(uv_handle_s* handle, void* data);
void uv_close(uv_handle_s* handle, millrace::uv::CloseCallback on_closed);
int uv_poll_init(uv_loop_s* loop, uv_poll_s* handle, int fd);
int uv_poll_start(uv_poll_s* handle, int events, millrace::uv::PollCallback on_event);
int uv_poll_stop(uv_poll_s* handle);
}
#endif

// Compiles to nothing: holds uv_subset.h against the real header where there is one.
#if __has_include(<uv.h>)

#include <uv.h>

#include <type_traits>

#define MILLRACE_UV_FROM_HEADER
#include "uv_subset.h"

namespace millrace::uv {

template <typename Actual, typename Declared>
inline constexpr bool kSame = std::is_same_v<Actual, Declared>;

static_assert(UV_VERSION_MAJOR == 1);
static_assert(kPollHandleType == UV_POLL);
static_assert(kWritable == UV_WRITABLE);
static_assert(kBadDescriptor == UV_EBADF);
static_assert(sizeof(uv_handle_type) == sizeof(int));
static_assert(kSame<PollCallback, uv_poll_cb>);
static_assert(kSame<CloseCallback, uv_close_cb>);
static_assert(kSame<decltype(uv_handle_size), size_t(uv_handle_type)>);
static_assert(kSame<decltype(uv_handle_get_data), void*(const uv_handle_s*)>);
static_assert(kSame<decltype(uv_handle_set_data), void(uv_handle_s*, void*)>);
static_assert(kSame<decltype(uv_close), void(uv_handle_s*, CloseCallback)>);
static_assert(kSame<decltype(uv_poll_init), int(uv_loop_s*, uv_poll_s*, int)>);
static_assert(kSame<decltype(uv_poll_start), int(uv_poll_s*, int, PollCallback)>);
static_assert(kSame<decltype(uv_poll_stop), int(uv_poll_s*)>);

}  // namespace millrace::uv

#endif

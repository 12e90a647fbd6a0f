// System calls on sockets, one function each. None of them waits as long as the socket does not
// block, and Node's never do.
//
// SIGPIPE: sendmsg is told MSG_NOSIGNAL; sendfile has no such flag and rests on Node ignoring the
// signal, as it does from its start. Nothing here changes signal dispositions.
#pragma once

#include <cstdint>

#include <napi.h>

#include "args.h"

namespace millrace {

// >= 0 or -errno. `more`: another call follows at once (MSG_MORE).
int64_t SendVector(int fd, IoVector* vector, bool more);
int64_t SendFile(int socket_fd, int file_fd, int64_t position, size_t length);

void ExportSocketFunctions(Napi::Env env, Napi::Object exports);

}  // namespace millrace

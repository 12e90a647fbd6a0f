// Calls that may wait for a disk, in the libuv pool. A job owns a duplicate of its descriptor and
// holds no memory of JavaScript, so nothing that the caller does meanwhile can reach it. None waits
// for a peer: a job that did would hold up every file operation of the process.
#pragma once

#include <napi.h>

namespace millrace {

void ExportPoolFunctions(Napi::Env env, Napi::Object exports);

}  // namespace millrace

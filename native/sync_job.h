// fdatasync of one file, and of several at the price of one, in the libuv pool (pool_job.h).
#pragma once

#include <napi.h>

namespace millrace {

void ExportSyncFunctions(Napi::Env env, Napi::Object exports);

}  // namespace millrace

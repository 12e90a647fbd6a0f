// Looks at the bytes of a file in the libuv pool (pool_job.h): whether batches are good, and the
// checksums of blocks. By reading, never through a map: a medium that fails answers an error.
#pragma once

#include <napi.h>

namespace millrace {

void ExportCheckFunctions(Napi::Env env, Napi::Object exports);

}  // namespace millrace

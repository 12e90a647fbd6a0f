// The N-API face of the pure loops: crc32c and walkBatches.
#pragma once

#include <napi.h>

namespace millrace {

void ExportBatchFunctions(Napi::Env env, Napi::Object exports);

}  // namespace millrace

// What of a file is in memory, asked without touching it.
#pragma once

#include <napi.h>

namespace millrace {

void ExportPageCacheFunctions(Napi::Env env, Napi::Object exports);

}  // namespace millrace

// Random bytes of the system.
#pragma once

#include <napi.h>

namespace millrace {

void ExportRandomFunctions(Napi::Env env, Napi::Object exports);

}  // namespace millrace

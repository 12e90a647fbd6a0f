// Planted bugs, compiled only into the sanitizer build: if they are not found there, the sanitizers
// are not at work and a clean run means nothing (scripts/test-asan.mjs).
#pragma once

#include <napi.h>

namespace millrace {

void ExportCanary(Napi::Env env, Napi::Object exports);

}  // namespace millrace

// Read-only maps of file ranges as external ArrayBuffers.
//
//     mapFile    fstat: a regular file that holds the whole range, else refused
//                mmap from the page that holds `position`; the buffer starts at `position` itself
//     unmapFile  detach (every view has length 0 from now on), then munmap
//     collected, or the environment ends: munmap
//
// What this cannot prevent: a file truncated under a map, or a medium that fails, kills the process
// by SIGBUS when the page is touched. So maps are for sealed files only, behind code that owns them.
#pragma once

#include <cstddef>

#include <napi.h>

namespace millrace {

// Far below the kernel's usual vm.max_map_count of 65,530, at which V8 itself would die.
inline constexpr int kMapCountMax = 4096;

void ExportMapFunctions(Napi::Env env, Napi::Object exports);

}  // namespace millrace

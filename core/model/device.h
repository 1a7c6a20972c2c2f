// Where the model runs: a value chosen once, in the configuration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"

namespace gist {

// Makes `device` ("cpu", "cuda", "cuda:N") usable: for CUDA loads
// libgist_cuda.so, which brings LibTorch's kernels, from the executable's
// folder. kInvalidArgument: not such a name. kFailedPrecondition: the module is
// not there or there is no such GPU; the message says which.
absl::Status PrepareDevice(const std::string& device);

// A function of libgist_cuda.so by its name; null where there is none, or where
// PrepareDevice has not loaded it.
void* CudaFunction(const char* name);

// Of a GPU, by the driver's and the allocator's count.
struct DeviceBytes {
  int64_t total_bytes = 0;
  int64_t free_bytes = 0;       // for all processes
  int64_t allocated_bytes = 0;  // of tensors of this process
  int64_t reserved_bytes = 0;   // held for tensors, allocated_bytes included
  int64_t peak_bytes = 0;       // of allocated_bytes, since ForgetPeakOf
};
// Any thread, after PrepareDevice(device). Nothing on a CPU, or if the driver
// does not report it.
std::optional<DeviceBytes> MemoryOf(const std::string& device);
// Resets peak_bytes. Any thread, after PrepareDevice(device); does nothing on a
// CPU.
void ForgetPeakOf(const std::string& device);

// Are products of bfloat16 faster than those of float32 on `device`? On a CPU:
// with AVX-512 BF16. Without it they are emulated and take many times as long.
bool HasFastBfloat16(const std::string& device);

// Threads of one matrix product; 0: those of ChooseThreads,
// core/base/thread_count.h.
void SetThreads(int threads);

}  // namespace gist

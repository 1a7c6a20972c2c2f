// libgist_cuda.so: linking it brings libtorch_cuda, whose kernels register
// themselves with LibTorch when the module is loaded.
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>

#include <cstdint>

#define GIST_EXPORT extern "C" __attribute__((visibility("default")))

GIST_EXPORT int gist_cuda_device_count() { return c10::cuda::device_count(); }

// {total, free, allocated, reserved, peak of allocated} of a device, in bytes.
// 0: it failed.
GIST_EXPORT int gist_cuda_memory(int index, int64_t bytes[5]) {
  try {
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(index));
    size_t free = 0, total = 0;
    if (cudaMemGetInfo(&free, &total) != cudaSuccess) return 0;
    const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(
        static_cast<c10::DeviceIndex>(index));
    bytes[0] = static_cast<int64_t>(total);
    bytes[1] = static_cast<int64_t>(free);
    bytes[2] = stats.allocated_bytes[0].current;  // [0]: of all pools together
    bytes[3] = stats.reserved_bytes[0].current;
    bytes[4] = stats.allocated_bytes[0].peak;
    return 1;
  } catch (...) {  // nothing may leave a C function
    return 0;
  }
}

// Of the peak that gist_cuda_memory tells, none is left but what is allocated.
GIST_EXPORT void gist_cuda_forget_peak(int index) {
  try {
    c10::cuda::CUDACachingAllocator::resetPeakStats(
        static_cast<c10::DeviceIndex>(index));
  } catch (...) {  // as above; the old peak stands
  }
}

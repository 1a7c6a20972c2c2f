// libgist_cuda.so: linking it brings libtorch_cuda, whose kernels register
// themselves with LibTorch when the module is loaded.
// Compiled and linked; not yet run on a GPU.
#include <c10/cuda/CUDAFunctions.h>

extern "C" __attribute__((visibility("default"))) int gist_cuda_device_count() {
  return c10::cuda::device_count();
}

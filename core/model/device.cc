#include "core/model/device.h"

#include <ATen/Parallel.h>
#include <c10/core/Device.h>
#include <dlfcn.h>

#include <atomic>
#include <filesystem>

#include "core/base/status.h"

namespace gist {
namespace {

// Of libgist_cuda.so: {total, free, allocated, reserved}; 0: it failed.
using CudaMemory = int (*)(int index, int64_t bytes[4]);
std::atomic<CudaMemory> cuda_memory = nullptr;

absl::Status LoadCuda(int index) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string path = (self.parent_path() / "libgist_cuda.so").string();
  // Global, and before the first use of a CUDA tensor: LibTorch finds its CUDA
  // hooks by the registrations that loading runs.
  void* module = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (module == nullptr) {
    return absl::FailedPreconditionError(fmt::format(
        "device cuda: {}; build with -DGIST_CUDA=ON, or use device cpu",
        dlerror()));
  }
  const auto count =
      reinterpret_cast<int (*)()>(dlsym(module, "gist_cuda_device_count"));
  cuda_memory = reinterpret_cast<CudaMemory>(dlsym(module, "gist_cuda_memory"));
  const int devices = count != nullptr ? count() : 0;
  if (index >= devices) {
    return absl::FailedPreconditionError(
        fmt::format("device cuda:{}: {} CUDA devices found; use device cpu",
                    index, devices));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status PrepareDevice(const std::string& device) {
  if (device == "cpu") return absl::OkStatus();
  int index = 0;
  try {
    const c10::Device parsed(device);
    if (!parsed.is_cuda()) throw std::invalid_argument("not CUDA");
    index = parsed.has_index() ? parsed.index() : 0;
  } catch (const std::exception&) {
    return absl::InvalidArgumentError(
        fmt::format("device \"{}\", want cpu, cuda or cuda:N", device));
  }
  return LoadCuda(index);
}

std::optional<DeviceBytes> MemoryOf(const std::string& device) {
  const CudaMemory read = cuda_memory;
  if (device == "cpu" || read == nullptr) return std::nullopt;
  const c10::Device parsed(device);
  int64_t bytes[4] = {};
  const int index = parsed.has_index() ? parsed.index() : 0;
  if (read(index, bytes) == 0) return std::nullopt;
  return DeviceBytes{bytes[0], bytes[1], bytes[2], bytes[3]};
}

bool HasFastBfloat16(const std::string& device) {
  return device != "cpu" || __builtin_cpu_supports("avx512bf16") != 0;
}

void SetThreads(int threads) {
  if (threads > 0) at::set_num_threads(threads);
}

}  // namespace gist

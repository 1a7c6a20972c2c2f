#include "core/model/device.h"

#include <ATen/Parallel.h>
#include <c10/core/Device.h>
#include <dlfcn.h>

#include <atomic>
#include <filesystem>

#include "core/base/float16.h"
#include "core/base/status.h"
#include "core/base/thread_count.h"

namespace gist {
namespace {

std::atomic<void*> cuda_module = nullptr;
// Of libgist_cuda.so: {total, free, allocated, reserved, peak}; 0: it failed.
using CudaMemory = int (*)(int index, int64_t bytes[5]);
std::atomic<CudaMemory> cuda_memory = nullptr;
using CudaForgetPeak = void (*)(int index);
std::atomic<CudaForgetPeak> cuda_forget_peak = nullptr;

int IndexOf(const c10::Device& device) {
  return device.has_index() ? device.index() : 0;
}

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
  cuda_module = module;
  const auto count =
      reinterpret_cast<int (*)()>(CudaFunction("gist_cuda_device_count"));
  cuda_memory = reinterpret_cast<CudaMemory>(CudaFunction("gist_cuda_memory"));
  cuda_forget_peak =
      reinterpret_cast<CudaForgetPeak>(CudaFunction("gist_cuda_forget_peak"));
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
    index = IndexOf(parsed);
  } catch (const std::exception&) {
    return absl::InvalidArgumentError(
        fmt::format("device \"{}\", want cpu, cuda or cuda:N", device));
  }
  return LoadCuda(index);
}

void* CudaFunction(const char* name) {
  void* const module = cuda_module;
  return module == nullptr ? nullptr : dlsym(module, name);
}

std::optional<DeviceBytes> MemoryOf(const std::string& device) {
  const CudaMemory read = cuda_memory;
  if (device == "cpu" || read == nullptr) return std::nullopt;
  int64_t bytes[5] = {};
  if (read(IndexOf(c10::Device(device)), bytes) == 0) return std::nullopt;
  return DeviceBytes{bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]};
}

void ForgetPeakOf(const std::string& device) {
  const CudaForgetPeak forget = cuda_forget_peak;
  if (device != "cpu" && forget != nullptr)
    forget(IndexOf(c10::Device(device)));
}

bool HasFastBfloat16(const std::string& device) {
  return device != "cpu" || MultipliesBfloat16();
}

void SetThreads(int threads) {
  at::set_num_threads(ChooseThreads(threads).threads);
}

}  // namespace gist

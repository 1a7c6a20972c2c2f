#include "core/train/checkpoint.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <fcntl.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/format/mapped_file.h"
#include "core/format/safetensors.h"

namespace gist {
namespace {

constexpr char kFormat[] = "gist training 1";

absl::Status FileError(const std::string& path, const char* what, int code) {
  const std::string message =
      fmt::format("{}: cannot {}: {}", path, what, std::strerror(code));
  switch (code) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(
          message + "; make room and go on: the last checkpoint is whole");
    case EACCES:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case ENOENT:
      return absl::NotFoundError(message);
    default:
      return absl::InternalError(message);
  }
}

// A file descriptor that is closed at the end.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags)
      : number_(open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  int number() const { return number_; }

 private:
  const int number_;
};

absl::Status WriteAndSync(const std::string& path, std::string_view bytes) {
  const Descriptor file(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (file.number() < 0) return FileError(path, "create", errno);
  while (!bytes.empty()) {
    const ssize_t written = write(file.number(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError(path, "write", errno);
    bytes.remove_prefix(size_t(written));
  }
  if (fsync(file.number()) != 0) return FileError(path, "sync", errno);
  return absl::OkStatus();
}

std::string BytesOf(const at::Tensor& flat) {
  static_assert(std::endian::native == std::endian::little);
  const at::Tensor host = flat.cpu().contiguous();
  return {static_cast<const char*>(host.const_data_ptr()), host.nbytes()};
}

// One SHA-256 over all tensors: a flipped bit must not become a worse adapter.
std::string HashOf(const SafeTensors& file) {
  std::string hashes;
  for (const auto& [name, tensor] : file.tensors) {
    hashes += name + Sha256Hex(tensor.data);
  }
  return Sha256Hex(hashes);
}

absl::StatusOr<double> Number(const SafeTensors& file, const char* key) {
  const auto found = file.metadata.find(key);
  double value = 0;
  if (found == file.metadata.end() ||
      std::from_chars(found->second.data(),
                      found->second.data() + found->second.size(), value)
              .ec != std::errc()) {
    return absl::DataLossError(fmt::format("no {} in its metadata", key));
  }
  return value;
}

absl::Status Take(const SafeTensors& file, const std::string& name,
                  at::Tensor* flat) {
  const auto found = file.tensors.find(name);
  const std::vector<int64_t> shape = {flat->numel()};
  if (found == file.tensors.end() || found->second.shape != shape) {
    return absl::DataLossError(
        fmt::format("no tensor {} of {} elements", name, flat->numel()));
  }
  std::vector<float> values(size_t(flat->numel()));
  ToFloats(found->second, values.data());
  flat->copy_(
      at::from_blob(values.data(), shape, at::TensorOptions(at::kFloat)));
  return absl::OkStatus();
}

absl::Status CheckOrigin(const SafeTensors& file,
                         std::string_view recipe_hash) {
  const auto text = [&](const char* key) {
    const auto found = file.metadata.find(key);
    return found == file.metadata.end() ? std::string() : found->second;
  };
  if (text("format") != kFormat) {
    return absl::DataLossError(fmt::format("its format is \"{}\", want \"{}\"",
                                           text("format"), kFormat));
  }
  if (text("sha256") != HashOf(file)) {
    return absl::DataLossError(
        "its checksum is wrong: the file is damaged; remove "
        "it to start afresh");
  }
  if (text("recipe") == recipe_hash) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "it was trained with another recipe or model; take that one, or another "
      "folder");
}

absl::StatusOr<TrainProgress> Restore(const SafeTensors& file,
                                      std::string_view recipe_hash,
                                      AdapterParameters* parameters) {
  GIST_RETURN_IF_ERROR(CheckOrigin(file, recipe_hash));
  GIST_ASSIGN_OR_RETURN(const double step, Number(file, "step"));
  GIST_ASSIGN_OR_RETURN(const double smooth_loss, Number(file, "smooth_loss"));
  const at::NoGradGuard no_grad;
  GIST_RETURN_IF_ERROR(Take(file, "values", &parameters->values));
  GIST_RETURN_IF_ERROR(Take(file, "first_moments", &parameters->first_moments));
  GIST_RETURN_IF_ERROR(
      Take(file, "second_moments", &parameters->second_moments));
  return TrainProgress{int(step), std::string(recipe_hash), smooth_loss};
}

}  // namespace

absl::Status WriteWholeFile(const std::string& path, std::string_view bytes) {
  const std::string temporary = path + ".new";
  absl::Status status = WriteAndSync(temporary, bytes);
  if (status.ok() && std::rename(temporary.c_str(), path.c_str()) != 0) {
    status = FileError(path, "rename into", errno);
  }
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const Descriptor descriptor(folder.empty() ? "." : folder,
                              O_RDONLY | O_DIRECTORY);
  if (descriptor.number() < 0 || fsync(descriptor.number()) != 0) {
    return FileError(folder, "sync", errno);
  }
  return absl::OkStatus();
}

absl::Status SaveCheckpoint(const std::string& path,
                            const AdapterParameters& parameters,
                            const TrainProgress& progress) {
  const std::vector<int64_t> shape = {parameters.values.numel()};
  const std::string values = BytesOf(parameters.values);
  const std::string first = BytesOf(parameters.first_moments);
  const std::string second = BytesOf(parameters.second_moments);
  SafeTensors file;
  file.tensors["values"] = {TensorType::kF32, shape, values};
  file.tensors["first_moments"] = {TensorType::kF32, shape, first};
  file.tensors["second_moments"] = {TensorType::kF32, shape, second};
  file.metadata = {{"format", kFormat},
                   {"sha256", HashOf(file)},
                   {"recipe", progress.recipe_hash},
                   {"step", fmt::format("{}", progress.step)},
                   {"smooth_loss", fmt::format("{}", progress.smooth_loss)}};
  return WriteWholeFile(path, WriteSafeTensors(file));
}

absl::StatusOr<TrainProgress> LoadCheckpoint(const std::string& path,
                                             std::string_view recipe_hash,
                                             AdapterParameters* parameters) {
  GIST_ASSIGN_OR_RETURN(const MappedFile mapped, MappedFile::Open(path));
  const auto file = ParseSafeTensors(mapped.bytes());
  if (!file.ok()) return Within(path, file.status());
  auto progress = Restore(*file, recipe_hash, parameters);
  if (!progress.ok()) return Within(path, progress.status());
  return progress;
}

}  // namespace gist

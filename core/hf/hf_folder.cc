#include "core/hf/hf_folder.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/base/identity.h"
#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/format/json_file.h"
#include "core/format/safetensors.h"
#include "core/hf/config.h"
#include "core/hf/folder_files.h"
#include "core/hf/hf_tokenizer.h"
#include "core/hf/model_kind.h"

namespace gist {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<GgmlType> GgmlTypeOf(TensorType type, std::string_view name) {
  switch (type) {
    case TensorType::kF32:
      return GgmlType::kF32;
    case TensorType::kF16:
      return GgmlType::kF16;
    case TensorType::kBf16:
      return GgmlType::kBF16;
    default:
      return absl::UnimplementedError(fmt::format(
          "tensor {} holds integers, supported: F32, F16, BF16; quantized "
          "models are read as GGUF files",
          Quoted(name)));
  }
}

// The name that the folder goes by. The hub's cache calls it by a commit below
// models--OWNER--NAME/snapshots.
std::string ModelName(const std::string& path) {
  const fs::path folder = fs::absolute(path).lexically_normal();
  const fs::path last = folder.has_filename() ? folder : folder.parent_path();
  const std::string repository =
      last.parent_path().parent_path().filename().string();
  if (last.parent_path().filename() == "snapshots" &&
      repository.starts_with("models--")) {
    return repository.substr(repository.rfind("--") + 2);
  }
  return last.filename().string();
}

class FolderReader {
 public:
  explicit FolderReader(const std::string& path) { folder_.path = path; }

  absl::StatusOr<HfFolder> Read() {
    GIST_ASSIGN_OR_RETURN(folder_.names, HfFolderFiles(folder_.path));
    for (const std::string& name : folder_.names) {
      GIST_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(InFolder(name)));
      folder_.files.push_back(std::move(file));
    }
    GIST_ASSIGN_OR_RETURN(const auto json, ParseJson(Contents(kHfConfigFile),
                                                     InFolder(kHfConfigFile)));
    auto config = ReadHfConfig(json);
    if (!config.ok()) return Within(folder_.path, config.status());
    config_ = *std::move(config);
    GIST_RETURN_IF_ERROR(ReadTensors());
    GIST_RETURN_IF_ERROR(Within(folder_.path, CheckTensors()));
    GIST_RETURN_IF_ERROR(ReadTokenizer());
    config_.values["general.name"] = ModelName(folder_.path);
    return Made();
  }

  absl::StatusOr<HfFolder> ReadSizes(std::string_view text) {
    GIST_ASSIGN_OR_RETURN(const auto json, ParseJson(text, kHfConfigFile));
    GIST_ASSIGN_OR_RETURN(config_, ReadHfConfig(json));
    AddRopeTensors();
    const auto size = [&](const char* key) {
      return std::get<int64_t>(config_.values.at(Key(key)));
    };
    const std::vector<int64_t> dims = {size("embedding_length"),
                                       size("vocab_size")};
    for (const char* name : {"token_embd.weight", "output.weight"}) {
      if (config_.tied && tensors_.contains("token_embd.weight")) break;
      tensors_[name] = {name, GgmlType::kF32, dims, {}};
    }
    return Made();
  }

 private:
  absl::StatusOr<HfFolder> Made() {
    folder_.gguf =
        Gguf::FromParts(std::move(config_.values), std::move(tensors_));
    return std::move(folder_);
  }

  // A key of GGUF behind the architecture's name.
  std::string Key(std::string_view key) const {
    return fmt::format(
        "{}.{}",
        std::get<std::string>(config_.values.at("general.architecture")), key);
  }
  std::string InFolder(std::string_view name) const {
    return fmt::format("{}/{}", folder_.path, name);
  }
  // Empty: there is no such file.
  std::string_view Contents(std::string_view name) const {
    const auto at = std::ranges::find(folder_.names, name);
    if (at == folder_.names.end()) return "";
    return folder_.files[size_t(at - folder_.names.begin())].bytes();
  }

  absl::Status ReadTensors() {
    GIST_ASSIGN_OR_RETURN(kind_, FindHfKind(config_.model_type));
    for (size_t i = 0; i < folder_.names.size(); ++i) {
      if (!folder_.names[i].ends_with(".safetensors")) continue;
      const auto read = [&]() -> absl::Status {
        GIST_ASSIGN_OR_RETURN(const SafeTensors file,
                              ParseSafeTensors(folder_.files[i].bytes()));
        for (const auto& [name, tensor] : file.tensors)
          GIST_RETURN_IF_ERROR(AddTensor(name, tensor));
        return absl::OkStatus();
      };
      GIST_RETURN_IF_ERROR(Within(InFolder(folder_.names[i]), read()));
    }
    AddRopeTensors();
    return absl::OkStatus();
  }

  void AddRopeTensors() {
    for (auto& [name, divisors] : config_.rope_tensors) {
      const auto count = int64_t(divisors.size());
      AddMade(name, {count}, std::move(divisors));
    }
  }

  absl::Status AddTensor(const std::string& name, const SafeTensor& tensor) {
    GIST_ASSIGN_OR_RETURN(const HfTensorName known, GgufNameOf(name, kind_));
    if (known.gguf.empty()) return absl::OkStatus();
    if (known.gguf == "output.weight" && config_.tied && config_.says_tied)
      return absl::OkStatus();
    GIST_ASSIGN_OR_RETURN(const GgmlType type, GgmlTypeOf(tensor.type, name));
    if (tensor.shape.empty() || tensor.shape.size() > 2 ||
        tensor.Elements() == 0) {
      return absl::DataLossError(
          fmt::format("tensor {} has {} dimensions and {} elements, want 1 or "
                      "2 dimensions and some elements",
                      Quoted(name), tensor.shape.size(), tensor.Elements()));
    }
    if (tensors_.contains(known.gguf)) {
      return absl::DataLossError(fmt::format(
          "tensor {} is there twice, or under two names", Quoted(name)));
    }
    const std::vector<int64_t> dims(tensor.shape.rbegin(), tensor.shape.rend());
    if (known.is_norm && config_.norms_less_one) {
      std::vector<float> values(size_t(tensor.Elements()));
      ToFloats(tensor, values.data());
      for (float& value : values) value += 1;
      AddMade(known.gguf, dims, std::move(values));
    } else {
      tensors_[known.gguf] = {known.gguf, type, dims, tensor.data};
    }
    return absl::OkStatus();
  }

  void AddMade(const std::string& name, const std::vector<int64_t>& dims,
               std::vector<float> values) {
    folder_.made.push_back(
        std::make_unique<const std::vector<float>>(std::move(values)));
    const std::vector<float>& kept = *folder_.made.back();
    tensors_[name] = {name,
                      GgmlType::kF32,
                      dims,
                      {reinterpret_cast<const char*>(kept.data()),
                       kept.size() * sizeof(float)}};
  }

  absl::Status CheckTensors() const {
    const auto embedding = tensors_.find("token_embd.weight");
    if (embedding == tensors_.end()) {
      return absl::DataLossError(
          "no tensor model.embed_tokens.weight; want the weights of a causal "
          "language model");
    }
    const auto rows =
        config_.values.find(fmt::format("{}.vocab_size", kind_.architecture));
    if (embedding->second.dims.back() != std::get<int64_t>(rows->second)) {
      return absl::DataLossError(fmt::format(
          "model.embed_tokens.weight has {} rows, want {}, vocab_size of "
          "config.json",
          embedding->second.dims.back(), std::get<int64_t>(rows->second)));
    }
    if (config_.tied || !config_.says_tied ||
        tensors_.contains("output.weight")) {
      return absl::OkStatus();
    }
    return absl::DataLossError(
        "no tensor lm_head.weight, and tie_word_embeddings is false; fetch the "
        "weights again");
  }

  absl::Status ReadTokenizer() {
    const auto text = [this](std::string_view name) {
      return HfText{Contents(name), InFolder(name)};
    };
    GIST_ASSIGN_OR_RETURN(
        HfTokenizer tokenizer,
        ReadHfTokenizer({.tokenizer = text(kHfTokenizerFile),
                         .tokenizer_config = text("tokenizer_config.json"),
                         .generation_config = text("generation_config.json"),
                         .chat_template = text("chat_template.jinja"),
                         .eos_ids = config_.eos_ids}));
    folder_.tokenizer = std::move(tokenizer.spec);
    if (!tokenizer.chat_template.empty()) {
      config_.values["tokenizer.chat_template"] =
          std::move(tokenizer.chat_template);
    }
    return absl::OkStatus();
  }

  HfFolder folder_;
  HfKind kind_;
  HfConfig config_;
  std::map<std::string, GgufTensor> tensors_;
};

}  // namespace

int64_t HfFolder::Bytes() const {
  int64_t bytes = 0;
  for (const MappedFile& file : files) bytes += int64_t(file.bytes().size());
  return bytes;
}

std::string HfFolder::Fingerprint() const {
  std::string lines;
  for (size_t i = 0; i < names.size(); ++i)
    lines += fmt::format("{}  {}\n", Sha256Hex(files[i].bytes()), names[i]);
  return Sha256Hex(lines);
}

absl::StatusOr<HfFolder> OpenHfFolder(const std::string& path) {
  return FolderReader(path).Read();
}

absl::StatusOr<HfFolder> SizesOfHfConfig(std::string_view json) {
  return FolderReader("").ReadSizes(json);
}

}  // namespace gist

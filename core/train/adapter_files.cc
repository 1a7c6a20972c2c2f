#include "core/train/adapter_files.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/index_select.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/status.h"
#include "core/format/safetensors.h"
#include "core/gist/mask.h"
#include "core/model/ops.h"
#include "core/train/checkpoint.h"

namespace gist {
namespace {

using at::Tensor;
using Json = nlohmann::ordered_json;

Json ConfigOf(const ModelConfig& model, const GistLayout& layout,
              const AdapterOrigin& origin) {
  Json targets = Json::array();
  const auto specs = ProjectionSpecs(model);
  const int count = layout.lora_mlp ? kProjections : kOutput + 1;
  for (int i = 0; i < count; ++i)
    targets.push_back(std::string(specs[size_t(i)].module));
  Json config = {{"peft_type", "LORA"},
                 {"task_type", "CAUSAL_LM"},
                 {"base_model_name_or_path", origin.model_name},
                 {"r", layout.lora_r},
                 {"lora_alpha", layout.lora_alpha},
                 {"lora_dropout", 0.0},
                 {"bias", "none"},
                 {"target_modules", targets}};
  Json section = {{"format_version", 1}};
  if (layout.gists_per_block > 0) {
    section.update(
        {{"tokens", layout.gist_tokens},
         {"slots_per_block", layout.gists_per_block},
         {"blocks", BlockCount(layout.gist_tokens, layout.gists_per_block)},
         {"block_overlap_tokens", layout.block_overlap_tokens},
         {"lora_scope", layout.lora_everywhere ? "all" : "gist"},
         {"segment_tokens", layout.segment_tokens},
         {"max_document_tokens", layout.max_document_tokens}});
  }
  section["base_model_sha256"] = origin.model_fingerprint;
  section["trained"] = {{"recipe", origin.recipe_name},
                        {"steps", origin.steps}};
  config[layout.gists_per_block > 0 ? "gist" : "answer"] = std::move(section);
  return config;
}

std::string TensorFile(const AdapterParameters& parameters, bool float32) {
  const at::NoGradGuard no_grad;
  const Tensor flat = parameters.values.to(float32 ? at::kFloat : at::kBFloat16)
                          .cpu()
                          .contiguous();
  const std::string_view bytes(static_cast<const char*>(flat.const_data_ptr()),
                               flat.nbytes());
  const size_t size = float32 ? 4 : 2;
  SafeTensors file;
  file.metadata["format"] = "pt";
  for (const ParameterSlice& slice : parameters.slices()) {
    file.tensors[slice.name] = {float32 ? TensorType::kF32 : TensorType::kBf16,
                                slice.shape,
                                bytes.substr(size_t(slice.begin) * size,
                                             size_t(slice.elements) * size)};
  }
  return WriteSafeTensors(file);
}

absl::Status CopyPair(const LoraPair& from, const LoraPair& to) {
  if (!from.a.defined() || !to.a.defined()) return absl::OkStatus();
  if (from.a.sizes() != to.a.sizes()) {
    return absl::FailedPreconditionError(fmt::format(
        "its LoRA is of rank {}, the recipe's of {}: set layout.lora_r",
        from.a.size(0), to.a.size(0)));
  }
  to.a.detach().copy_(from.a);
  to.b.detach().copy_(from.b);
  return absl::OkStatus();
}

absl::Status CopyLora(const std::string& folder, const Adapter::Impl& from,
                      const Adapter::Impl& to) {
  for (size_t layer = 0; layer < from.layers.size(); ++layer) {
    for (size_t target = 0; target < kProjections; ++target) {
      const absl::Status status =
          CopyPair(from.layers[layer][target], to.layers[layer][target]);
      if (!status.ok()) return Within(folder, status);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ExportAdapterFolder(const std::string& folder,
                                 const AdapterParameters& parameters,
                                 const GistLayout& layout,
                                 const AdapterOrigin& origin) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return absl::PermissionDeniedError(
        fmt::format("{}: cannot make the folder: {}", folder, error.message()));
  }
  GIST_RETURN_IF_ERROR(WriteWholeFile(folder + "/adapter_model.safetensors",
                                      TensorFile(parameters, origin.float32)));
  const Json config = ConfigOf(parameters.model(), layout, origin);
  return WriteWholeFile(folder + "/adapter_config.json", config.dump(2) + "\n");
}

GistLayout WithGistsOf(const AdapterConfig& config, GistLayout layout) {
  layout.gist_tokens = config.gist_tokens;
  layout.gists_per_block = config.gists_per_block;
  layout.block_overlap_tokens = config.block_overlap_tokens;
  layout.segment_tokens = config.segment_tokens;
  return layout;
}

absl::Status ImportAdapterFolder(const std::string& folder,
                                 const ModelConfig& model,
                                 const std::string& model_fingerprint,
                                 AdapterParameters* parameters) {
  const at::NoGradGuard no_grad;
  auto adapter = Adapter::Load(folder, model, model_fingerprint, "cpu");
  if (!adapter.ok()) return Within(folder, adapter.status());
  const Adapter::Impl& from = (*adapter)->impl();
  const Adapter::Impl& to = parameters->adapter();
  GIST_RETURN_IF_ERROR(CopyLora(folder, from, to));
  std::vector<int64_t> rows;
  const int64_t have = from.embeddings.size(0), want = to.embeddings.size(0);
  for (int64_t i = 0; i < want; ++i) {
    rows.push_back(have >= want ? have - want + i : i % have);
  }
  to.embeddings.detach().copy_(
      from.embeddings.index_select(0, FromIds(rows, from.embeddings.device())));
  return absl::OkStatus();
}

absl::Status ImportAnswerAdapterFolder(const std::string& folder,
                                       const ModelConfig& model,
                                       const std::string& model_fingerprint,
                                       AdapterParameters* parameters) {
  const at::NoGradGuard no_grad;
  auto adapter = AnswerAdapter::Load(folder, model, model_fingerprint, "cpu");
  if (!adapter.ok()) return Within(folder, adapter.status());
  return CopyLora(folder, (*adapter)->impl(), parameters->adapter());
}

}  // namespace gist

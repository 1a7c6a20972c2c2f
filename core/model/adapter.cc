#include "core/model/adapter.h"

#include <ATen/ops/empty.h>

#include <map>
#include <nlohmann/json.hpp>

#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/format/json_file.h"
#include "core/format/mapped_file.h"
#include "core/format/safetensors.h"
#include "core/gist/mask.h"
#include "core/model/tensors.h"

namespace gist {
namespace {

using Json = nlohmann::json;

struct Lora {
  int r = 0;
  float alpha = 0;
  std::vector<Projection> targets;
};

absl::StatusOr<int> IntField(const Json& object, const char* key, int lowest) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer() ||
      found->get<int64_t>() < lowest || found->get<int64_t>() > 1 << 24) {
    return absl::InvalidArgumentError(fmt::format(
        "adapter_config.json: {} is {}, want an integer of {} or more", key,
        found == object.end() ? "missing" : found->dump(), lowest));
  }
  return found->get<int>();
}

absl::StatusOr<Lora> ParseLora(const Json& json, const ModelConfig& model) {
  Lora lora;
  GIST_ASSIGN_OR_RETURN(lora.r, IntField(json, "r", 1));
  GIST_ASSIGN_OR_RETURN(const int alpha, IntField(json, "lora_alpha", 1));
  lora.alpha = float(alpha);
  const auto specs = ProjectionSpecs(model);
  for (const Json& target : json.value("target_modules", Json::array())) {
    size_t i = 0;
    while (i < kProjections && target != specs[i].module) ++i;
    if (i == kProjections) {
      return absl::InvalidArgumentError(fmt::format(
          "adapter_config.json: target module {}, supported: q_proj, k_proj, "
          "v_proj, o_proj, gate_proj, up_proj, down_proj",
          target.dump()));
    }
    lora.targets.push_back(Projection(i));
  }
  return lora;
}

// `section`: "gist" or "reader" of the configuration.
absl::StatusOr<std::string> ModelOf(const Json& section) {
  const Json& fingerprint = section.value("base_model_sha256", Json());
  if (fingerprint.is_string()) return fingerprint.get<std::string>();
  return absl::InvalidArgumentError(
      "adapter_config.json: base_model_sha256 is missing: without it the "
      "adapter could be applied to another model");
}

absl::StatusOr<AdapterConfig> ParseGist(const Json& json) {
  const auto gist = json.find("gist");
  if (gist == json.end() || !gist->is_object()) {
    return absl::InvalidArgumentError(
        "adapter_config.json: no \"gist\" object: this is a LoRA adapter, but "
        "not "
        "one that was trained to write gists");
  }
  AdapterConfig config;
  GIST_ASSIGN_OR_RETURN(config.gist_tokens, IntField(*gist, "tokens", 1));
  GIST_ASSIGN_OR_RETURN(config.gists_per_block,
                        IntField(*gist, "slots_per_block", 1));
  GIST_ASSIGN_OR_RETURN(config.blocks, IntField(*gist, "blocks", 1));
  GIST_ASSIGN_OR_RETURN(config.block_overlap_tokens,
                        IntField(*gist, "block_overlap_tokens", 0));
  GIST_ASSIGN_OR_RETURN(config.segment_tokens,
                        IntField(*gist, "segment_tokens", 0));
  GIST_ASSIGN_OR_RETURN(config.max_document_tokens,
                        IntField(*gist, "max_document_tokens", 1));
  const int blocks = BlockCount(config.gist_tokens, config.gists_per_block);
  if (config.blocks != blocks) {
    return absl::InvalidArgumentError(fmt::format(
        "adapter_config.json: gist.blocks is {}, want {}: {} gists, {} a block",
        config.blocks, blocks, config.gist_tokens, config.gists_per_block));
  }
  if (const Json scope = gist->value("lora_scope", Json("gist"));
      scope != "gist") {
    return absl::UnimplementedError(fmt::format(
        "adapter_config.json: gist.lora_scope is {}, want \"gist\": an adapter "
        "that acts on the text is only for measuring, by gist-train",
        scope.dump()));
  }
  GIST_ASSIGN_OR_RETURN(config.model_fingerprint, ModelOf(*gist));
  return config;
}

absl::StatusOr<at::Tensor> Take(const SafeTensors& file,
                                const std::string& name,
                                const std::vector<int64_t>& shape,
                                const std::string& device) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end()) {
    return absl::DataLossError(
        fmt::format("adapter_model.safetensors: no tensor {}", name));
  }
  if (found->second.shape != shape) {
    return absl::DataLossError(fmt::format(
        "adapter_model.safetensors: {} is [{}], want [{}]", name,
        fmt::join(found->second.shape, ", "), fmt::join(shape, ", ")));
  }
  at::Tensor values = at::empty(shape, at::TensorOptions(at::kFloat));
  ToFloats(found->second, values.mutable_data_ptr<float>());
  return values.to(at::Device(device));
}

// All but the embeddings.
absl::StatusOr<Adapter::Impl> TakeLora(const SafeTensors& file,
                                       const ModelConfig& model,
                                       const Lora& lora,
                                       const std::string& device) {
  Adapter::Impl impl;
  impl.scale = lora.alpha / float(lora.r);
  impl.layers.resize(size_t(model.layers));
  const auto specs = ProjectionSpecs(model);
  for (int layer = 0; layer < model.layers; ++layer) {
    for (const Projection target : lora.targets) {
      const ProjectionSpec& spec = specs[target];
      const std::string stem = LoraStem(layer, spec);
      LoraPair& pair = impl.layers[size_t(layer)][target];
      GIST_ASSIGN_OR_RETURN(
          pair.a, Take(file, stem + "A.weight", {lora.r, spec.in}, device));
      GIST_ASSIGN_OR_RETURN(
          pair.b, Take(file, stem + "B.weight", {spec.out, lora.r}, device));
    }
  }
  return impl;
}

std::string Names(const std::vector<Projection>& targets) {
  return fmt::format(
      "{}", fmt::join(std::vector<int>(targets.begin(), targets.end()), ","));
}

// Free-form notes (how it was trained) do not change what the adapter computes
// and are left out.
std::string FingerprintOf(const AdapterConfig& config, const Lora& lora,
                          std::string_view tensors) {
  return Sha256Hex(fmt::format(
      "gist adapter 1 r={} alpha={} targets={} slots={} blocks={} overlap={} "
      "segment={} model={} tensors={}",
      lora.r, lora.alpha, Names(lora.targets), config.gists_per_block,
      config.blocks, config.block_overlap_tokens, config.segment_tokens,
      config.model_fingerprint, Sha256Hex(tensors)));
}

}  // namespace

std::array<ProjectionSpec, kProjections> ProjectionSpecs(
    const ModelConfig& model) {
  const int64_t hidden = model.hidden_size;
  const int64_t query = int64_t(model.heads) * model.head_dim;
  const int64_t kv = int64_t(model.kv_heads) * model.head_dim;
  const int64_t mlp = model.mlp_size;
  return {{{"q_proj", "self_attn", query, hidden},
           {"k_proj", "self_attn", kv, hidden},
           {"v_proj", "self_attn", kv, hidden},
           {"o_proj", "self_attn", hidden, query},
           {"gate_proj", "mlp", mlp, hidden},
           {"up_proj", "mlp", mlp, hidden},
           {"down_proj", "mlp", hidden, mlp}}};
}

std::string LoraStem(int layer, const ProjectionSpec& spec) {
  return fmt::format("base_model.model.model.layers.{}.{}.{}.lora_", layer,
                     spec.parent, spec.module);
}

Adapter::Adapter(AdapterConfig config, std::string fingerprint,
                 std::unique_ptr<const Impl> impl)
    : config_(std::move(config)),
      fingerprint_(std::move(fingerprint)),
      impl_(std::move(impl)) {}
Adapter::~Adapter() = default;

namespace {

absl::StatusOr<Json> ReadConfig(const std::string& folder) {
  auto json = ReadJsonFile(folder + "/adapter_config.json");
  if (!absl::IsDataLoss(json.status())) return json;
  return absl::InvalidArgumentError(json.status().message());
}

// What stands in the tensor file, all but the embeddings in `impl`.
struct Opened {
  MappedFile file;
  SafeTensors tensors;  // views of `file`
  Adapter::Impl impl;
};

absl::StatusOr<Opened> OpenTensors(const std::string& folder,
                                   const ModelConfig& model, const Lora& lora,
                                   const std::string& device) {
  GIST_ASSIGN_OR_RETURN(
      MappedFile file, MappedFile::Open(folder + "/adapter_model.safetensors"));
  GIST_ASSIGN_OR_RETURN(SafeTensors tensors, ParseSafeTensors(file.bytes()));
  GIST_ASSIGN_OR_RETURN(Adapter::Impl impl,
                        TakeLora(tensors, model, lora, device));
  return Opened{std::move(file), std::move(tensors), std::move(impl)};
}

absl::Status CheckModel(const std::string& trained_on,
                        const std::string& used_on) {
  if (trained_on == used_on) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format(
      "trained on the model with SHA-256 {}, this one has {}: choose the "
      "adapter that belongs to the model",
      trained_on, used_on));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Adapter>> Adapter::Load(
    const std::string& folder, const ModelConfig& model,
    const std::string& model_fingerprint, const std::string& device) {
  return Fence("adapter", [&]() -> absl::StatusOr<std::unique_ptr<Adapter>> {
    GIST_ASSIGN_OR_RETURN(const Json json, ReadConfig(folder));
    GIST_ASSIGN_OR_RETURN(const Lora lora, ParseLora(json, model));
    GIST_ASSIGN_OR_RETURN(AdapterConfig config, ParseGist(json));
    GIST_RETURN_IF_ERROR(
        CheckModel(config.model_fingerprint, model_fingerprint));
    GIST_ASSIGN_OR_RETURN(Opened opened,
                          OpenTensors(folder, model, lora, device));
    GIST_ASSIGN_OR_RETURN(
        opened.impl.embeddings,
        Take(opened.tensors, "gist_embeddings",
             {config.gists_per_block, model.hidden_size}, device));
    std::string fingerprint = FingerprintOf(config, lora, opened.file.bytes());
    return std::unique_ptr<Adapter>(
        new Adapter(std::move(config), std::move(fingerprint),
                    std::make_unique<const Impl>(std::move(opened.impl))));
  });
}

TrainedReader::TrainedReader(std::string fingerprint,
                             std::unique_ptr<const Adapter::Impl> impl)
    : fingerprint_(std::move(fingerprint)), impl_(std::move(impl)) {}
TrainedReader::~TrainedReader() = default;

absl::StatusOr<std::unique_ptr<TrainedReader>> TrainedReader::Load(
    const std::string& folder, const ModelConfig& model,
    const std::string& model_fingerprint, const std::string& device) {
  using Result = absl::StatusOr<std::unique_ptr<TrainedReader>>;
  return Fence("reader", [&]() -> Result {
    GIST_ASSIGN_OR_RETURN(const Json json, ReadConfig(folder));
    GIST_ASSIGN_OR_RETURN(const Lora lora, ParseLora(json, model));
    const auto section = json.find("reader");
    if (section == json.end() || !section->is_object()) {
      return absl::InvalidArgumentError(
          "adapter_config.json: no \"reader\" object: this is not an adapter "
          "that was trained to answer; make one with gist-train --reader-of");
    }
    GIST_ASSIGN_OR_RETURN(const std::string trained_on, ModelOf(*section));
    GIST_RETURN_IF_ERROR(CheckModel(trained_on, model_fingerprint));
    GIST_ASSIGN_OR_RETURN(Opened opened,
                          OpenTensors(folder, model, lora, device));
    std::string fingerprint = Sha256Hex(fmt::format(
        "gist reader 1 r={} alpha={} targets={} model={} tensors={}", lora.r,
        lora.alpha, Names(lora.targets), trained_on,
        Sha256Hex(opened.file.bytes())));
    return std::unique_ptr<TrainedReader>(new TrainedReader(
        std::move(fingerprint),
        std::make_unique<const Adapter::Impl>(std::move(opened.impl))));
  });
}

}  // namespace gist

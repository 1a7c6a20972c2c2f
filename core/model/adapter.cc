#include "core/model/adapter.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/identity.h"
#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/format/finite.h"
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
  bool is_rank_stabilized = false;  // scale alpha / sqrt(r): arXiv:2312.03732
  std::vector<Projection> targets;
  std::vector<int> layers = {};  // empty: all

  float Scale() const {
    return is_rank_stabilized ? alpha / std::sqrt(float(r)) : alpha / float(r);
  }
  bool Changes(int layer) const {
    return layers.empty() || std::ranges::count(layers, layer) > 0;
  }
};

constexpr std::string_view kApplied[] = {
    "r",     "lora_alpha",          "target_modules", "peft_type", "use_rslora",
    "bias",  "layers_to_transform", "layers_pattern", "gist",      "answer",
    "reader"};
// They concern training, or say where the adapter comes from.
constexpr std::string_view kWithoutEffect[] = {
    "auto_mapping",        "base_model_name_or_path",
    "inference_mode",      "lora_dropout",
    "init_lora_weights",   "loftq_config",
    "megatron_core",       "megatron_config",
    "peft_version",        "revision",
    "task_type",           "eva_config",
    "corda_config",        "lora_ga_config",
    "ensure_weight_tying", "qalora_group_size",
    "runtime_config"};

// Null, false, zero, and empty texts, lists and objects.
bool IsOff(const Json& value) {
  return value.is_null() || value == false || value == 0 || value == "" ||
         (value.is_structured() && value.empty());
}

// Options that are neither applied nor without effect must be off. Source:
// PEFT's LoraConfig (huggingface.co/docs/peft/package_reference/lora).
absl::Status CheckOptions(const Json& json) {
  for (const auto& [key, value] : json.items()) {
    if (std::ranges::count(kApplied, key) > 0 ||
        std::ranges::count(kWithoutEffect, key) > 0 || IsOff(value)) {
      continue;
    }
    return absl::UnimplementedError(fmt::format(
        "adapter_config.json: {} is {}, which gistd does not apply: want an "
        "adapter that was trained without it",
        key, Quoted(value.dump())));
  }
  const std::pair<const char*, Json> only[] = {{"peft_type", "LORA"},
                                               {"bias", "none"}};
  for (const auto& [key, wanted] : only) {
    if (const Json found = json.value(key, wanted); found != wanted) {
      return absl::UnimplementedError(
          fmt::format("adapter_config.json: {} is {}, want {}", key,
                      Quoted(found.dump()), wanted.dump()));
    }
  }
  return absl::OkStatus();
}

std::string Shown(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? "missing"
                               : fmt::format("{}", Quoted(found->dump()));
}

absl::StatusOr<int> IntField(const Json& object, const char* key, int lowest) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer() ||
      found->get<int64_t>() < lowest || found->get<int64_t>() > 1 << 24) {
    return absl::InvalidArgumentError(fmt::format(
        "adapter_config.json: {} is {}, want an integer of {} or more", key,
        Shown(object, key), lowest));
  }
  return found->get<int>();
}

absl::StatusOr<float> AlphaOf(const Json& json) {
  const auto found = json.find("lora_alpha");
  if (found != json.end() && found->is_number() && found->get<float>() > 0 &&
      std::isfinite(found->get<float>())) {
    return found->get<float>();
  }
  return absl::InvalidArgumentError(fmt::format(
      "adapter_config.json: lora_alpha is {}, want a number above 0",
      Shown(json, "lora_alpha")));
}

absl::StatusOr<std::vector<Projection>> TargetsOf(const Json& json,
                                                  const ModelConfig& model) {
  const auto modules = json.find("target_modules");
  if (modules == json.end() || !modules->is_array() || modules->empty()) {
    return absl::InvalidArgumentError(fmt::format(
        "adapter_config.json: target_modules is {}, want a list of projections",
        Shown(json, "target_modules")));
  }
  const auto specs = ProjectionSpecs(model);
  std::vector<Projection> targets;
  for (const Json& target : *modules) {
    size_t i = 0;
    while (i < kProjections && target != specs[i].module) ++i;
    if (i == kProjections) {
      return absl::InvalidArgumentError(fmt::format(
          "adapter_config.json: target module {}, supported: q_proj, k_proj, "
          "v_proj, o_proj, gate_proj, up_proj, down_proj",
          target.dump()));
    }
    targets.push_back(Projection(i));
  }
  return targets;
}

// A number or a list of them; null and nothing mean all layers.
absl::StatusOr<std::vector<int>> LayersOf(const Json& json,
                                          const ModelConfig& model) {
  Json layers = json.value("layers_to_transform", Json());
  if (layers.is_null()) return std::vector<int>();
  if (!layers.is_array()) layers = Json::array({layers});
  std::vector<int> chosen;
  for (const Json& layer : layers) {
    if (!layer.is_number_integer() || layer < 0 || layer >= model.layers) {
      return absl::InvalidArgumentError(fmt::format(
          "adapter_config.json: layers_to_transform has {}, want layers from 0 "
          "to {}",
          Quoted(layer.dump()), model.layers - 1));
    }
    chosen.push_back(layer.get<int>());
  }
  return chosen;
}

absl::StatusOr<Lora> ParseLora(const Json& json, const ModelConfig& model) {
  GIST_RETURN_IF_ERROR(CheckOptions(json));
  Lora lora;
  GIST_ASSIGN_OR_RETURN(lora.r, IntField(json, "r", 1));
  GIST_ASSIGN_OR_RETURN(lora.alpha, AlphaOf(json));
  const Json stabilized = json.value("use_rslora", Json());
  if (!stabilized.is_boolean() && !stabilized.is_null()) {
    return absl::InvalidArgumentError(
        fmt::format("adapter_config.json: use_rslora is {}, want true or false",
                    Shown(json, "use_rslora")));
  }
  lora.is_rank_stabilized = stabilized == true;
  GIST_ASSIGN_OR_RETURN(lora.targets, TargetsOf(json, model));
  GIST_ASSIGN_OR_RETURN(lora.layers, LayersOf(json, model));
  return lora;
}

// `section`: "gist" or "answer" of the configuration.
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
  auto* floats = values.mutable_data_ptr<float>();
  ToFloats(found->second, floats);
  if (const auto at = FirstNonFinite({floats, size_t(values.numel())})) {
    return absl::DataLossError(fmt::format(
        "adapter_model.safetensors: {} holds {} as element {} of {}, want "
        "finite numbers: the file is damaged, fetch it or train it again",
        name, floats[*at], *at, values.numel()));
  }
  return values.to(at::Device(device));
}

// All but the embeddings.
absl::StatusOr<Adapter::Impl> TakeLora(const SafeTensors& file,
                                       const ModelConfig& model,
                                       const Lora& lora,
                                       const std::string& device) {
  Adapter::Impl impl;
  impl.scale = lora.Scale();
  impl.layers.resize(size_t(model.layers));
  const auto specs = ProjectionSpecs(model);
  for (int layer = 0; layer < model.layers; ++layer) {
    if (!lora.Changes(layer)) continue;
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

// What FingerprintOf has of the LoRA.
std::string Described(const Lora& lora) {
  std::string text = fmt::format(
      "r={} alpha={} targets={}", lora.r, lora.alpha,
      fmt::join(std::vector<int>(lora.targets.begin(), lora.targets.end()),
                ","));
  if (lora.is_rank_stabilized) text += " rslora";
  if (!lora.layers.empty())
    text += fmt::format(" layers={}", fmt::join(lora.layers, ","));
  return text;
}

// Tensors that nothing above took.
absl::Status CheckAllTaken(const SafeTensors& file, const ModelConfig& model,
                           const Lora& lora) {
  std::set<std::string> known = {"gist_embeddings"};
  const auto specs = ProjectionSpecs(model);
  for (int layer = 0; layer < model.layers; ++layer) {
    if (!lora.Changes(layer)) continue;
    for (const Projection target : lora.targets) {
      for (const char* end : {"A.weight", "B.weight"})
        known.insert(LoraStem(layer, specs[target]) + end);
    }
  }
  for (const auto& [name, tensor] : file.tensors) {
    if (known.contains(name)) continue;
    return absl::UnimplementedError(fmt::format(
        "adapter_model.safetensors: tensor {} is not applied: want LoRA "
        "matrices of target_modules and gist_embeddings alone",
        Quoted(name)));
  }
  return absl::OkStatus();
}

// Free-form notes (how it was trained) do not change what the adapter computes
// and are left out.
std::string FingerprintOf(const AdapterConfig& config, const Lora& lora,
                          std::string_view tensors) {
  return Sha256Hex(fmt::format(
      "gist adapter 1 {} slots={} blocks={} overlap={} segment={} model={} "
      "tensors={}",
      Described(lora), config.gists_per_block, config.blocks,
      config.block_overlap_tokens, config.segment_tokens,
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

std::unique_ptr<const Adapter::Impl> Packed(const Adapter::Impl& impl) {
  auto packed = std::make_unique<Adapter::Impl>(impl);
  for (auto& layer : packed->layers) {
    for (LoraPair& pair : layer) {
      if (!pair.a.defined()) continue;
      pair.a = pair.a.to(at::kHalf).contiguous();
      pair.b_columns = pair.b.t().to(at::kHalf).contiguous();
      pair.b = at::Tensor();
    }
  }
  return packed;
}

}  // namespace

void Adapter::Pack() { impl_ = Packed(*impl_); }
void AnswerAdapter::Pack() { impl_ = Packed(*impl_); }

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
  GIST_RETURN_IF_ERROR(CheckAllTaken(tensors, model, lora));
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

AnswerAdapter::AnswerAdapter(std::string fingerprint,
                             std::unique_ptr<const Adapter::Impl> impl)
    : fingerprint_(std::move(fingerprint)), impl_(std::move(impl)) {}
AnswerAdapter::~AnswerAdapter() = default;

absl::StatusOr<std::unique_ptr<AnswerAdapter>> AnswerAdapter::Load(
    const std::string& folder, const ModelConfig& model,
    const std::string& model_fingerprint, const std::string& device) {
  using Result = absl::StatusOr<std::unique_ptr<AnswerAdapter>>;
  return Fence("answer adapter", [&]() -> Result {
    GIST_ASSIGN_OR_RETURN(const Json json, ReadConfig(folder));
    GIST_ASSIGN_OR_RETURN(const Lora lora, ParseLora(json, model));
    auto section = json.find("answer");
    if (section == json.end()) section = json.find("reader");
    if (section == json.end() || !section->is_object()) {
      return absl::InvalidArgumentError(
          "adapter_config.json: no \"answer\" object: this is not an adapter "
          "that was trained to answer; make one with gist-train "
          "--answer-adapter-for");
    }
    GIST_ASSIGN_OR_RETURN(const std::string trained_on, ModelOf(*section));
    GIST_RETURN_IF_ERROR(CheckModel(trained_on, model_fingerprint));
    GIST_ASSIGN_OR_RETURN(Opened opened,
                          OpenTensors(folder, model, lora, device));
    // "reader" stays: an adapter keeps its fingerprint.
    std::string fingerprint = Sha256Hex(
        fmt::format("gist reader 1 {} model={} tensors={}", Described(lora),
                    trained_on, Sha256Hex(opened.file.bytes())));
    return std::unique_ptr<AnswerAdapter>(new AnswerAdapter(
        std::move(fingerprint),
        std::make_unique<const Adapter::Impl>(std::move(opened.impl))));
  });
}

}  // namespace gist

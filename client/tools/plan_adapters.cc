#include "client/tools/plan_adapters.h"

#include <algorithm>
#include <string_view>

#include "core/base/status.h"
#include "core/format/json_file.h"
#include "core/format/mapped_file.h"
#include "core/format/safetensors.h"

namespace gist {
namespace {

// Its LoRA covers the model's layers and no more, and reads its hidden states.
bool FitsShape(const SafeTensors& file, const ModelConfig& model) {
  const auto has = [&](int layer) {
    const std::string part = fmt::format(".layers.{}.", layer);
    return std::ranges::any_of(file.tensors, [&](const auto& entry) {
      return entry.first.find(part) != std::string::npos;
    });
  };
  const auto reads_hidden = [&](const auto& entry) {
    const SafeTensor& tensor = entry.second;
    return entry.first.ends_with("self_attn.q_proj.lora_A.weight") &&
           tensor.shape.size() == 2 && tensor.shape[1] == model.hidden_size;
  };
  return has(model.layers - 1) && !has(model.layers) &&
         std::ranges::any_of(file.tensors, reads_hidden);
}

std::string ModelOf(const nlohmann::json& config, const char* section) {
  const auto& model = FieldOf(FieldOf(config, section), "base_model_sha256");
  return model.is_string() ? model.get<std::string>() : "";
}

AdapterSize SizeOf(const std::string& folder, const char* section,
                   const ModelConfig& model,
                   const std::function<std::string()>& fingerprint) {
  const auto config = ReadJsonFile(folder + "/adapter_config.json");
  const auto file = MappedFile::Open(folder + "/adapter_model.safetensors");
  if (!config.ok() || !file.ok()) return {};
  const auto tensors = ParseSafeTensors(file->bytes());
  if (!tensors.ok() || !FitsShape(*tensors, model)) return {};
  if (ModelOf(*config, section) != fingerprint()) return {};
  AdapterSize size;
  for (const auto& [name, tensor] : tensors->tensors) {
    const bool is_lora = name.find(".lora_") != std::string::npos;
    (is_lora ? size.lora : size.embeddings) += tensor.Elements();
  }
  return size;
}

}  // namespace

InstalledAdapters FindInstalledAdapters(
    const std::string& folder, const ModelConfig& model,
    const std::function<std::string()>& fingerprint) {
  std::string known;
  const auto once = [&] {
    if (known.empty()) known = fingerprint();
    return known;
  };
  return {SizeOf(folder + "/default", "gist", model, once),
          SizeOf(folder + "/answer", "answer", model, once)};
}

}  // namespace gist

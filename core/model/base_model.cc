#include "core/model/base_model.h"

#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/model/model_source.h"
#include "core/model/model_text.h"

namespace gist {
namespace {

absl::StatusOr<BaseModel> Load(std::shared_ptr<const ModelSource> model,
                               const std::string& device, WeightStorage weights,
                               const std::string& chat_template) {
  const Gguf& file = model->gguf();
  GIST_ASSIGN_OR_RETURN(ModelText text, ReadModelText(*model, chat_template));
  GIST_ASSIGN_OR_RETURN(auto transformer,
                        Transformer::Load(file, device, weights, model));
  std::string fingerprint = model->Fingerprint();
  if (!text.other_template.empty()) {
    fingerprint = Sha256Hex(fingerprint + "\n" + text.other_template);
  }
  return BaseModel{std::move(text.tokenizer), std::move(text.chat),
                   std::move(transformer), std::move(fingerprint)};
}

}  // namespace

absl::StatusOr<BaseModel> LoadBaseModel(const std::string& path,
                                        const std::string& device,
                                        WeightStorage weights,
                                        const std::string& chat_template) {
  GIST_ASSIGN_OR_RETURN(auto source, ModelSource::Open(path));
  auto model = Load(std::move(source), device, weights, chat_template);
  if (!model.ok()) return Within("model " + path, model.status());
  return model;
}

}  // namespace gist

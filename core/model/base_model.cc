#include "core/model/base_model.h"

#include "core/base/status.h"
#include "core/format/gguf_files.h"
#include "core/model/model_file.h"

namespace gist {
namespace {

absl::StatusOr<BaseModel> Load(std::shared_ptr<const GgufFiles> model,
                               const std::string& device,
                               WeightStorage weights) {
  const Gguf& file = model->gguf;
  GIST_ASSIGN_OR_RETURN(auto tokenizer, TokenizerFromGguf(file));
  GIST_ASSIGN_OR_RETURN(const std::string jinja,
                        file.String("tokenizer.chat_template"));
  GIST_ASSIGN_OR_RETURN(ChatTemplate chat,
                        ChatTemplate::Recognise(jinja, *tokenizer));
  GIST_ASSIGN_OR_RETURN(auto transformer,
                        Transformer::Load(file, device, weights, model));
  return BaseModel{std::move(tokenizer), std::move(chat),
                   std::move(transformer), model->Fingerprint()};
}

}  // namespace

absl::StatusOr<BaseModel> LoadBaseModel(const std::string& path,
                                        const std::string& device,
                                        WeightStorage weights) {
  GIST_ASSIGN_OR_RETURN(GgufFiles files, OpenGguf(path));
  auto model = Load(std::make_shared<const GgufFiles>(std::move(files)), device,
                    weights);
  if (!model.ok()) return Within("model " + path, model.status());
  return model;
}

}  // namespace gist

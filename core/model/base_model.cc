#include "core/model/base_model.h"

#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/format/gguf.h"
#include "core/format/mapped_file.h"
#include "core/model/model_file.h"

namespace gist {
namespace {

absl::StatusOr<BaseModel> Load(std::shared_ptr<const MappedFile> mapped,
                               const std::string& device,
                               WeightStorage weights) {
  GIST_ASSIGN_OR_RETURN(const Gguf file, Gguf::Parse(mapped->bytes()));
  GIST_ASSIGN_OR_RETURN(auto tokenizer, TokenizerFromGguf(file));
  GIST_ASSIGN_OR_RETURN(const std::string jinja,
                        file.String("tokenizer.chat_template"));
  GIST_ASSIGN_OR_RETURN(ChatTemplate chat,
                        ChatTemplate::Recognise(jinja, *tokenizer));
  GIST_ASSIGN_OR_RETURN(auto transformer,
                        Transformer::Load(file, device, weights, mapped));
  return BaseModel{std::move(tokenizer), std::move(chat),
                   std::move(transformer), Sha256Hex(mapped->bytes())};
}

}  // namespace

absl::StatusOr<BaseModel> LoadBaseModel(const std::string& path,
                                        const std::string& device,
                                        WeightStorage weights) {
  GIST_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  auto model = Load(std::make_shared<const MappedFile>(std::move(file)), device,
                    weights);
  if (!model.ok()) return Within("model " + path, model.status());
  return model;
}

}  // namespace gist

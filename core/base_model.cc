#include "core/base_model.h"

#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/format/gguf.h"
#include "core/format/mapped_file.h"
#include "core/model_file.h"

namespace gist {
namespace {

absl::StatusOr<BaseModel> Load(std::string_view bytes, const std::string& device) {
  GIST_ASSIGN_OR_RETURN(const Gguf file, Gguf::Parse(bytes));
  GIST_ASSIGN_OR_RETURN(auto tokenizer, TokenizerFromGguf(file));
  GIST_ASSIGN_OR_RETURN(const std::string jinja,
                        file.String("tokenizer.chat_template"));
  GIST_ASSIGN_OR_RETURN(ChatTemplate chat, ChatTemplate::Recognise(jinja, *tokenizer));
  GIST_ASSIGN_OR_RETURN(auto transformer, Transformer::Load(file, device));
  return BaseModel{std::move(tokenizer), std::move(chat), std::move(transformer),
                   Sha256Hex(bytes)};
}

}  // namespace

absl::StatusOr<BaseModel> LoadBaseModel(const std::string& path,
                                        const std::string& device) {
  GIST_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  auto model = Load(file.bytes(), device);
  if (!model.ok()) return Within("model " + path, model.status());
  return model;
}

}  // namespace gist

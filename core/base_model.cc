#include "core/base_model.h"

#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/format/gguf.h"
#include "core/format/mapped_file.h"

namespace gist {
namespace {

absl::StatusOr<std::unique_ptr<Tokenizer>> MakeTokenizer(const Gguf& file) {
  GIST_ASSIGN_OR_RETURN(const std::string model,
                        file.String("tokenizer.ggml.model"));
  if (model != "gpt2") {
    return absl::UnimplementedError(fmt::format(
        "tokenizer \"{}\", supported: \"gpt2\" (byte-level BPE)", model));
  }
  TokenizerSpec spec;
  spec.pre_tokenizer = "gpt2";
  if (file.Has("tokenizer.ggml.pre")) {
    GIST_ASSIGN_OR_RETURN(spec.pre_tokenizer, file.String("tokenizer.ggml.pre"));
  }
  GIST_ASSIGN_OR_RETURN(spec.tokens, file.Strings("tokenizer.ggml.tokens"));
  GIST_ASSIGN_OR_RETURN(spec.merges, file.Strings("tokenizer.ggml.merges"));
  GIST_ASSIGN_OR_RETURN(spec.token_types, file.Ints("tokenizer.ggml.token_type"));
  return Tokenizer::Create(std::move(spec));
}

absl::StatusOr<BaseModel> Load(std::string_view bytes, const std::string& device) {
  GIST_ASSIGN_OR_RETURN(const Gguf file, Gguf::Parse(bytes));
  GIST_ASSIGN_OR_RETURN(auto tokenizer, MakeTokenizer(file));
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

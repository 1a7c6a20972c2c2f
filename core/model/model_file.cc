#include "core/model/model_file.h"

#include "core/base/status.h"
#include "core/format/mapped_file.h"

namespace gist {

absl::StatusOr<std::unique_ptr<Tokenizer>> TokenizerFromGguf(const Gguf& file) {
  GIST_ASSIGN_OR_RETURN(const std::string model,
                        file.String("tokenizer.ggml.model"));
  if (model != "gpt2") {
    return absl::UnimplementedError(fmt::format(
        "tokenizer \"{}\", supported: \"gpt2\" (byte-level BPE)", model));
  }
  TokenizerSpec spec;
  spec.pre_tokenizer = "gpt2";
  if (file.Has("tokenizer.ggml.pre")) {
    GIST_ASSIGN_OR_RETURN(spec.pre_tokenizer,
                          file.String("tokenizer.ggml.pre"));
  }
  GIST_ASSIGN_OR_RETURN(spec.tokens, file.Strings("tokenizer.ggml.tokens"));
  GIST_ASSIGN_OR_RETURN(spec.merges, file.Strings("tokenizer.ggml.merges"));
  GIST_ASSIGN_OR_RETURN(spec.token_types,
                        file.Ints("tokenizer.ggml.token_type"));
  return Tokenizer::Create(std::move(spec));
}

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(
    const std::string& path) {
  GIST_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  const auto gguf = Gguf::Parse(file.bytes());
  if (!gguf.ok()) return Within(path, gguf.status());
  auto tokenizer = TokenizerFromGguf(*gguf);
  if (!tokenizer.ok()) return Within(path, tokenizer.status());
  return tokenizer;
}

}  // namespace gist

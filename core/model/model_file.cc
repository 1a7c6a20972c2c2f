#include "core/model/model_file.h"

#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/status.h"
#include "core/model/model_source.h"
#include "core/text/tokenizer_files.h"

namespace gist {

namespace {

constexpr char kMerges[] = "tokenizer.ggml.merges";
// A whole tokenizer.json, by GGUF's name for it.
constexpr char kTokenizerJson[] = "tokenizer.huggingface.json";

absl::StatusOr<bool> SwitchOf(const Gguf& file, const std::string& key,
                              bool otherwise) {
  if (!file.Has(key)) return otherwise;
  return file.Bool(key);
}

// GPT-2's byte-level BPE: which words, the file names.
absl::Status ReadByteLevel(const Gguf& file, TokenizerSpec* spec) {
  spec->pre_tokenizer = "gpt2";
  if (file.Has("tokenizer.ggml.pre")) {
    GIST_ASSIGN_OR_RETURN(spec->pre_tokenizer,
                          file.String("tokenizer.ggml.pre"));
  }
  GIST_ASSIGN_OR_RETURN(spec->merges, file.Strings(kMerges));
  return absl::OkStatus();
}

// SentencePiece's BPE, with bytes for characters that no piece covers.
absl::Status ReadSentencePiece(const Gguf& file, TokenizerSpec* spec) {
  spec->kind = TokenizerKind::kSentencePiece;
  spec->add_bos = true;
  GIST_ASSIGN_OR_RETURN(
      const bool space,
      SwitchOf(file, "tokenizer.ggml.add_space_prefix", true));
  GIST_ASSIGN_OR_RETURN(
      const bool remove_extra,
      SwitchOf(file, "tokenizer.ggml.remove_extra_whitespaces", false));
  spec->normalizer = SentencePieceSteps(space, remove_extra);
  if (file.Has(kMerges)) {  // then the scores mean nothing
    GIST_ASSIGN_OR_RETURN(spec->merges, file.Strings(kMerges));
    return absl::OkStatus();
  }
  const auto scores = file.values().find("tokenizer.ggml.scores");
  if (scores == file.values().end() ||
      !std::holds_alternative<std::vector<double>>(scores->second)) {
    return absl::DataLossError(
        "tokenizer.ggml.scores: want a list of numbers for tokenizer "
        "\"llama\"");
  }
  spec->scores = std::get<std::vector<double>>(scores->second);
  return absl::OkStatus();
}

// -1, which no vocabulary has, for what is out of range.
absl::StatusOr<int32_t> IdOf(const Gguf& file, const std::string& key) {
  GIST_ASSIGN_OR_RETURN(const int64_t id, file.Int(key));
  return id == static_cast<int32_t>(id) ? static_cast<int32_t>(id) : -1;
}

absl::Status ReadSpecialIds(const Gguf& file, TokenizerSpec* spec) {
  const std::string bos = "tokenizer.ggml.bos_token_id";
  if (file.Has(bos)) {
    GIST_ASSIGN_OR_RETURN(spec->bos_id, IdOf(file, bos));
  }
  if (file.Has("tokenizer.ggml.add_bos_token")) {
    GIST_ASSIGN_OR_RETURN(spec->add_bos,
                          file.Bool("tokenizer.ggml.add_bos_token"));
  }
  if (file.Has("tokenizer.ggml.eos_token_ids")) {
    GIST_ASSIGN_OR_RETURN(const auto ids,
                          file.Ints("tokenizer.ggml.eos_token_ids"));
    spec->end_ids.assign(ids.begin(), ids.end());
  }
  for (const char* name : {"eos", "eot", "eom"}) {
    const std::string key = fmt::format("tokenizer.ggml.{}_token_id", name);
    if (!file.Has(key)) continue;
    GIST_ASSIGN_OR_RETURN(const int32_t id, IdOf(file, key));
    spec->end_ids.push_back(id);
  }
  return absl::OkStatus();
}

absl::Status ReadVocabulary(const Gguf& file, TokenizerSpec* spec) {
  GIST_ASSIGN_OR_RETURN(const std::string model,
                        file.String("tokenizer.ggml.model"));
  GIST_ASSIGN_OR_RETURN(spec->tokens, file.Strings("tokenizer.ggml.tokens"));
  GIST_ASSIGN_OR_RETURN(spec->token_types,
                        file.Ints("tokenizer.ggml.token_type"));
  if (model == "gpt2") return ReadByteLevel(file, spec);
  if (model == "llama") return ReadSentencePiece(file, spec);
  return absl::UnimplementedError(
      fmt::format("tokenizer \"{}\", supported: \"gpt2\" (byte-level BPE), "
                  "\"llama\" (SentencePiece's BPE)",
                  model));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> TokenizerFromGguf(const Gguf& file) {
  TokenizerSpec spec;
  if (file.Has(kTokenizerJson)) {
    GIST_ASSIGN_OR_RETURN(const std::string json, file.String(kTokenizerJson));
    GIST_ASSIGN_OR_RETURN(spec, FromTokenizerJson(json));
  } else {
    GIST_RETURN_IF_ERROR(ReadVocabulary(file, &spec));
  }
  GIST_RETURN_IF_ERROR(ReadSpecialIds(file, &spec));
  return Tokenizer::Create(std::move(spec));
}

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(
    const std::string& path) {
  GIST_ASSIGN_OR_RETURN(const auto source, ModelSource::Open(path));
  auto tokenizer = source->MakeTokenizer();
  if (!tokenizer.ok()) return Within(path, tokenizer.status());
  return tokenizer;
}

}  // namespace gist

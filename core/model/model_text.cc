#include "core/model/model_text.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/format/mapped_file.h"
#include "core/text/chat_families.h"
#include "fmt/format.h"

namespace gist {
namespace {

constexpr char kTemplateKey[] = "tokenizer.chat_template";
constexpr char kEmbedding[] = "token_embd.weight";

// The template by its family's name, or a file's text.
absl::StatusOr<std::string> ReadTemplate(const std::string& name_or_file) {
  if (const auto named = TemplateNamed(name_or_file)) {
    return std::string(*named);
  }
  const auto file = MappedFile::Open(name_or_file);
  if (file.ok()) return std::string(file->bytes());
  return absl::InvalidArgumentError(
      fmt::format("--chat-template {}: neither a family ({}) nor a file: {}",
                  name_or_file, TemplateNames(), Message(file.status())));
}

// The template to use, and whether it is another one than the file's.
struct TemplateText {
  std::string jinja;
  bool is_own = true;
};

absl::StatusOr<TemplateText> FindTemplate(const Gguf& file,
                                          const std::string& name_or_file) {
  std::string own;
  if (file.Has(kTemplateKey)) {
    GIST_ASSIGN_OR_RETURN(own, file.String(kTemplateKey));
  }
  if (name_or_file.empty()) {
    if (!own.empty()) return TemplateText{std::move(own)};
    return absl::FailedPreconditionError(fmt::format(
        "the file has no chat template, as base models have none; give one "
        "with --chat-template NAME|FILE, NAME one of {}",
        TemplateNames()));
  }
  GIST_ASSIGN_OR_RETURN(std::string jinja, ReadTemplate(name_or_file));
  const bool is_own = jinja == own;
  return TemplateText{std::move(jinja), is_own};
}

// A token beyond the embedding's rows is no fault if nothing can ask for it:
// Gemma 3's files name a token of images that its text model has no row for.
absl::Status CheckIdsHaveRows(const ModelText& text, const Gguf& file) {
  GIST_ASSIGN_OR_RETURN(const GgufTensor* embedding, file.Tensor(kEmbedding));
  const int64_t rows = embedding->dims.size() == 2 ? embedding->dims[1] : 0;
  if (text.tokenizer->vocab_size() <= rows) return absl::OkStatus();
  const auto check = [&](const std::vector<int32_t>& ids, const char* asker) {
    const auto highest = std::ranges::max_element(ids);
    if (highest == ids.end() || *highest < rows) return absl::OkStatus();
    const std::string_view bytes = text.tokenizer->Bytes(*highest);
    return absl::DataLossError(fmt::format(
        "tokenizer: {} can hold token {}{}, but {} has {} rows, want one for "
        "each such token: use a tokenizer and weights of the same model, fetch "
        "or convert it again",
        asker, *highest, bytes.empty() ? "" : " " + Quoted(bytes), kEmbedding,
        rows));
  };
  GIST_RETURN_IF_ERROR(check(text.tokenizer->TextIds(), "a text"));
  GIST_RETURN_IF_ERROR(check(text.chat.prefix(), "the chat template"));
  GIST_RETURN_IF_ERROR(check(text.chat.suffix(), "the chat template"));
  return check({text.chat.end_of_turn()}, "the chat template");
}

}  // namespace

absl::StatusOr<ModelText> ReadModelText(const ModelSource& model,
                                        const std::string& chat_template) {
  ModelText text;
  GIST_ASSIGN_OR_RETURN(text.tokenizer, model.MakeTokenizer());
  GIST_ASSIGN_OR_RETURN(TemplateText found,
                        FindTemplate(model.gguf(), chat_template));
  GIST_ASSIGN_OR_RETURN(text.chat,
                        ChatTemplate::Recognise(found.jinja, *text.tokenizer));
  GIST_RETURN_IF_ERROR(CheckIdsHaveRows(text, model.gguf()));
  if (!found.is_own) text.other_template = std::move(found.jinja);
  return text;
}

}  // namespace gist

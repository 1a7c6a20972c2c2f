#include "core/model/model_text.h"

#include <utility>

#include "core/base/status.h"
#include "core/format/mapped_file.h"
#include "core/text/chat_families.h"
#include "fmt/format.h"

namespace gist {
namespace {

constexpr char kTemplateKey[] = "tokenizer.chat_template";

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

}  // namespace

absl::StatusOr<ModelText> ReadModelText(const ModelSource& model,
                                        const std::string& chat_template) {
  ModelText text;
  GIST_ASSIGN_OR_RETURN(text.tokenizer, model.MakeTokenizer());
  GIST_ASSIGN_OR_RETURN(TemplateText found,
                        FindTemplate(model.gguf(), chat_template));
  GIST_ASSIGN_OR_RETURN(
      text.chat, ChatTemplate::Recognise(found.jinja, *text.tokenizer));
  if (!found.is_own) text.other_template = std::move(found.jinja);
  return text;
}

}  // namespace gist

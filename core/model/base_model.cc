#include "core/model/base_model.h"

#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/format/mapped_file.h"
#include "core/model/model_source.h"
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

absl::StatusOr<BaseModel> Load(std::shared_ptr<const ModelSource> model,
                               const std::string& device, WeightStorage weights,
                               const std::string& chat_template) {
  const Gguf& file = model->gguf();
  GIST_ASSIGN_OR_RETURN(auto tokenizer, model->MakeTokenizer());
  GIST_ASSIGN_OR_RETURN(const TemplateText text,
                        FindTemplate(file, chat_template));
  GIST_ASSIGN_OR_RETURN(ChatTemplate chat,
                        ChatTemplate::Recognise(text.jinja, *tokenizer));
  GIST_ASSIGN_OR_RETURN(auto transformer,
                        Transformer::Load(file, device, weights, model));
  std::string fingerprint = model->Fingerprint();
  if (!text.is_own) fingerprint = Sha256Hex(fingerprint + "\n" + text.jinja);
  return BaseModel{std::move(tokenizer), std::move(chat),
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

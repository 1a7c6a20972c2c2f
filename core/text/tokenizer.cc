#include "core/text/tokenizer.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/base/utf8.h"
#include "core/text/vocabulary.h"
#include "core/text/words/named_pre_tokenizers.h"
#include "core/text/words/token_finder.h"
#include "fmt/format.h"

namespace gist {
namespace {

constexpr size_t kMaxTextBytes = std::numeric_limits<int32_t>::max();

// Could a text forge a turn with it? Files give such tokens either type.
bool MarksATurn(std::string_view token) {
  return (token.starts_with("<|") && token.ends_with("|>")) ||
         token == "<start_of_turn>" || token == "<end_of_turn>" ||
         token == "[INST]" || token == "[/INST]" ||
         token == "[SYSTEM_PROMPT]" || token == "[/SYSTEM_PROMPT]";
}

absl::Status ResolveName(TokenizerSpec* spec) {
  if (spec->pre_tokenizer.empty()) return absl::OkStatus();
  GIST_ASSIGN_OR_RETURN(NamedPreTokenizer named,
                        FindPreTokenizer(spec->pre_tokenizer));
  spec->words = std::move(named.steps);
  spec->normalizer.clear();
  if (named.nfc) spec->normalizer.push_back({NormalizerStep::Kind::kNfc});
  spec->ignore_merges = named.ignore_merges;
  if (!spec->add_bos) spec->add_bos = named.add_bos;
  return absl::OkStatus();
}

std::string SourceOf(const TokenizerSpec& spec) {
  if (!spec.pre_tokenizer.empty())
    return fmt::format("GGUF pre-tokenizer {}", Quoted(spec.pre_tokenizer));
  return spec.scores.empty() ? "tokenizer.json" : "GGUF tokenizer";
}

absl::Status CheckIds(const TokenizerSpec& spec) {
  std::vector<int32_t> ids = spec.end_ids;
  if (spec.bos_id) ids.push_back(*spec.bos_id);
  if (spec.unknown_id) ids.push_back(*spec.unknown_id);
  const auto count = static_cast<int64_t>(spec.tokens.size());
  for (const int32_t id : ids) {
    if (id >= 0 && id < count) continue;
    return absl::DataLossError(
        fmt::format("tokenizer: a bos, eos or unknown token has id {}, want 0 "
                    "to {}",
                    id, count - 1));
  }
  return absl::OkStatus();
}

}  // namespace

struct Tokenizer::Impl {
  Impl(Vocabulary v, Normalizer n, PreTokenizer w)
      : vocabulary(std::move(v)),
        normalizer(std::move(n)),
        words(std::move(w)) {}

  void AddSpecial(const TokenizerSpec& spec);
  absl::Status Append(std::string_view text, const EncodeOptions& options,
                      RegexBudget* budget, std::vector<int32_t>* ids) const;
  absl::Status AppendNormalized(std::string_view text, RegexBudget* budget,
                                std::vector<int32_t>* ids) const;

  Vocabulary vocabulary;
  Normalizer normalizer;
  PreTokenizer words;
  std::string source;  // of the patterns, for errors
  TokenFinder in_texts, in_normalized, in_templates;
  std::vector<int32_t> found_ids;  // of in_texts and in_normalized
  std::optional<int32_t> bos_id;
  bool add_bos = false;
  std::vector<int32_t> end_ids;
};

void Tokenizer::Impl::AddSpecial(const TokenizerSpec& spec) {
  for (size_t i = 0; i < spec.tokens.size(); ++i) {
    const bool is_user_defined = spec.token_types[i] == kUserDefinedToken;
    if (!is_user_defined && spec.token_types[i] != kControlToken) continue;
    FoundToken token = {static_cast<int32_t>(i)};
    if (const auto around = spec.space_around.find(token.id);
        around != spec.space_around.end()) {
      token.strip_left = around->second.strip_left;
      token.strip_right = around->second.strip_right;
    }
    in_templates.Add(spec.tokens[i], token);
    if (!is_user_defined || MarksATurn(spec.tokens[i])) continue;
    const bool normalized =
        std::ranges::count(spec.normalized_ids, token.id) > 0;
    (normalized ? in_normalized : in_texts).Add(spec.tokens[i], token);
    found_ids.push_back(token.id);
  }
}

absl::Status Tokenizer::Impl::Append(std::string_view text,
                                     const EncodeOptions& options,
                                     RegexBudget* budget,
                                     std::vector<int32_t>* ids) const {
  const TokenFinder& finder = options.special ? in_templates : in_texts;
  for (const TokenOrText& part : finder.Split(text)) {
    if (part.id >= 0) {
      ids->push_back(part.id);
      continue;
    }
    const std::string_view between =
        text.substr(part.begin, part.end - part.begin);
    if (normalizer.empty()) {
      GIST_RETURN_IF_ERROR(AppendNormalized(between, budget, ids));
      continue;
    }
    const TextBegin begin =
        part.begin == 0 ? options.begin : TextBegin::kBehindToken;
    GIST_ASSIGN_OR_RETURN(
        const std::string normalized,
        normalizer.Apply(between, begin == TextBegin::kNothing,
                         begin == TextBegin::kBehindText, budget));
    GIST_RETURN_IF_ERROR(AppendNormalized(normalized, budget, ids));
  }
  return absl::OkStatus();
}

absl::Status Tokenizer::Impl::AppendNormalized(
    std::string_view text, RegexBudget* budget,
    std::vector<int32_t>* ids) const {
  for (const TokenOrText& part : in_normalized.Split(text)) {
    if (part.id >= 0) {
      ids->push_back(part.id);
      continue;
    }
    const std::string_view between =
        text.substr(part.begin, part.end - part.begin);
    GIST_ASSIGN_OR_RETURN(const auto ranges, words.Words(between, budget));
    for (const TextRange& word : ranges) {
      vocabulary.AppendWord(between.substr(word.begin, word.end - word.begin),
                            ids);
    }
  }
  return absl::OkStatus();
}

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl)
    : impl_(std::move(impl)) {}

Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Create(
    TokenizerSpec spec) {
  GIST_RETURN_IF_ERROR(ResolveName(&spec));
  GIST_ASSIGN_OR_RETURN(PreTokenizer words, PreTokenizer::Create(spec.words));
  GIST_ASSIGN_OR_RETURN(Normalizer normalizer,
                        Normalizer::Create(spec.normalizer));
  GIST_ASSIGN_OR_RETURN(Vocabulary vocabulary, Vocabulary::Create(spec));
  GIST_RETURN_IF_ERROR(CheckIds(spec));
  auto impl = std::make_unique<Impl>(std::move(vocabulary),
                                     std::move(normalizer), std::move(words));
  impl->source = SourceOf(spec);
  impl->AddSpecial(spec);
  impl->bos_id = spec.bos_id;
  impl->add_bos = spec.bos_id.has_value() && spec.add_bos.value_or(false);
  impl->end_ids = std::move(spec.end_ids);
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::move(impl)));
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::Encode(
    std::string_view text, const EncodeOptions& options) const {
  if (text.size() > kMaxTextBytes) {
    return absl::InvalidArgumentError(fmt::format(
        "text: {} bytes, want at most {}", text.size(), kMaxTextBytes));
  }
  if (const size_t bad = FirstInvalidUtf8(text); bad != text.size()) {
    return absl::InvalidArgumentError(
        fmt::format("text: byte {} is 0x{:02X}, want valid UTF-8", bad,
                    static_cast<unsigned char>(text[bad])));
  }
  std::vector<int32_t> ids;
  RegexBudget budget(text.size());
  const absl::Status status = impl_->Append(text, options, &budget, &ids);
  if (!status.ok()) return Within(impl_->source, status);
  return ids;
}

std::string_view Tokenizer::Bytes(int32_t id) const {
  if (id < 0 || id >= vocab_size()) return {};
  return impl_->vocabulary.Bytes(id);
}

std::string_view Tokenizer::AnswerBytes(int32_t id, bool is_first) const {
  std::string_view bytes = Bytes(id);
  if (is_first && adds_space_prefix() && bytes.starts_with(' ')) {
    bytes.remove_prefix(1);
  }
  return bytes;
}

absl::StatusOr<int32_t> Tokenizer::SpecialId(std::string_view token) const {
  const int32_t id = impl_->vocabulary.SpecialId(token);
  if (id >= 0) return id;
  return absl::NotFoundError(
      fmt::format("tokenizer: no special token {} among the {} tokens",
                  Quoted(token), vocab_size()));
}

int Tokenizer::vocab_size() const { return impl_->vocabulary.size(); }

std::vector<int32_t> Tokenizer::TextIds() const {
  std::vector<int32_t> ids = impl_->found_ids;
  impl_->vocabulary.AppendMadeIds(&ids);
  return ids;
}

std::optional<int32_t> Tokenizer::bos_id() const { return impl_->bos_id; }

bool Tokenizer::add_bos() const { return impl_->add_bos; }

const std::vector<int32_t>& Tokenizer::end_ids() const {
  return impl_->end_ids;
}

bool Tokenizer::adds_space_prefix() const {
  return impl_->normalizer.prepends();
}

}  // namespace gist

#include "core/text/sentence_tokenizer.h"

#include <utility>

#include "core/base/status.h"
#include "core/base/utf8.h"
#include "core/format/json_file.h"
#include "core/text/unigram_files.h"
#include "core/text/wordpiece_files.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

absl::Status CheckText(std::string_view text) {
  constexpr size_t kMaxBytes = std::numeric_limits<uint32_t>::max();
  if (text.size() > kMaxBytes) {
    return absl::InvalidArgumentError(
        fmt::format("text: {} bytes, want at most {}", text.size(), kMaxBytes));
  }
  if (const size_t bad = FirstInvalidUtf8(text); bad != text.size()) {
    return absl::InvalidArgumentError(
        fmt::format("text: byte {} is 0x{:02X}, want valid UTF-8", bad,
                    static_cast<unsigned char>(text[bad])));
  }
  return absl::OkStatus();
}

bool IsUnigram(const nlohmann::json& file) {
  return FieldOf(FieldOf(file, "model"), "type") == "Unigram";
}

template <typename Tokenizer, typename Spec>
absl::StatusOr<std::unique_ptr<SentenceTokenizer>> Made(
    const std::string& path, absl::StatusOr<Spec> spec) {
  if (!spec.ok()) return Within(path, spec.status());
  auto made = Tokenizer::Create(*std::move(spec));
  if (!made.ok()) return Within(path, made.status());
  return made;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SentenceTokenizer>> SentenceTokenizer::Load(
    const std::string& folder) {
  const std::string path = folder + "/tokenizer.json";
  const auto json = ReadJsonFile(path);
  if (absl::IsNotFound(json.status())) {
    return Made<WordPiece>(folder, ReadWordPieceVocabulary(folder));
  }
  if (!json.ok()) return json.status();
  return IsUnigram(*json) ? Made<Unigram>(path, ReadUnigramSpec(*json))
                          : Made<WordPiece>(path, ReadWordPieceSpec(*json));
}

absl::StatusOr<std::vector<SentenceToken>> SentenceTokenizer::Encode(
    std::string_view text, size_t max_tokens) const {
  GIST_RETURN_IF_ERROR(CheckText(text));
  std::vector<SentenceToken> tokens;
  Append(text, max_tokens, &tokens);
  if (tokens.size() > max_tokens) tokens.resize(max_tokens);
  return tokens;
}

}  // namespace gist

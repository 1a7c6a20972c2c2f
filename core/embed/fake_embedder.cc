#include "core/embed/fake_embedder.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/identity.h"
#include "core/base/status.h"

namespace gist {
namespace {

constexpr int kDimensions = 64;

// Each word of `text`, as a range of bytes.
std::vector<std::pair<size_t, size_t>> Words(std::string_view text) {
  std::vector<std::pair<size_t, size_t>> words;
  constexpr std::string_view kSpace = " \n\t";
  for (size_t at = text.find_first_not_of(kSpace); at != text.npos;) {
    const size_t end = std::min(text.find_first_of(kSpace, at), text.size());
    words.emplace_back(at, end);
    at = text.find_first_not_of(kSpace, end);
  }
  return words;
}

}  // namespace

FakeEmbedder::FakeEmbedder(FakeEmbedderOptions options)
    : options_(std::move(options)),
      info_{.name = "fake embedder",
            .fingerprint = Sha256Hex(options_.seed),
            .dimensions = kDimensions,
            .max_text_tokens = options_.max_text_tokens,
            .weight_bytes = 1} {}

absl::StatusOr<std::vector<Chunk>> FakeEmbedder::Chunks(
    std::string_view text, const ChunkOptions& options) const {
  const auto words = Words(text);
  std::vector<Chunk> chunks;
  const auto size = size_t(options.max_tokens);
  const size_t step = size - size_t(options.overlap_tokens);
  for (size_t at = 0; at < words.size(); at += step) {
    const size_t end = std::min(at + size, words.size());
    chunks.push_back({words[at].first, words[end - 1].second, int(end - at)});
    if (end == words.size()) break;
  }
  return chunks;
}

// A word adds to a few numbers that its hash names; the first number keeps a
// text without words off zero.
absl::StatusOr<std::vector<float>> FakeEmbedder::Embed(
    std::span<const std::string_view> texts, TextKind kind) {
  if (options_.before_embed) GIST_RETURN_IF_ERROR(options_.before_embed());
  (kind == TextKind::kQuery ? queries_ : passages_) += int(texts.size());
  std::vector<float> vectors;
  for (const std::string_view text : texts) {
    std::vector<float> vector(kDimensions, 0);
    vector[0] = 0.01f;
    for (const auto& [begin, end] : Words(text)) {
      const std::string hash = Sha256Hex(text.substr(begin, end - begin));
      for (size_t i = 0; i < 4; ++i) {
        vector[size_t(std::stoi(hash.substr(2 * i, 2), nullptr, 16)) %
               kDimensions] += 1;
      }
    }
    float squares = 0;
    for (const float value : vector) squares += value * value;
    for (float& value : vector) vectors.push_back(value / std::sqrt(squares));
  }
  return vectors;
}

}  // namespace gist

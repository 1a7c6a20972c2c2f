#include "core/compress/methods/document_prefill.h"

#include <algorithm>
#include <list>
#include <utility>
#include <vector>

#include "core/base/status.h"

namespace gist {

DocumentPrefill::DocumentPrefill(const Transformer& model,
                                 const KvCache& prefix, int segment_tokens)
    : model_(model),
      prefix_(prefix),
      segment_tokens_(size_t(segment_tokens)),
      segment_(prefix.Clone()),
      plain_(model.NewCache()) {}

absl::Status DocumentPrefill::CheckRoom(int held, size_t more) const {
  const size_t limit = size_t(model_.config().max_context_tokens);
  if (size_t(held) + more <= limit) return absl::OkStatus();
  return absl::OutOfRangeError(fmt::format(
      "{} tokens after {} exceed the model's context of {} tokens: shorten the "
      "text, or ask from gists",
      more, held, limit));
}

// All segments that the chunk has tokens of, in one batch.
absl::Status DocumentPrefill::Prefill(std::span<const int32_t> chunk) {
  size_t left = chunk.size();  // room in the segment that was begun
  if (segment_tokens_ > 0) {
    const size_t into = size_t(tokens()) % segment_tokens_;
    if (into == 0) segment_.Truncate(prefix_.tokens());
    left = segment_tokens_ - into;
  }
  std::list<KvCache> begun;  // later segments
  std::vector<ForwardItem> items;
  while (!chunk.empty()) {
    KvCache& cache =
        items.empty() ? segment_ : begun.emplace_back(prefix_.Clone(int(left)));
    const size_t take = std::min(chunk.size(), left);
    GIST_RETURN_IF_ERROR(CheckRoom(cache.tokens(), take));
    items.push_back(
        {.cache = &cache, .ids = chunk.first(take), .plain = &plain_});
    chunk = chunk.subspan(take);
    left = segment_tokens_;
  }
  GIST_RETURN_IF_ERROR(model_.Forward(items).status());
  if (!begun.empty()) segment_ = std::move(begun.back());
  return absl::OkStatus();
}

}  // namespace gist

#include "core/retrieval/chunker.h"

#include <algorithm>
#include <cstdint>
#include <span>

#include "core/base/status.h"
#include "core/retrieval/text_units.h"
#include "fmt/format.h"

namespace gist {
namespace {

absl::Status CheckOptions(const ChunkOptions& options) {
  if (options.max_tokens < 8) {
    return absl::InvalidArgumentError(fmt::format(
        "chunks: max_tokens is {}, want at least 8", options.max_tokens));
  }
  if (options.overlap_tokens < 0 ||
      options.overlap_tokens > options.max_tokens / 2) {
    return absl::InvalidArgumentError(
        fmt::format("chunks: overlap_tokens is {}, want 0 to {}, half of "
                    "max_tokens",
                    options.overlap_tokens, options.max_tokens / 2));
  }
  if (options.max_bytes < 64) {
    return absl::InvalidArgumentError(fmt::format(
        "chunks: max_bytes is {}, want at least 64", options.max_bytes));
  }
  return absl::OkStatus();
}

// Packs units that may share chunks. A cut is the number of units before it.
class Packer {
 public:
  Packer(std::span<const TextUnit> units, const ChunkOptions& options)
      : units_(units), options_(options) {
    sums_.reserve(units.size() + 1);
    sums_.push_back(0);
    for (const TextUnit& unit : units)
      sums_.push_back(sums_.back() + unit.tokens);
  }

  void Append(std::vector<Chunk>* chunks) const {
    size_t begin = 0;
    for (size_t done = 0; done < units_.size();) {
      const size_t end = End(begin, done);
      chunks->push_back(
          {units_[begin].begin, units_[end - 1].end, int(Tokens(begin, end))});
      if (end < units_.size()) begin = NextBegin(begin, end);
      done = end;
    }
  }

 private:
  int64_t Tokens(size_t begin, size_t end) const {
    return sums_[end] - sums_[begin];
  }
  bool Fits(size_t begin, size_t end) const {
    return Tokens(begin, end) <= options_.max_tokens &&
           units_[end - 1].end - units_[begin].begin <= options_.max_bytes;
  }

  // The end of the chunk that begins at `begin`; after `done`, where the last
  // one ended.
  size_t End(size_t begin, size_t done) const {
    size_t most = done + 1;
    while (most < units_.size() && Fits(begin, most + 1)) ++most;
    if (most == units_.size()) return most;
    const int64_t full = Tokens(begin, most);
    for (const Cut wanted :
         {Cut::kParagraph, Cut::kSentence, Cut::kClause, Cut::kWord}) {
      const int64_t least =
          wanted == Cut::kParagraph ? full - full / 4 : full - full / 2;
      for (size_t end = most; end > done && Tokens(begin, end) >= least;
           --end) {
        if (units_[end - 1].after >= wanted) return end;
      }
    }
    return most;
  }

  // Where the chunk after [begin, end) begins: at the overlap, if the next unit
  // then still fits.
  size_t NextBegin(size_t begin, size_t end) const {
    size_t first = end;
    while (first - 1 > begin && Overlaps(first - 1, end)) --first;
    for (const Cut wanted : {Cut::kSentence, Cut::kClause}) {
      for (size_t at = first; at < end; ++at) {
        if (Tokens(at, end) * 2 < options_.overlap_tokens) break;
        if (units_[at - 1].after >= wanted) return at;
      }
    }
    for (size_t at = first; at < end; ++at) {
      if (units_[at - 1].after >= Cut::kWord) return at;
    }
    return first;
  }
  bool Overlaps(size_t begin, size_t end) const {
    return Tokens(begin, end) <= options_.overlap_tokens &&
           Fits(begin, end + 1);
  }

  std::span<const TextUnit> units_;
  const ChunkOptions& options_;
  std::vector<int64_t> sums_;  // tokens before each unit, and all
};

}  // namespace

absl::StatusOr<std::vector<Chunk>> ChunkText(std::string_view text,
                                             const SentenceTokenizer& tokenizer,
                                             const ChunkOptions& options) {
  GIST_RETURN_IF_ERROR(CheckOptions(options));
  GIST_ASSIGN_OR_RETURN(const std::vector<TextUnit> all,
                        SplitUnits(text, tokenizer, options));
  std::vector<Chunk> chunks;
  std::span<const TextUnit> units = all;
  while (!units.empty()) {
    const auto last = std::ranges::find_if(units, &TextUnit::must_end);
    const size_t count =
        last == units.end() ? units.size() : size_t(last - units.begin()) + 1;
    Packer(units.first(count), options).Append(&chunks);
    units = units.subspan(count);
  }
  return chunks;
}

}  // namespace gist

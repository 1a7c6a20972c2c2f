#include "core/data/haystack.h"

#include <algorithm>
#include <numeric>

#include "core/base/status.h"
#include "fmt/format.h"

namespace gist {
namespace {

struct Piece {
  std::string_view text;
  int tokens = 0;  // with the space in front
};

absl::StatusOr<Piece> Measured(std::string_view text,
                               const CountTokens& count_tokens) {
  GIST_ASSIGN_OR_RETURN(const int tokens,
                        count_tokens(fmt::format(" {}", text)));
  return Piece{text, tokens};
}

int Sum(std::span<const Piece> pieces) {
  int sum = 0;
  for (const Piece& piece : pieces) sum += piece.tokens;
  return sum;
}

// The first sentences of `filler` that fit in `room` tokens, and of the later
// ones those that fill what is left of it.
absl::StatusOr<std::vector<Piece>> Fitting(std::span<const std::string> filler,
                                           int room,
                                           const CountTokens& count_tokens) {
  constexpr int kClose = 4;  // tokens left that no sentence is looked for
  std::vector<Piece> chosen;
  for (const std::string& sentence : filler) {
    if (room < kClose) break;
    GIST_ASSIGN_OR_RETURN(const Piece piece, Measured(sentence, count_tokens));
    if (piece.tokens > room) continue;
    room -= piece.tokens;
    chosen.push_back(piece);
  }
  return chosen;
}

// Joins `sentences` with each needle where its depth is nearest.
Haystack Join(std::span<const PlacedNeedle> needles,
              std::span<const Piece> needle_pieces,
              std::span<const Piece> sentences) {
  std::vector<size_t> order(needles.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return needles[a].depth < needles[b].depth;
  });
  Haystack joined{{}, 0, std::vector<size_t>(needles.size())};
  const int total = Sum(needle_pieces) + Sum(sentences);
  int held = 0;
  const auto append = [&](const Piece& piece) {
    if (!joined.text.empty()) joined.text += ' ';
    joined.text += piece.text;
    held += piece.tokens;
  };
  size_t next = 0;
  for (size_t at = 0; at <= sentences.size(); ++at) {
    const double reach =
        at < sentences.size() ? held + sentences[at].tokens / 2.0 : total + 1.0;
    while (next < order.size() && needles[order[next]].depth * total <= reach) {
      const size_t needle = order[next++];
      append(needle_pieces[needle]);
      joined.offsets[needle] = joined.text.size() - needles[needle].text.size();
    }
    if (at < sentences.size()) append(sentences[at]);
  }
  return joined;
}

}  // namespace

absl::StatusOr<Haystack> BuildHaystack(std::span<const PlacedNeedle> needles,
                                       std::span<const std::string> filler,
                                       int max_tokens,
                                       const CountTokens& count_tokens) {
  std::vector<Piece> pieces;
  for (const PlacedNeedle& needle : needles) {
    GIST_ASSIGN_OR_RETURN(pieces.emplace_back(),
                          Measured(needle.text, count_tokens));
  }
  const int room = max_tokens - Sum(pieces);
  GIST_ASSIGN_OR_RETURN(std::vector<Piece> sentences,
                        Fitting(filler, room, count_tokens));
  while (true) {
    Haystack haystack = Join(needles, pieces, sentences);
    GIST_ASSIGN_OR_RETURN(haystack.tokens, count_tokens(haystack.text));
    if (haystack.tokens <= max_tokens) return haystack;
    // Words may be cut otherwise where sentences meet.
    if (sentences.empty()) break;
    sentences.pop_back();
  }
  return absl::InvalidArgumentError(
      fmt::format("a document of {} tokens: its {} needle sentences alone have "
                  "{}; ask for longer documents or fewer facts",
                  max_tokens, needles.size(), Sum(pieces)));
}

}  // namespace gist

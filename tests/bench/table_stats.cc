#include "tests/bench/table_stats.h"

#include <algorithm>

namespace gist::bench {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpaces);
  if (begin == text.npos) return "";
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

// Takes the first character, in all its bytes, off `text`.
std::string_view TakeCharacter(std::string_view* text) {
  size_t bytes = 1;
  while (bytes < text->size() && (uint8_t((*text)[bytes]) & 0xC0) == 0x80)
    ++bytes;
  const std::string_view character = text->substr(0, bytes);
  text->remove_prefix(bytes);
  return character;
}

double SameCharacters(std::string_view key, std::string_view answer) {
  int same = 0, characters = 0;
  while (!key.empty()) {
    const std::string_view want = TakeCharacter(&key);
    ++characters;
    if (!answer.empty()) same += TakeCharacter(&answer) == want;
  }
  return double(same) / characters;
}

}  // namespace

Score ScoreAnswer(std::string_view key, std::string_view answer) {
  const std::string_view given = Trimmed(answer);
  return {.exact = given == key,
          .contains = given.find(key) != given.npos,
          .characters = SameCharacters(key, given)};
}

int LengthOf(int64_t tokens, std::span<const int> lengths) {
  const auto found = std::ranges::lower_bound(lengths, tokens);
  return found == lengths.end() ? 0 : *found;
}

int FifthOf(double depth) {
  return std::clamp(int(depth * kFifths), 0, kFifths - 1);
}

void Tally::Add(const Answered& answered) {
  ++asked;
  exact += answered.score.exact;
  contains += answered.score.contains;
  characters += answered.score.characters;
  ratio += answered.ratio;
  first_token_seconds += answered.first_token_seconds;
  document_tokens += answered.document_tokens;
  if (answered.depth < 0) return;
  ++fifth_asked[FifthOf(answered.depth)];
  fifth_exact[FifthOf(answered.depth)] += answered.score.exact;
}

std::map<Cell, Tally> GroupByCell(std::span<const Answered> answers) {
  std::map<Cell, Tally> cells;
  for (const Answered& answered : answers) {
    cells[{answered.set, answered.family, answered.language, answered.length,
           answered.source, answered.gists}]
        .Add(answered);
  }
  return cells;
}

}  // namespace gist::bench

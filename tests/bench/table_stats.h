// What the adapter's table counts: the score of one answer, and what many
// answers of a cell say together.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace gist::bench {

// What an answer is given from, in the table's order. All but kGists are
// baselines and controls.
enum class Source {
  kGists,
  kFull,     // the whole text, in full-context mode
  kNone,     // gists of a text that says nothing
  kOther,    // gists of another sample's document
  kFirst,    // the text's first tokens, as many as gists, in full-context mode
  kLast,     // the last ones
  kRandom,   // gists replaced by noise with each head's mean and deviation
  kJoined2,  // gists of two documents, one of which is the sample's
  kJoined4,
};
struct SourceName {
  Source source;
  std::string_view flag;   // on the command line
  std::string_view title;  // in results and table
};
// At its enumerator's place.
inline constexpr SourceName kSources[] = {
    {Source::kGists, "gists", "gists"},
    {Source::kFull, "full", "full context"},
    {Source::kNone, "none", "no context"},
    {Source::kOther, "other", "another document"},
    {Source::kFirst, "first", "first tokens"},
    {Source::kLast, "last", "last tokens"},
    {Source::kRandom, "random", "random blob"},
    {Source::kJoined2, "joined2", "2 documents joined"},
    {Source::kJoined4, "joined4", "4 documents joined"},
};
constexpr std::string_view TitleOf(Source source) {
  return kSources[size_t(source)].title;
}

struct Score {
  bool exact = false;     // the answer, trimmed, is the key
  bool contains = false;  // words may stand around the key
  // Share of the key's characters that stand at their places from the answer's
  // start, 0 to 1.
  double characters = 0;
};
// Both UTF-8; `key` is not empty.
Score ScoreAnswer(std::string_view key, std::string_view answer);

// One answer: a line of results.jsonl.
struct Answered {
  std::string sample;  // 16 hex digits: of context, question and answer
  std::string set;     // "in-family", "held-out"
  std::string family, frame, language;
  int length = 0;  // of LengthOf: the class that the document is in
  Source source = Source::kGists;
  int gists = 0;  // 0: the source has none
  double depth =
      0;  // of the needle, share of the document; negative: it has none
  uint64_t seed = 0;  // of the sample's file
  std::string key, answer;
  Score score;
  int64_t document_tokens = 0;
  double ratio = 0;  // document tokens to tokens that stand for them
  double first_token_seconds = 0;
};

// The smallest of `lengths` (ascending) that holds a document of `tokens`; 0:
// none does.
int LengthOf(int64_t tokens, std::span<const int> lengths);

constexpr int kFifths = 5;
// 0 to 4: where in the document the needle stands; `depth` is not negative.
int FifthOf(double depth);

// Answers that are counted together.
struct Cell {
  std::string set, family, language;
  int length = 0;
  Source source = Source::kGists;
  int gists = 0;
  auto operator<=>(const Cell&) const = default;
};

struct Tally {
  int asked = 0, exact = 0, contains = 0;
  double characters = 0, ratio = 0, first_token_seconds = 0;  // sums
  int64_t document_tokens = 0;                                // sum
  int fifth_asked[kFifths] = {}, fifth_exact[kFifths] = {};

  void Add(const Answered& answered);
};

std::map<Cell, Tally> GroupByCell(std::span<const Answered> answers);

}  // namespace gist::bench

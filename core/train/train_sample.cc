#include "core/train/train_sample.h"

#include <algorithm>
#include <span>

#include "core/base/status.h"
#include "core/data/values.h"

namespace gist {
namespace {

using Ids = std::vector<int32_t>;

// Of single needles; needles across a border are what a segment-wise reader
// finds hardest.
constexpr double kStraddlingShare = 0.15;
constexpr size_t kMaxUnits = 4;  // of one lesson

int Tokens(std::span<const Ids> parts) {
  int tokens = 0;
  for (const Ids& part : parts) tokens += int(part.size());
  return tokens;
}

void Append(Ids* ids, std::span<const int32_t> more) {
  ids->insert(ids->end(), more.begin(), more.end());
}

// Lays text out sentence by sentence.
struct TextRun {
  const std::vector<Ids>& sentences;
  size_t next = 0;

  // The end of as many whole sentences as hold `tokens`: what follows it starts
  // a sentence.
  void AppendBefore(int tokens, Ids* ids) {
    Ids run;
    while (int(run.size()) < tokens) Append(&run, sentences[next++]);
    Append(ids, std::span(run).last(size_t(tokens)));
  }
  // Whole sentences, at most `tokens`.
  void AppendWhole(int tokens, Ids* ids) {
    while (int(sentences[next].size()) <= tokens) {
      tokens -= int(sentences[next].size());
      Append(ids, sentences[next++]);
    }
  }
  void FillUp(size_t size, Ids* ids) {
    while (ids->size() < size) Append(ids, sentences[next++]);
    ids->resize(size);
  }
};

// Sorted places for `count` needles among `free` tokens of text.
std::vector<int> Places(size_t count, int free, Rng& rng) {
  std::vector<int> places;
  for (size_t i = 0; i < count; ++i)
    places.push_back(int(rng.Below(size_t(free) + 1)));
  std::sort(places.begin(), places.end());
  return places;
}

// Needles shared out over units that they fit in.
std::vector<std::vector<Ids>> Share(std::vector<Ids> needles,
                                    int segment_tokens, Rng& rng) {
  std::vector<std::vector<Ids>> shares;
  if (needles.empty()) return shares;
  const size_t units = 1 + rng.Below(std::min(needles.size(), kMaxUnits));
  const size_t quota = (needles.size() + units - 1) / units;
  for (Ids& needle : needles) {
    if (shares.empty() || shares.back().size() >= quota ||
        Tokens(shares.back()) + int(needle.size()) > segment_tokens * 3 / 4) {
      shares.emplace_back();
    }
    shares.back().push_back(std::move(needle));
  }
  return shares;
}

}  // namespace

std::vector<std::string> CodeParts(const Tokenizer& tokenizer) {
  std::vector<std::string> parts;
  for (int id = 0; id < tokenizer.vocab_size(); ++id) {
    const std::string_view bytes = tokenizer.Bytes(id);
    if (!bytes.empty() && bytes.size() <= kCodeLetterCount &&
        bytes.find_first_not_of(kCodeLetters) == bytes.npos) {
      parts.emplace_back(bytes);
    }
  }
  return parts;
}

Rng DerivedRng(uint64_t seed, uint64_t stream, uint64_t index) {
  Rng first(seed);
  Rng second(first.Next() ^ (stream * 0xd1342543de82ef95u));
  return Rng(second.Next() ^ (index * 0xa0761d6478bd642fu));
}

// Enough sentences for `tokens`, each with the space in front that joins it.
absl::StatusOr<std::vector<Ids>> LessonWriter::Sentences(
    const std::string& language, int tokens, Rng& rng) const {
  size_t bytes = size_t(tokens) * 4 + 64;
  while (true) {
    std::vector<Ids> sentences;
    for (const std::string& sentence : source_.Filler(language, bytes, rng)) {
      GIST_ASSIGN_OR_RETURN(Ids ids, tokenizer_.Encode(" " + sentence));
      sentences.push_back(std::move(ids));
    }
    if (Tokens(sentences) >= tokens) return sentences;
    if (sentences.empty() || bytes > (size_t{1} << 30)) {
      return absl::InvalidArgumentError(
          fmt::format("filler: no text in language \"{}\"", language));
    }
    bytes *= 2;
  }
}

absl::StatusOr<NeedleUnit> LessonWriter::Unit(const std::string& language,
                                              const std::vector<Ids>& needles,
                                              Rng& rng) const {
  const int needle_tokens = Tokens(needles);
  if (needle_tokens > segment_tokens_) {
    return absl::InvalidArgumentError(
        fmt::format("a needle of {} tokens does not fit into a segment of {}: "
                    "choose longer "
                    "segments",
                    needle_tokens, segment_tokens_));
  }
  const bool straddles = needles.size() == 1 && needle_tokens > 1 &&
                         rng.Uniform() < kStraddlingShare;
  const int size = straddles ? 2 * segment_tokens_ : segment_tokens_;
  std::vector<int> places = Places(needles.size(), size - needle_tokens, rng);
  if (straddles) {
    places[0] = segment_tokens_ - 1 - int(rng.Below(size_t(needle_tokens) - 1));
  }
  // Sentences are whole in front of a needle, so more of them are needed.
  GIST_ASSIGN_OR_RETURN(const std::vector<Ids> sentences,
                        Sentences(language, 3 * size, rng));
  TextRun run{sentences};
  NeedleUnit unit;
  for (size_t i = 0; i < needles.size(); ++i) {
    if (i == 0) run.AppendBefore(places[0], &unit.ids);
    if (i > 0) run.AppendWhole(places[i] - places[i - 1], &unit.ids);
    const int begin = int(unit.ids.size());
    Append(&unit.ids, needles[i]);
    unit.needles.emplace_back(begin, int(unit.ids.size()));
  }
  run.FillUp(size_t(size), &unit.ids);
  return unit;
}

absl::StatusOr<TrainSample> LessonWriter::Next(Rng& rng) const {
  TrainSample lesson{.set = source_.NextTasks(rng), .units = {}};
  std::vector<Ids> needles;
  for (const Task& task : lesson.set.tasks) {
    for (const std::string& needle : task.needles) {
      GIST_ASSIGN_OR_RETURN(Ids ids, tokenizer_.Encode(" " + needle));
      needles.push_back(std::move(ids));
    }
  }
  for (const std::vector<Ids>& share :
       Share(std::move(needles), segment_tokens_, rng)) {
    GIST_ASSIGN_OR_RETURN(NeedleUnit unit,
                          Unit(lesson.set.language, share, rng));
    lesson.units.push_back(std::move(unit));
  }
  return lesson;
}

// Starts anywhere in a sentence, as segments of real documents do.
absl::StatusOr<std::vector<int32_t>> LessonWriter::Filler(
    const std::string& language, Rng& rng) const {
  const int skip = int(rng.Below(size_t(segment_tokens_) / 4 + 1));
  GIST_ASSIGN_OR_RETURN(const std::vector<Ids> sentences,
                        Sentences(language, skip + segment_tokens_, rng));
  Ids ids;
  for (const Ids& sentence : sentences) Append(&ids, sentence);
  return Ids(ids.begin() + skip, ids.begin() + skip + segment_tokens_);
}

}  // namespace gist

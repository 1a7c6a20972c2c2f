// Tasks put into text: what a generated document is made of, as token ids.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/random.h"
#include "core/data/task.h"
#include "core/text/tokenizer.h"

namespace gist {

// One segment of natural text around needles, or two in a row with one needle
// across their border.
struct NeedleUnit {
  std::vector<int32_t> ids;                  // whole segments
  std::vector<std::pair<int, int>> needles;  // token ranges [begin, end) in it
};

// The tasks of one document. Their needles lie in `units`, which a document
// holds in this order with other text between.
struct TrainSample {
  TaskSet set;
  std::vector<NeedleUnit> units;
};

// NiahOptions::code_parts of a vocabulary: its tokens that are letters of a
// code, without a space.
std::vector<std::string> CodeParts(const Tokenizer& tokenizer);

// Numbers for `index` of `stream`, independent of all others of the same seed.
Rng DerivedRng(uint64_t seed, uint64_t stream, uint64_t index);

// Immutable. `source` and `tokenizer` outlive it.
class LessonWriter {
 public:
  LessonWriter(const TaskSource& source, const Tokenizer& tokenizer,
               int segment_tokens)
      : source_(source),
        tokenizer_(tokenizer),
        segment_tokens_(segment_tokens) {}

  // kInvalidArgument: a needle that is longer than a segment; text that is not
  // UTF-8.
  absl::StatusOr<TrainSample> Next(Rng& rng) const;
  // The language of the next tasks: languages come as often as in Next.
  std::string NextLanguage(Rng& rng) const {
    return source_.NextTasks(rng).language;
  }
  // One segment of text without needles.
  absl::StatusOr<std::vector<int32_t>> Filler(const std::string& language,
                                              Rng& rng) const;

 private:
  using Ids = std::vector<int32_t>;
  absl::StatusOr<std::vector<Ids>> Sentences(const std::string& language,
                                             int tokens, Rng& rng) const;
  absl::StatusOr<NeedleUnit> Unit(const std::string& language,
                                  const std::vector<Ids>& needles,
                                  Rng& rng) const;

  const TaskSource& source_;
  const Tokenizer& tokenizer_;
  const int segment_tokens_;
};

}  // namespace gist

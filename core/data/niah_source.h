// Needles in a haystack: generated questions about generated facts, and natural
// text to hide the facts in.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/data/filler.h"
#include "core/data/frames.h"
#include "core/data/task.h"

namespace gist {

// One of several choices, drawn in proportion to its weight.
struct Weighted {
  std::string name;
  double weight = 1;
};

struct NiahOptions {
  Split split = Split::kTrain;  // of values, keys and filler
  FrameSet frames = FrameSet::kTrain;
  std::vector<Weighted> languages = {{"en", 1}, {"ko", 1}};
  std::vector<Weighted> families = {{"passkey", 1}};  // "keyed", "absent",
                                                      // "overview"
  int min_facts = 1;  // of a document of family "keyed"
  int max_facts = 8;
  // Share of the passkey tasks that take the mission's own frame, the first of
  // the train frames; the others are drawn from all. Held-out frames: unused.
  double mission_frame_share = 0;
  // RandomValue's: letters that are one token each, so that training sees rare
  // ones as often as frequent ones. Empty: all codes are equally likely.
  std::vector<std::string> code_parts;
};

class NiahSource final : public TaskSource {
 public:
  // `filler`: null is FillerPool::Sample(). kInvalidArgument: an unknown
  // language or family, no positive weight, a language that the filler has no
  // text of in that split, a code part that no code can hold; the message names
  // it and what there is.
  static absl::StatusOr<std::shared_ptr<const NiahSource>> Create(
      NiahOptions options, std::shared_ptr<const FillerPool> filler);

  TaskSet NextTasks(Rng& rng) const override;
  std::vector<std::string> Filler(const std::string& language, size_t bytes,
                                  Rng& rng) const override;
  // The same, with the text's name.
  FillerText NamedFiller(const std::string& language, size_t bytes,
                         Rng& rng) const;
  // Is `family` among those that were asked for? A document may hold tasks of
  // another one beside them.
  bool Asks(std::string_view family) const;

 private:
  NiahSource(NiahOptions options, std::shared_ptr<const FillerPool> filler)
      : options_(std::move(options)), filler_(std::move(filler)) {}

  NiahOptions options_;
  std::shared_ptr<const FillerPool> filler_;
};

}  // namespace gist

// Sentence frames: how a fact is worded in a text and asked for.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/data/values.h"

namespace gist {

// Held-out frames are other wordings of both needle and question; nothing is
// trained on them.
enum class FrameSet { kTrain, kHeldOut };

// "train", "held-out".
std::optional<FrameSet> FrameSetOf(std::string_view name);

// The frames of a table, set by set, in its order.
template <typename F>
class FrameSets {
 public:
  void Add(FrameSet set, F frame) {
    (set == FrameSet::kTrain ? train_ : held_out_).push_back(std::move(frame));
  }
  std::span<const F> Of(FrameSet set) const {
    return set == FrameSet::kTrain ? train_ : held_out_;
  }

 private:
  std::vector<F> train_, held_out_;
};

// Marks are those of core/data/template.h.
struct Frame {
  std::string_view needle;
  std::array<std::string_view, 3> questions;  // one to three
  ValueKind kind = ValueKind::kCode;          // of "{}"
  // What of "{k}" the value is; frames of one attribute would contradict each
  // other in one text.
  std::string_view attribute = {};
};

// `language`: "en" or "ko". The first of the train frames is the mission's own.
std::span<const Frame> PasskeyFrames(std::string_view language, FrameSet set);
// Facts about a "{k}".
std::span<const Frame> KeyedFrames(std::string_view language, FrameSet set);

// The frames of a table like core/data/tables/passkey_en.tsv, whose text they
// borrow. Errors are those of core/data/tables.h.
absl::StatusOr<FrameSets<Frame>> ParseFrames(std::string_view name,
                                             std::string_view text);

}  // namespace gist

// Sentence frames: how a fact is worded in a text and asked for.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "core/data/values.h"

namespace gist {

// Held-out frames are other wordings of both needle and question; nothing is
// trained on them.
enum class FrameSet { kTrain, kHeldOut };

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

}  // namespace gist

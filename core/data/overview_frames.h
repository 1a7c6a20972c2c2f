// Frames of questions about a text as a whole.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "core/data/frames.h"

namespace gist {

enum class OverviewKind {
  kTopic,    // what a text is mainly about
  kMention,  // who is mentioned most often
  kOrder,    // what took place first
};

// Each question names its three options as "{k}", "{o}" and "{t}".
struct OverviewFrame {
  OverviewKind kind;
  // About "{k}". kOrder: the first opens a sequence, the second goes on with
  // it.
  std::array<std::string_view, 2> sentences;
  std::array<std::string_view, 2> questions;
};

// All kinds. The held-out frames hold no sentence and no question of the
// others.
std::span<const OverviewFrame> OverviewFrames(std::string_view language,
                                              FrameSet set);

// The frames of a table like core/data/tables/overview_en.tsv, as ParseFrames.
absl::StatusOr<FrameSets<OverviewFrame>> ParseOverviewFrames(
    std::string_view name, std::string_view text);

}  // namespace gist

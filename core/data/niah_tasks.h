// One document's questions of each family, with the sentences that answer them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/data/frames.h"
#include "core/data/overview_frames.h"
#include "core/data/task.h"

namespace gist {

struct TaskOptions {
  std::string language;  // "en", "ko"
  Split split = Split::kTrain;
  FrameSet frames = FrameSet::kTrain;
  std::span<const std::string> code_parts = {};  // of RandomValue
};

// "Not mentioned." in `language`: the answer about what a text does not say.
std::string_view NotMentioned(std::string_view language);

// `mission_share`: how often it is the mission's own frame; 1: always.
Task PasskeyTask(const TaskOptions& options, double mission_share, Rng& rng);

// `facts` facts, each with its question. Every key-and-attribute pair is told
// once; now and then two facts share a key.
std::vector<Task> KeyedTasks(const TaskOptions& options, size_t facts,
                             Rng& rng);

// A question about what the text does not say, then `facts` keyed facts that it
// does say: often about the same key, or the same thing of another key.
std::vector<Task> AbsentTasks(const TaskOptions& options, size_t facts,
                              Rng& rng);

// A question about the whole text: its topic, its most-mentioned person or
// which event came first. The answer is one of the three options in the
// question.
Task OverviewTask(const TaskOptions& options, Rng& rng);

}  // namespace gist

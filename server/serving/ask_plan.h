// What an answer is made of. For this folder.
#pragma once

#include <vector>

#include "server/scheduling/ask_job.h"
#include "server/serving/pipeline.h"

namespace gist {

// Of an answer whose request does not say.
inline constexpr int kDefaultAnswerTokens = 256;

struct Pipeline::AskPlan {
  std::vector<ContextRecord> records;
  AskWork work;
  AskResult result;  // what is known before the engine runs
};

}  // namespace gist

// The read pass in training: the frozen model answers from gists, and says how
// far it is off.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "core/train/frozen_model.h"
#include "core/train/gist_writer.h"

namespace gist {

// A question over one document of a batch.
struct TrainQuestion {
  std::vector<int32_t> question;  // of ChatTemplate::Question
  std::vector<int32_t> answer;    // with the end-of-turn token
  int64_t first_gist_row = 0;     // of the document's gists in the batch
  int gist_tokens = 0;
};

// Gists stand at the positions right after the shared prefix, the question after
// them. Returns the cross entropy of the answers, the mean over all their tokens
// (natural logarithm), a scalar with gradients to the gists. If `correct` is
// given, it gets the share of answer tokens that are the likeliest.
at::Tensor AnswerLoss(const FrozenModel& model, const WrittenGists& gists,
                      std::span<const TrainQuestion> questions,
                      double* correct = nullptr);

}  // namespace gist

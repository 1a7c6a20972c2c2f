// The answer pass of a training: the base model answers from gists, and its
// cross entropy is the loss.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "core/train/passes/base_weights.h"
#include "core/train/passes/gist_writer.h"

namespace gist {

// A question over one document of a batch.
struct TrainQuestion {
  std::vector<int32_t> question;  // of ChatTemplate::Question
  std::vector<int32_t> answer;    // with the end-of-turn token
  int64_t first_gist_row = 0;     // of the document's gists in the batch
  int gist_tokens = 0;
};

// Logits at the rows that predict the answers.
struct AnswerRows {
  at::Tensor logits;             // [answer tokens of all questions, vocab]
  at::Tensor targets;            // [answer tokens]: the right ones
  std::vector<int64_t> answers;  // tokens of each question's answer
};

// Gists stand at the positions right after the shared prefix, the question
// after them. `lora`, if any, acts on question and answer. Differentiable in
// the gists and in `lora`.
AnswerRows ReadAnswers(const BaseWeights& model, const WrittenGists& gists,
                       std::span<const TrainQuestion> questions,
                       const Adapter::Impl* lora = nullptr);

// Cross entropy (natural logarithm), a scalar. The mean over all answer tokens,
// or with `over_questions` the mean of the answers' means.
at::Tensor AnswerLoss(const AnswerRows& rows, bool over_questions = false);

}  // namespace gist

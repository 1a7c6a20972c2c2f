#include "core/train/passes/answer_pass.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Reduction.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/index_select.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "core/model/decoder.h"
#include "core/model/ops.h"

namespace gist {
namespace {

using at::Tensor;

// Rows of all questions, packed for the linear layers, and padded to
// [questions, tokens] inside attention.
struct ReadPlan {
  int64_t questions = 0;
  int64_t tokens = 0;        // padded length of a question with its answer
  int64_t keys = 0;          // padded: prefix, gists, tokens
  Tensor ids;                // [rows]
  Rotations rotations;       // [rows, 1, pairs]
  Rotations gist_rotations;  // [gist rows, 1, pairs]
  Tensor query_rows;         // [questions * tokens] of packed rows
  Tensor key_rows;     // [questions * keys] of prefix, gists and packed rows
  Tensor packed_rows;  // [rows] of padded rows
  Masks masks;         // additive [questions, 1, group * tokens, keys]
  Tensor answer_rows;  // packed rows that predict an answer token
  Tensor targets;      // the right prediction of each
};

// Collects the plan's numbers question by question.
class ReadPlanner {
 public:
  ReadPlanner(const BaseWeights& model, int64_t gist_rows,
              std::span<const TrainQuestion> questions);
  ReadPlan Finish() const;

 private:
  void Add(const TrainQuestion& question, int64_t index);
  void AddRows(const TrainQuestion& question, int64_t index);
  void AddKeys(const TrainQuestion& question, int64_t index, int64_t first_row);
  Tensor Mask(int window) const;

  const BaseWeights& model_;
  const int64_t gist_rows_;
  const std::span<const TrainQuestion> asked_;
  int64_t questions_, tokens_ = 0, gists_ = 0, keys_ = 0;
  std::vector<int64_t> ids_, positions_, gist_positions_;
  std::vector<int64_t> query_rows_, key_rows_, packed_rows_, answer_rows_,
      targets_;
};

// The last answer token predicts nothing and has no row.
int64_t RowsOf(const TrainQuestion& question) {
  return int64_t(question.question.size() + question.answer.size()) - 1;
}

ReadPlanner::ReadPlanner(const BaseWeights& model, int64_t gist_rows,
                         std::span<const TrainQuestion> questions)
    : model_(model),
      gist_rows_(gist_rows),
      asked_(questions),
      questions_(int64_t(questions.size())),
      gist_positions_(size_t(gist_rows), 0) {
  for (const TrainQuestion& question : questions) {
    tokens_ = std::max(tokens_, RowsOf(question));
    gists_ = std::max(gists_, int64_t(question.gist_tokens));
  }
  keys_ = model.prefix_tokens + gists_ + tokens_;
  query_rows_.assign(size_t(questions_ * tokens_), 0);
  key_rows_.assign(size_t(questions_ * keys_), 0);
  for (int64_t i = 0; i < questions_; ++i) Add(questions[size_t(i)], i);
}

void ReadPlanner::Add(const TrainQuestion& question, int64_t index) {
  const int64_t first_row = int64_t(ids_.size());
  AddRows(question, index);
  AddKeys(question, index, first_row);
}

void ReadPlanner::AddRows(const TrainQuestion& question, int64_t index) {
  const int64_t first = model_.prefix_tokens + question.gist_tokens;
  std::vector<int32_t> ids = question.question;
  ids.insert(ids.end(), question.answer.begin(), question.answer.end() - 1);
  for (size_t i = 0; i < ids.size(); ++i) {
    const int64_t row = int64_t(ids_.size());
    query_rows_[size_t(index * tokens_) + i] = row;
    packed_rows_.push_back(index * tokens_ + int64_t(i));
    positions_.push_back(first + int64_t(i));
    if (i + 1 >= question.question.size()) {
      answer_rows_.push_back(row);
      targets_.push_back(question.answer[i + 1 - question.question.size()]);
    }
    ids_.push_back(ids[i]);
  }
}

void ReadPlanner::AddKeys(const TrainQuestion& question, int64_t index,
                          int64_t first_row) {
  const int64_t prefix = model_.prefix_tokens, rows = RowsOf(question);
  int64_t* const key_rows = &key_rows_[size_t(index * keys_)];
  for (int64_t i = 0; i < prefix; ++i) key_rows[i] = i;
  for (int64_t i = 0; i < question.gist_tokens; ++i) {
    key_rows[prefix + i] = prefix + question.first_gist_row + i;
    gist_positions_[size_t(question.first_gist_row + i)] = prefix + i;
  }
  for (int64_t i = 0; i < rows; ++i) {
    key_rows[prefix + gists_ + i] = prefix + gist_rows_ + first_row + i;
  }
}

// Padded rows attend as their question's last row does: a row without a key
// gives NaN.
Tensor ReadPlanner::Mask(int window) const {
  std::vector<float> all(size_t(questions_ * tokens_ * keys_),
                         -std::numeric_limits<float>::infinity());
  for (int64_t index = 0; index < questions_; ++index) {
    const int64_t before =
        model_.prefix_tokens + asked_[size_t(index)].gist_tokens;
    for (int64_t row = 0; row < tokens_; ++row) {
      const int64_t query = std::min(row, RowsOf(asked_[size_t(index)]) - 1);
      const int64_t end = before + query + 1;  // one past the row's position
      const int64_t first =
          window == 0 ? 0 : std::max<int64_t>(0, end - window);
      float* const mask = &all[size_t((index * tokens_ + row) * keys_)];
      const int64_t own =
          model_.prefix_tokens + gists_;  // where its rows begin
      if (first < before) std::fill(mask + first, mask + before, 0.0f);
      std::fill(mask + own + std::max<int64_t>(0, first - before),
                mask + own + query + 1, 0.0f);
    }
  }
  return FromFloats(all, {questions_, 1, tokens_, keys_}, model_.device())
      .repeat({1, 1, model_.group(), 1});
}

ReadPlan ReadPlanner::Finish() const {
  const at::Device device = model_.device();
  const auto rotations = [&](const std::vector<int64_t>& positions) {
    return ForRowsFirst(RotationsAt(FromIds(positions, device), model_));
  };
  return {
      .questions = questions_,
      .tokens = tokens_,
      .keys = keys_,
      .ids = FromIds(ids_, device),
      .rotations = rotations(positions_),
      .gist_rotations = rotations(gist_positions_),
      .query_rows = FromIds(query_rows_, device),
      .key_rows = FromIds(key_rows_, device),
      .packed_rows = FromIds(packed_rows_, device),
      .masks = MasksOf(model_.config, [&](int window) { return Mask(window); }),
      .answer_rows = FromIds(answer_rows_, device),
      .targets = FromIds(targets_, device)};
}

// [rows, heads * head_dim] -> [rows, heads, head_dim]
Tensor Split(const Tensor& x, int heads) {
  return x.view({x.size(0), heads, x.size(1) / heads});
}

// Prefix, gists and own rows as each question's [kv_heads, keys, head_dim].
Tensor Gather(const ReadPlan& plan, const Tensor& prefix, const Tensor& gists,
              const Tensor& own) {
  return at::cat({prefix, gists, own})
      .index_select(0, plan.key_rows)
      .view({plan.questions, plan.keys, own.size(1), own.size(2)})
      .transpose(1, 2);
}

// Attention of each row to the shared prefix, its question's gists and the rows
// of its question up to itself.
Tensor AttendAnswers(const BaseWeights& model, const ReadPlan& plan, int layer,
                     const Qkv& qkv, const WrittenGists& gists) {
  const ModelConfig& config = model.config;
  const size_t at = size_t(layer), kind = config.KindOf(layer);
  const Rotation& rotation = plan.rotations[kind];
  const Tensor query = Rotate(Split(qkv.query, config.heads), rotation);
  const Tensor key = Rotate(Split(qkv.key, config.kv_heads), rotation);
  const Tensor value = Split(qkv.value, config.kv_heads);
  Tensor gist_key = Split(gists.keys[at], config.kv_heads);
  if (!gists.rotated) gist_key = Rotate(gist_key, plan.gist_rotations[kind]);
  const Tensor gist_value = Split(gists.values[at], config.kv_heads);
  const Tensor padded =
      query.index_select(0, plan.query_rows)
          .view({plan.questions, plan.tokens, config.heads, config.head_dim});
  return AttendBatch(padded, Gather(plan, model.prefix_keys[at], gist_key, key),
                     Gather(plan, model.prefix_values[at], gist_value, value),
                     plan.masks[kind])
      .index_select(0, plan.packed_rows);
}

}  // namespace

AnswerRows ReadAnswers(const BaseWeights& model, const WrittenGists& gists,
                       std::span<const TrainQuestion> questions,
                       const Adapter::Impl* lora) {
  const ReadPlan plan =
      ReadPlanner(model, gists.keys[0].size(0), questions).Finish();
  const Tensor x = RunLayers(
      Embed(model, plan.ids), model, lora, OutputRows::Only(plan.answer_rows),
      [&](int layer, const Qkv& qkv) {
        return AttendAnswers(model, plan, layer, qkv, gists);
      });
  std::vector<int64_t> answers;
  for (const TrainQuestion& question : questions) {
    answers.push_back(int64_t(question.answer.size()));
  }
  return {OutputLogits(x, model), plan.targets, std::move(answers)};
}

Tensor AnswerLoss(const AnswerRows& rows, bool over_questions) {
  if (!over_questions) return at::cross_entropy_loss(rows.logits, rows.targets);
  std::vector<float> weights;
  for (const int64_t tokens : rows.answers) {
    const float weight = 1.0f / float(tokens * int64_t(rows.answers.size()));
    weights.insert(weights.end(), size_t(tokens), weight);
  }
  const Tensor each = at::cross_entropy_loss(rows.logits, rows.targets, {},
                                             at::Reduction::None);
  return (each * FromFloats(weights, each.sizes(), each.device())).sum();
}

}  // namespace gist

// Users' own documents to learn from: whole texts with a question each.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/data/record.h"
#include "core/data/task.h"
#include "core/text/tokenizer.h"
#include "core/train/passes/base_weights.h"
#include "core/train/passes/document.h"
#include "core/train/trainer.h"

namespace gist {

// Each text is read once, in segments, and kept while there is room.
class RecordSet {
 public:
  // `segment_budget`: segments that are kept, unless one step takes more.
  // `model` outlives the set. kInvalidArgument: a record without context,
  // question or answer, or of more tokens than layout.max_document_tokens; the
  // message has its number, which is its line in the file.
  static absl::StatusOr<std::unique_ptr<RecordSet>> Create(
      const BaseWeights& model, const Tokenizer& tokenizer,
      const GistLayout& layout, std::vector<Record> records,
      int segment_budget);

  size_t size() const { return records_.size(); }
  int tokens(size_t index) const { return int(ids_[index].size()); }
  // Forgets what was used longest ago until `wanted` fits beside the rest.
  void MakeRoomFor(std::span<const size_t> wanted);
  // Reads one of `wanted` that is not kept; false: all are.
  bool ReadOne(std::span<const size_t> wanted);
  // Its text, to be read now if it is not kept.
  TrainDocument Document(size_t index, int gist_tokens);
  // Its question and answer.
  TaskSet Tasks(size_t index) const;

 private:
  RecordSet(const BaseWeights& model, int segment_tokens, int segment_budget)
      : model_(model),
        segment_tokens_(segment_tokens),
        segment_budget_(segment_budget) {}
  int64_t Segments(size_t index) const {
    return (tokens(index) + segment_tokens_ - 1) / segment_tokens_;
  }
  void Read(size_t index);

  struct Kept {
    at::Tensor kv;  // of ReadSegments
    int64_t last_use = 0;
  };

  const BaseWeights& model_;
  const int segment_tokens_;
  const int64_t segment_budget_;
  std::vector<Record> records_;
  std::vector<std::vector<int32_t>> ids_;  // of the contexts
  std::map<size_t, Kept> kept_;
  int64_t uses_ = 0;
};

// Which records a step takes: all once in each epoch, in an order of its own.
class RecordOrder {
 public:
  RecordOrder(uint64_t seed, size_t records) : seed_(seed), records_(records) {}
  // The record of 0-based `draw`, counted over all epochs.
  size_t At(uint64_t draw);

 private:
  const uint64_t seed_;
  const size_t records_;
  uint64_t epoch_ = UINT64_MAX;
  std::vector<size_t> order_;  // of that epoch
};

}  // namespace gist

// What an answer adapter learns from: questions over texts, each asked of the
// text, of the passages that retrieval finds, of gists, and of gists and
// passages.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/data/record.h"
#include "core/embed/embedder.h"
#include "core/model/adapter.h"
#include "core/model/base_model.h"
#include "core/train/passes/answer_pass.h"
#include "core/train/record_set.h"

namespace gist {

// What stands before a question.
enum class Before { kText, kPassages, kGists, kBoth };
inline constexpr std::array kAllBefore = {Before::kText, Before::kPassages,
                                          Before::kGists, Before::kBoth};
std::string_view Name(Before before);  // as the service's modes: "full", ...

struct AnswerSetOptions {
  std::vector<int> gist_counts;  // of a document, in turn
  int passages = 4;              // as the service's default
  ChunkOptions chunks;
};

// Documents and their questions. Keys and values are read when they are first
// asked for and kept, 16 bits a value.
class AnswerSet {
 public:
  // Records in a row with the same context are one document. All but
  // `records` outlive the set. Errors: RecordSet's.
  static absl::StatusOr<std::unique_ptr<AnswerSet>> Create(
      const BaseModel& base, const BaseWeights& model, const Adapter& adapter,
      Embedder& embedder, AnswerSetOptions options,
      std::vector<Record> records);

  size_t documents() const { return documents_.size(); }
  size_t questions(size_t document) const {
    return documents_[document].questions.size();
  }
  // With the answer's tokens, and no gists of a batch.
  const TrainQuestion& question(size_t document, size_t question) const {
    return documents_[document].questions[question];
  }
  std::string_view language(size_t document) const {
    return documents_[document].language;
  }
  // [layers, 2 (key, value), kv_heads, tokens, head_dim], half; keys rotated to
  // the positions behind the shared prefix. kInvalidArgument: of the embedder.
  absl::StatusOr<at::Tensor> Kv(size_t document, size_t question,
                                Before before);

 private:
  struct Document {
    std::string context, language;
    std::vector<int32_t> ids;
    std::vector<std::string> asked;
    std::vector<TrainQuestion> questions;
    std::vector<Chunk> chunks;   // cut when they are first needed
    std::vector<float> vectors;  // [chunks, dimensions]
    at::Tensor text, gists;      // read when they are first needed
    std::vector<std::vector<int32_t>> passages;  // for each question: their ids
    std::vector<at::Tensor> passages_kv;         // likewise
    std::vector<at::Tensor> both;  // likewise, gists in front of passages
  };

  AnswerSet(const BaseModel& base, const BaseWeights& model,
            const Adapter& adapter, Embedder& embedder,
            AnswerSetOptions options)
      : base_(base),
        model_(model),
        adapter_(adapter),
        embedder_(embedder),
        options_(std::move(options)) {}
  absl::Status Add(Record record);
  absl::StatusOr<std::string> FindPassages(Document& document,
                                           std::string_view question);
  absl::Status EncodePassages(Document& document, size_t question);
  absl::StatusOr<at::Tensor> Read(std::span<const int32_t> ids,
                                  const at::Tensor& front = {}) const;
  at::Tensor EmptyKv(int tokens) const;
  const at::Tensor& Gists(size_t document);
  at::Tensor MakeGists(size_t document);

  const BaseModel& base_;
  const BaseWeights& model_;
  const Adapter& adapter_;
  Embedder& embedder_;
  const AnswerSetOptions options_;
  std::unique_ptr<RecordSet> contexts_;  // one a document, for the gists
  std::vector<Document> documents_;
};

}  // namespace gist

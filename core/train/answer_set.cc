#include "core/train/answer_set.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "core/base/status.h"
#include "core/model/ops.h"
#include "core/model/tensors.h"
#include "core/model/transformer.h"
#include "core/retrieval/bm25.h"
#include "core/retrieval/passages.h"
#include "core/train/adapter_files.h"
#include "core/train/passes/gist_writer.h"

namespace gist {

using at::Tensor;

std::string_view Name(Before before) {
  switch (before) {
    case Before::kText:
      return "full";
    case Before::kPassages:
      return "rag";
    case Before::kGists:
      return "gist";
    case Before::kBoth:
      return "hybrid";
  }
  return "";
}

namespace {

constexpr size_t kChunkTokens = 1024;

GistLayout LayoutOf(const AdapterConfig& config) {
  GistLayout layout = WithGistsOf(config);
  layout.max_document_tokens = config.max_document_tokens;
  return layout;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AnswerSet>> AnswerSet::Create(
    const BaseModel& base, const BaseWeights& model, const Adapter& adapter,
    Embedder& embedder, AnswerSetOptions options, std::vector<Record> records) {
  std::unique_ptr<AnswerSet> set(
      new AnswerSet(base, model, adapter, embedder, std::move(options)));
  std::vector<Record> contexts;
  for (Record& record : records) {
    const bool goes_on =
        !contexts.empty() && contexts.back().context == record.context;
    if (!goes_on) contexts.push_back(record);
    GIST_RETURN_IF_ERROR(set->Add(std::move(record)));
  }
  // Segments are read once, for the gists, and not kept.
  GIST_ASSIGN_OR_RETURN(
      set->contexts_,
      RecordSet::Create(model, *base.tokenizer, LayoutOf(adapter.config()),
                        std::move(contexts), /*segment_budget=*/0));
  return set;
}

absl::Status AnswerSet::Add(Record record) {
  if (documents_.empty() || documents_.back().context != record.context) {
    Document document;
    GIST_ASSIGN_OR_RETURN(document.ids,
                          base_.tokenizer->Encode(record.context));
    document.context = std::move(record.context);
    document.language = record.language.empty() ? "all" : record.language;
    documents_.push_back(std::move(document));
  }
  Document& document = documents_.back();
  TrainQuestion question;
  GIST_ASSIGN_OR_RETURN(question.question,
                        base_.chat.Question(record.question, *base_.tokenizer));
  GIST_ASSIGN_OR_RETURN(question.answer,
                        base_.tokenizer->Encode(record.answer));
  question.answer.push_back(base_.chat.end_of_turn());
  document.questions.push_back(std::move(question));
  document.asked.push_back(std::move(record.question));
  document.passages.emplace_back();
  document.passages_kv.emplace_back();
  document.both.emplace_back();
  return absl::OkStatus();
}

absl::StatusOr<Tensor> AnswerSet::Kv(size_t index, size_t question,
                                     Before before) {
  Document& document = documents_[index];
  switch (before) {
    case Before::kText:
      if (!document.text.defined()) {
        GIST_ASSIGN_OR_RETURN(document.text, Read(document.ids));
      }
      return document.text;
    case Before::kGists:
      return Gists(index);
    case Before::kPassages:
    case Before::kBoth:
      break;
  }
  const bool alone = before == Before::kPassages;
  Tensor& kv = (alone ? document.passages_kv : document.both)[question];
  if (!kv.defined()) {
    GIST_RETURN_IF_ERROR(EncodePassages(document, question));
    GIST_ASSIGN_OR_RETURN(
        kv, Read(document.passages[question], alone ? Tensor() : Gists(index)));
  }
  return kv;
}

// Behind the shared prefix and `front`, if any, which is part of what it
// returns. In chunks, as the service does: at once, attention to 8,000 tokens
// would take 2.3 GB a layer.
absl::StatusOr<Tensor> AnswerSet::Read(std::span<const int32_t> ids,
                                       const Tensor& front) const {
  const ModelConfig& config = model_.config;
  const int prefix = model_.prefix_tokens;
  const int before = front.defined() ? int(front.size(3)) : 0;
  const int tokens = before + int(ids.size());
  KvCache cache = base_.transformer->NewCache();
  for (int layer = 0; layer < config.layers; ++layer) {
    cache.impl().Write(layer, model_.prefix_keys[size_t(layer)].transpose(0, 1),
                       model_.prefix_values[size_t(layer)].transpose(0, 1));
  }
  cache.impl().Commit(prefix);
  for (int layer = 0; before > 0 && layer < config.layers; ++layer) {
    cache.impl().Write(layer, front[layer][0].to(at::kFloat),
                       front[layer][1].to(at::kFloat));
  }
  cache.impl().Commit(before);
  for (size_t begin = 0; begin < ids.size(); begin += kChunkTokens) {
    const ForwardItem item{
        .cache = &cache,
        .ids = ids.subspan(begin, std::min(kChunkTokens, ids.size() - begin))};
    GIST_RETURN_IF_ERROR(base_.transformer->Forward({&item, 1}).status());
  }
  Tensor kv = EmptyKv(tokens);
  for (int layer = 0; layer < config.layers; ++layer) {
    const auto read = [&](const Tensor& all) {
      return all.narrow(1, prefix, tokens);
    };
    const Tensor out = kv.select(0, layer);
    out.select(0, 0).copy_(read(cache.impl().Keys(layer, prefix + tokens)));
    out.select(0, 1).copy_(read(cache.impl().Values(layer, prefix + tokens)));
  }
  return kv;
}

Tensor AnswerSet::EmptyKv(int tokens) const {
  const ModelConfig& config = model_.config;
  return at::empty({config.layers, 2, config.kv_heads, tokens, config.head_dim},
                   at::TensorOptions(at::kHalf).device(model_.device()));
}

absl::Status AnswerSet::EncodePassages(Document& document, size_t question) {
  std::vector<int32_t>& ids = document.passages[question];
  if (!ids.empty()) return absl::OkStatus();
  GIST_ASSIGN_OR_RETURN(const std::string text,
                        FindPassages(document, document.asked[question]));
  GIST_ASSIGN_OR_RETURN(ids, base_.tokenizer->Encode(text));
  return absl::OkStatus();
}

// As the service ranks them by default, all looked at.
absl::StatusOr<std::string> AnswerSet::FindPassages(Document& document,
                                                    std::string_view question) {
  const std::string_view text = document.context;
  const bool is_new = document.chunks.empty();
  if (is_new) {
    GIST_ASSIGN_OR_RETURN(document.chunks,
                          embedder_.Chunks(text, options_.chunks));
  }
  std::vector<std::string_view> pieces;
  for (const Chunk& chunk : document.chunks) {
    pieces.push_back(chunk.TextIn(text));
  }
  if (is_new) {
    GIST_ASSIGN_OR_RETURN(document.vectors,
                          embedder_.Embed(pieces, TextKind::kPassage));
  }
  GIST_ASSIGN_OR_RETURN(const std::vector<float> wanted,
                        embedder_.Embed({&question, 1}, TextKind::kQuery));
  std::vector<Passage> passages;
  for (const size_t chunk :
       RankPassages(Ranking::kFused, BySimilarity(wanted, document.vectors),
                    Bm25Scores(question, pieces), size_t(options_.passages))) {
    passages.push_back({0, document.chunks[chunk].begin, pieces[chunk]});
  }
  return JoinPassages(std::move(passages));
}

const Tensor& AnswerSet::Gists(size_t index) {
  Tensor& gists = documents_[index].gists;
  if (!gists.defined()) gists = MakeGists(index);
  return gists;
}

Tensor AnswerSet::MakeGists(size_t index) {
  const at::NoGradGuard no_grad;
  const int count = options_.gist_counts[index % options_.gist_counts.size()];
  const TrainDocument document = contexts_->Document(index, count);
  const std::array<size_t, 0> none = {};
  contexts_->MakeRoomFor(none);
  const WrittenGists gists = WriteGists(
      MakeWritePlan(model_, LayoutOf(adapter_.config()), {&document, 1}),
      adapter_.impl());
  const ModelConfig& config = model_.config;
  const Rotations rotations =
      RotationsFrom(model_.prefix_tokens, count, model_);
  const Tensor kv = EmptyKv(count);
  for (int layer = 0; layer < config.layers; ++layer) {
    const Tensor key = SplitHeads(gists.keys[size_t(layer)], config.kv_heads);
    kv.select(0, layer).select(0, 0).copy_(
        Rotate(key, rotations[config.KindOf(layer)]));
    kv.select(0, layer).select(0, 1).copy_(
        SplitHeads(gists.values[size_t(layer)], config.kv_heads));
  }
  return kv;
}

}  // namespace gist

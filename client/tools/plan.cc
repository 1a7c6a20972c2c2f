#include "client/tools/plan.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "core/base/status.h"

namespace gist {
namespace {

constexpr int64_t kFloat = 4, kHalf = 2;
// gistd ready with the tiny model of the tests: libraries, RocksDB, stacks.
// Measured: VmHWM, 2 threads. Packed weights use less of LibTorch.
constexpr int64_t kProgramBytes = 167'000'000;
constexpr int64_t kPackedProgramBytes = 159'000'000;
// Of a vocabulary: its token, merges and maps. Measured: 6.9 MB for 49,152.
constexpr int64_t kTokenBytes = 140;
// What matrix products and attention hold beside their arguments. Measured: 2
// to 8 MB beyond the other lines. Of a training an eighth of its passes more:
// 29 to 73 MB with the default model.
constexpr int64_t kWorkspaceBytes = 5'000'000;
constexpr int64_t kTrainWorkspaceShare = 8;
constexpr int64_t kFirstCapacity = 64;  // of core/model/kv_cache.cc
// Of the dev set (core/train/dev_set.cc), which reads three lessons for each
// further segment of filler.
constexpr int64_t kDevFillers = 32;
constexpr int64_t kSliceValues = int64_t{64} << 20;  // of core/model/linear.cc

int64_t QueryRows(const ModelConfig& c) {
  return int64_t(c.heads) * c.head_dim;
}
int64_t KvRows(const ModelConfig& c) {
  return int64_t(c.kv_heads) * c.head_dim;
}
int64_t KvValues(const ModelConfig& c, int64_t tokens) {
  return tokens * c.layers * 2 * KvRows(c);
}

// Rows of activations through one layer. Prefill frees them on the way; a
// backward pass wants them: norms and residuals, query twice (before and after
// RoPE), key and value, the attention's output, and the MLP's four.
int64_t LayerValues(const ModelConfig& c, int64_t rows) {
  return rows * (4 * int64_t(c.hidden_size) + 3 * QueryRows(c) + 3 * KvRows(c) +
                 4 * int64_t(c.mlp_size));
}

// Of the last cache that was outgrown by one that reads `tokens`, behind the
// prefix, so many at a time: capacities double.
int64_t OutgrownTokens(int64_t tokens, int64_t prefix, int64_t chunk) {
  int64_t outgrown = 0, capacity = kFirstCapacity;
  for (int64_t read = 0; read < tokens;) {
    read = std::min(tokens, read + chunk);
    if (prefix + read <= capacity) continue;
    outgrown = capacity;
    capacity = std::max(prefix + read, 2 * capacity);
  }
  return outgrown;
}

// Rows of core/model/cpu_pass.cc: x, its norm and a sublayer's result; query,
// key, value and attention; the MLP's two. Beside them the widest in 8 bits.
constexpr int64_t kQuantizedBlockBytes = 48, kQuantizedBlock = 32;
int64_t PackedPassBytes(const ModelConfig& c, int64_t rows) {
  const int64_t widest =
      std::max({int64_t(c.hidden_size), QueryRows(c), int64_t(c.mlp_size)});
  return rows * ((3 * int64_t(c.hidden_size) + 2 * QueryRows(c) +
                  2 * KvRows(c) + 2 * int64_t(c.mlp_size)) *
                     kFloat +
                 widest * kQuantizedBlockBytes / kQuantizedBlock);
}

int64_t Sum(const std::vector<LedgerLine>& lines) {
  return std::accumulate(
      lines.begin(), lines.end(), int64_t{0},
      [](int64_t sum, const LedgerLine& line) { return sum + line.bytes; });
}

class LedgerMaker {
 public:
  LedgerMaker(const PlanModel& model, const PlanRequest& request)
      : model_(model), request_(request), config_(model.config) {
    Add("program and libraries", "measured",
        IsPacked() ? kPackedProgramBytes : kProgramBytes);
    Add("tokenizer", "tokens x 140", config_.vocab_size * kTokenBytes);
    AddWeights();
    ledger_.load_bytes = ledger_.PeakBytes() + model.mapped_bytes;
  }

  void Add(std::string what, std::string formula, int64_t bytes) {
    ledger_.lines.push_back({std::move(what), std::move(formula), bytes});
  }
  // Serving computes in the packed matrices themselves.
  bool IsPacked() const {
    return request_.weights == WeightStorage::kQuantized;
  }
  // Of the caches: `tokens` as `counted`.
  void AddKv(const char* what, const char* counted, int64_t tokens) {
    Add(fmt::format("{}, {}", what, IsPacked() ? "float16" : "float32"),
        fmt::format("({}) x layers x 2 x KV heads x head size x {}", counted,
                    KvUnit()),
        KvValues(config_, tokens) * KvUnit());
  }
  void AddActivations(const char* rows_are, int64_t rows) {
    if (IsPacked()) {
      return Add("a chunk's activations",
                 fmt::format("{} x ((3 hidden + 2 query + 2 KV + 2 MLP) x 4 + "
                             "widest x 1.5)",
                             rows_are),
                 PackedPassBytes(config_, rows));
    }
    Add("a chunk's activations",
        fmt::format("{} x (4 hidden + 3 query + 3 KV + 4 MLP) x 4", rows_are),
        LayerValues(config_, rows) * kFloat);
  }
  // For more rows at a time than a decode step has.
  void AddConvertedLayer() {
    if (request_.weights != WeightStorage::kBfloat16) return;
    Add("one matrix of a layer in float32", "hidden x MLP x 4",
        LargestOfLayer() * kFloat);
  }
  // Of a training: a matrix has no gradient in fewer bits.
  void AddDequantized() {
    if (!IsPacked()) return AddConvertedLayer();
    const int64_t vocabulary =
        int64_t(config_.hidden_size) * config_.vocab_size;
    Add("one matrix dequantized", "values of the largest, up to 64 Mi, x 4",
        std::min(std::max(LargestOfLayer(), vocabulary), kSliceValues) *
            kFloat);
  }
  void AddAdapter(const char* what, const AdapterSize& size) {
    Add(what,
        fmt::format("LoRA x {} + gist embeddings x 4",
                    IsPacked() ? kHalf : kFloat),
        size.lora * (IsPacked() ? kHalf : kFloat) + size.embeddings * kFloat);
  }
  void AddAdaptersInUse() {
    const auto& [gist, answer] = request_.adapters;
    if (gist.lora > 0) AddAdapter("adapter in use", gist);
    if (answer.lora > 0) AddAdapter("answer adapter in use", answer);
  }
  // Of phases that follow one another, the one that takes most. Its bytes.
  int64_t AddLargest(std::vector<std::vector<LedgerLine>> phases) {
    auto& most = *std::ranges::max_element(phases, {}, Sum);
    const int64_t bytes = Sum(most);
    std::ranges::move(most, std::back_inserter(ledger_.lines));
    return bytes;
  }
  // The cache's blocks before it grew: some are taken again.
  void AddOutgrown(int64_t tokens, int64_t prefix) {
    Add("smaller caches before, freed",
        fmt::format("half of the last: tokens x layers x KV heads x head size "
                    "x {}",
                    KvUnit()),
        KvValues(config_,
                 OutgrownTokens(tokens, prefix, request_.chunk_tokens)) *
            KvUnit() / 2);
  }
  void AddWorkspace(int64_t bytes) {
    Add("workspace of matrix products", "measured", bytes);
  }
  Ledger Take() { return std::move(ledger_); }

 private:
  int64_t KvUnit() const { return IsPacked() ? kHalf : kFloat; }
  int64_t LargestOfLayer() const {
    return int64_t(config_.hidden_size) * config_.mlp_size;
  }
  void AddWeights() {
    if (request_.weights == WeightStorage::kBfloat16) {
      return Add("weights as bfloat16", "parameters x 2",
                 model_.Parameters() * kHalf);
    }
    if (request_.weights == WeightStorage::kFloat32) {
      return Add("weights as float32", "parameters x 4",
                 model_.Parameters() * kFloat);
    }
    Add(fmt::format("weights packed, from {}", model_.stored_type),
        "32 weights in 18 bytes of Q4_0, 20 of Q4_1 and Q4_K, 34 of others",
        model_.packed_bytes);
  }

  const PlanModel& model_;
  const PlanRequest& request_;
  const ModelConfig& config_;
  Ledger ledger_;
};

AdapterSize SizeOfAdapter(const PlanModel& model, const PlanRequest& request) {
  const ModelConfig& c = model.config;
  int64_t sides =
      2 * (c.hidden_size + QueryRows(c)) + 2 * (c.hidden_size + KvRows(c));
  if (request.lora_mlp) sides += 3 * (int64_t(c.hidden_size) + c.mlp_size);
  return {.lora = c.layers * sides * request.lora_r,
          .embeddings = int64_t(request.gists_per_block) * c.hidden_size};
}
int64_t AdapterParameters(const PlanModel& model, const PlanRequest& request) {
  const AdapterSize size = SizeOfAdapter(model, request);
  return size.lora + size.embeddings;
}

// Those in use; else one that is to be trained.
void AddAdapters(const PlanModel& model, const PlanRequest& request,
                 LedgerMaker* maker) {
  if (request.adapters.gist.lora == 0)
    maker->AddAdapter("adapter", SizeOfAdapter(model, request));
  maker->AddAdaptersInUse();
}

// Tokens that a gist attends to: the shared prefix, its block of the document
// and the gists of that block.
int64_t VisibleTokens(const PlanRequest& r) {
  const int64_t block = int64_t(r.document_tokens) * r.gists_per_block /
                        std::max(r.gist_tokens, r.gists_per_block);
  return r.prefix_tokens + block + r.block_overlap_tokens + r.gists_per_block;
}

std::vector<LedgerLine> CheckpointLines(const PlanModel& model,
                                        const PlanRequest& request) {
  return {{"a checkpoint on its way to disk",
           "(adapter and two moments) x 2 x 4",
           AdapterParameters(model, request) * 3 * 2 * kFloat}};
}

std::vector<LedgerLine> FreshLines(const ModelConfig& c, const PlanRequest& r) {
  const int64_t fresh =
      int64_t(r.fresh_segments_per_step) * std::max(r.segment_tokens, 1);
  return {{"segments prefilled anew",
           "(layers x 2 x KV heads x head size + layer activations) x tokens "
           "x 4",
           (KvValues(c, fresh) + LayerValues(c, fresh)) * kFloat}};
}

std::vector<LedgerLine> PassLines(const ModelConfig& c, const PlanRequest& r) {
  const int64_t write_rows = int64_t(r.documents_per_step) * r.gist_tokens;
  const int64_t read_rows = int64_t(r.documents_per_step) * r.question_tokens;
  const int64_t read_tokens =
      r.prefix_tokens + r.gist_tokens + r.question_tokens;
  return {
      {"write pass, kept for backward",
       "layers x documents x gists x (4 hidden + 3 query + 3 KV + 4 MLP) x 4",
       c.layers * LayerValues(c, write_rows) * kFloat},
      {"write pass, attention",
       "layers x heads x documents x gists x visible x 4",
       c.layers * write_rows * c.heads * VisibleTokens(r) * kFloat},
      {"read pass, kept for backward",
       "layers x questions x tokens x (4 hidden + 3 query + 3 KV + 4 MLP) x 4",
       c.layers * LayerValues(c, read_rows) * kFloat},
      {"read pass, attention",
       "layers x heads x questions x tokens x (prefix + gists + tokens) x 4",
       c.layers * read_rows * c.heads * read_tokens * kFloat},
      {"logits, their softmax and gradient",
       "answer tokens x vocabulary x 3 x 4",
       int64_t(r.documents_per_step) * r.answer_tokens * c.vocab_size * 3 *
           kFloat}};
}

}  // namespace

int64_t Ledger::PeakBytes() const { return std::max(Sum(lines), load_bytes); }

Ledger PlanCompress(const PlanModel& model, const PlanRequest& request) {
  const ModelConfig& c = model.config;
  const int64_t tokens =
      std::min(request.document_tokens, request.max_group_tokens);
  LedgerMaker maker(model, request);
  AddAdapters(model, request, &maker);
  maker.AddKv("context keys and values", "tokens + segment + prefix",
              tokens + request.segment_tokens + request.prefix_tokens);
  maker.Add("gist keys and values",
            "gists x layers x 2 x KV heads x head size x 4",
            KvValues(c, request.gist_tokens) * kFloat);
  maker.AddActivations("chunk",
                       std::min<int64_t>(tokens, request.chunk_tokens));
  if (!maker.IsPacked()) {
    // Rotated in three steps, joined with prefix and gists, values joined too.
    maker.Add("one layer's keys and values, joined",
              "tokens x KV heads x head size x 5 x 4",
              tokens * KvRows(c) * 5 * kFloat);
  }
  maker.AddOutgrown(tokens, 0);
  maker.AddConvertedLayer();
  maker.AddWorkspace(kWorkspaceBytes);
  return maker.Take();
}

Ledger PlanAskGists(const PlanModel& model, const PlanRequest& request) {
  const ModelConfig& c = model.config;
  LedgerMaker maker(model, request);
  AddAdapters(model, request, &maker);
  const int64_t tokens =
      request.prefix_tokens + request.gist_tokens + request.question_tokens;
  maker.AddKv("prompt's keys and values", "prefix + gists + question", tokens);
  maker.AddActivations("question", request.question_tokens);
  maker.Add("logits", "vocabulary x 2 x 4", int64_t(c.vocab_size) * 2 * kFloat);
  maker.AddWorkspace(kWorkspaceBytes);
  return maker.Take();
}

Ledger PlanAskFull(const PlanModel& model, const PlanRequest& request) {
  const ModelConfig& c = model.config;
  LedgerMaker maker(model, request);
  AddAdapters(model, request, &maker);
  const int64_t tokens = int64_t(request.prefix_tokens) +
                         request.document_tokens + request.question_tokens;
  const int64_t rows = std::min<int64_t>(tokens, request.chunk_tokens);
  maker.AddKv("prompt's keys and values", "prefix + tokens + question", tokens);
  maker.AddActivations("chunk", rows);
  if (!maker.IsPacked()) {
    maker.Add("a chunk's mask", "chunk x tokens x (1 + heads / KV heads) x 4",
              rows * tokens * (1 + c.heads / c.kv_heads) * kFloat);
  }
  maker.Add("logits", "vocabulary x 2 x 4", int64_t(c.vocab_size) * 2 * kFloat);
  maker.AddOutgrown(tokens - request.prefix_tokens, request.prefix_tokens);
  maker.AddConvertedLayer();
  maker.AddWorkspace(kWorkspaceBytes);
  return maker.Take();
}

Ledger PlanTrain(const PlanModel& model, const PlanRequest& request) {
  const ModelConfig& c = model.config;
  LedgerMaker maker(model, request);
  if (request.bfloat16_base && request.weights == WeightStorage::kFloat32) {
    maker.Add("matrices again, as bfloat16", "parameters x 2",
              model.Parameters() * kHalf);
  }
  maker.Add("adapter, gradient, two moments",
            "LoRA and gist embeddings x 4 x 4",
            AdapterParameters(model, request) * 4 * kFloat);
  const int64_t segment = std::max(request.segment_tokens, 1);
  const int64_t used = (request.document_tokens + segment - 1) / segment *
                       request.documents_per_step;
  const int64_t segments = std::max<int64_t>(used, request.cached_segments);
  maker.Add(
      fmt::format("context keys and values, {} segments, float16", segments),
      "segments x segment tokens x layers x 2 x KV heads x head size x 2",
      KvValues(c, segments * segment) * kHalf);
  const int64_t dev_segments =
      kDevFillers + int64_t(request.dev_samples) * 4 / 3;
  maker.Add(fmt::format("dev text, {} segments, float16", dev_segments),
            "segments x segment tokens x layers x 2 x KV heads x head size x 2",
            KvValues(c, dev_segments * segment) * kHalf);
  const int64_t phase =
      maker.AddLargest({CheckpointLines(model, request), FreshLines(c, request),
                        PassLines(c, request)});
  maker.AddAdaptersInUse();
  maker.AddDequantized();
  maker.AddWorkspace(kWorkspaceBytes + phase / kTrainWorkspaceShare);
  return maker.Take();
}

int LargestThatFits(int64_t memory_bytes, int most,
                    const std::function<int64_t(int)>& peak_bytes) {
  int fits = 0, exceeds = most + 1;
  while (exceeds - fits > 1) {
    const int middle = fits + (exceeds - fits) / 2;
    (peak_bytes(middle) <= memory_bytes ? fits : exceeds) = middle;
  }
  return fits;
}

}  // namespace gist

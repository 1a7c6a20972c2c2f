#include "client/tools/plan.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>
#include <utility>

#include "core/base/status.h"
#include "core/hf/hf_folder.h"
#include "core/model/architectures/expected_tensors.h"

namespace gist {
namespace {

constexpr int64_t kFloat = 4, kHalf = 2;
// gistd ready with the tiny model of the tests: libraries, RocksDB, stacks.
// Measured: 167 MB (VmHWM, 2 threads).
constexpr int64_t kProgramBytes = 167'000'000;
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
constexpr int64_t kQ4Bytes = 18, kQ4Elements = 32;

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

int64_t Sum(const std::vector<LedgerLine>& lines) {
  return std::accumulate(
      lines.begin(), lines.end(), int64_t{0},
      [](int64_t sum, const LedgerLine& line) { return sum + line.bytes; });
}

class LedgerMaker {
 public:
  LedgerMaker(const PlanModel& model, const PlanRequest& request)
      : model_(model), request_(request), config_(model.config) {
    Add("program and libraries", "measured", kProgramBytes);
    Add("tokenizer", "tokens x 140", config_.vocab_size * kTokenBytes);
    AddWeights();
    const int64_t held = ledger_.PeakBytes();
    ledger_.load_bytes = request.weights == WeightStorage::kQuantized
                             ? held
                             : held + model.mapped_bytes;
  }

  void Add(std::string what, std::string formula, int64_t bytes) {
    ledger_.lines.push_back({std::move(what), std::move(formula), bytes});
  }
  // `layer_matrices`: more rows at a time than a decode step has pass through
  // the layers; `logits`: they are computed.
  void AddConverted(bool layer_matrices, bool logits) {
    const int64_t hidden = config_.hidden_size;
    const int64_t layer = hidden * config_.mlp_size;
    if (request_.weights == WeightStorage::kQuantized) {
      const int64_t vocabulary = logits ? hidden * config_.vocab_size : 0;
      Add("one matrix dequantized", "values of the largest, up to 64 Mi, x 4",
          std::min(std::max(layer, vocabulary), kSliceValues) * kFloat);
    } else if (request_.weights == WeightStorage::kBfloat16 && layer_matrices) {
      Add("one matrix of a layer in float32", "hidden x MLP x 4",
          layer * kFloat);
    }
  }
  void AddAdaptersInUse() {
    if (request_.adapter_bytes > 0)
      Add("adapter in use", "its parameters x 4", request_.adapter_bytes);
    if (request_.answer_adapter_bytes > 0) {
      Add("answer adapter in use", "its parameters x 4",
          request_.answer_adapter_bytes);
    }
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
        "half of the last: tokens x layers x KV heads x head size x 4",
        KvValues(config_,
                 OutgrownTokens(tokens, prefix, request_.chunk_tokens)) *
            kFloat / 2);
  }
  void AddWorkspace(int64_t bytes) {
    Add("workspace of matrix products", "measured", bytes);
  }
  Ledger Take() { return std::move(ledger_); }

 private:
  void AddWeights() {
    if (request_.weights == WeightStorage::kBfloat16) {
      return Add("weights as bfloat16", "parameters x 2",
                 model_.Parameters() * kHalf);
    }
    if (request_.weights == WeightStorage::kFloat32) {
      return Add("weights as float32", "parameters x 4",
                 model_.Parameters() * kFloat);
    }
    Add("weights as stored, " + model_.stored_type, "bytes of the file",
        model_.mapped_bytes);
  }

  const PlanModel& model_;
  const PlanRequest& request_;
  const ModelConfig& config_;
  Ledger ledger_;
};

int64_t AdapterParameters(const PlanModel& model, const PlanRequest& request) {
  const ModelConfig& c = model.config;
  int64_t sides =
      2 * (c.hidden_size + QueryRows(c)) + 2 * (c.hidden_size + KvRows(c));
  if (request.lora_mlp) sides += 3 * (int64_t(c.hidden_size) + c.mlp_size);
  return c.layers * sides * request.lora_r +
         int64_t(request.gists_per_block) * c.hidden_size;
}

// Those in use; else one that is to be trained.
void AddAdapters(const PlanModel& model, const PlanRequest& request,
                 LedgerMaker* maker) {
  if (request.adapter_bytes == 0) {
    maker->Add("adapter", "LoRA and gist embeddings x 4",
               AdapterParameters(model, request) * kFloat);
  }
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

int64_t PlanModel::Parameters() const {
  int64_t parameters = 0;
  for (const ExpectedTensor& tensor : ExpectedTensors(config)) {
    if (tensor.is_optional && (tied_output || tensor.dims.empty())) continue;
    parameters += std::accumulate(tensor.dims.begin(), tensor.dims.end(),
                                  int64_t{1}, std::multiplies<>());
  }
  return parameters;
}

absl::StatusOr<PlanModel> PlanModel::FromGguf(const Gguf& file,
                                              int64_t file_bytes) {
  PlanModel model;
  GIST_ASSIGN_OR_RETURN(model.config, ModelConfig::FromGguf(file));
  model.tied_output = !file.tensors().contains("output.weight");
  model.mapped_bytes = file_bytes;
  std::map<GgmlType, int64_t> by_type;
  for (const auto& [name, tensor] : file.tensors()) {
    by_type[tensor.type] += int64_t(tensor.data.size());
    model.stored_bytes += int64_t(tensor.data.size());
  }
  const auto most = std::ranges::max_element(
      by_type, {}, [](const auto& entry) { return entry.second; });
  if (most != by_type.end())
    model.stored_type = GgmlTypeName(uint32_t(most->first));
  return model;
}

absl::StatusOr<PlanModel> PlanModel::FromHuggingFace(std::string_view json) {
  GIST_ASSIGN_OR_RETURN(const HfFolder sizes, SizesOfHfConfig(json));
  PlanModel model;
  GIST_ASSIGN_OR_RETURN(model.config, ModelConfig::FromGguf(sizes.gguf));
  model.tied_output = !sizes.gguf.tensors().contains("output.weight");
  model.stored_type = "Q4_0";
  model.stored_bytes = model.Parameters() * kQ4Bytes / kQ4Elements;
  model.mapped_bytes = model.stored_bytes;
  return model;
}

int64_t Ledger::PeakBytes() const { return std::max(Sum(lines), load_bytes); }

Ledger PlanCompress(const PlanModel& model, const PlanRequest& request) {
  const ModelConfig& c = model.config;
  const int64_t tokens =
      std::min(request.document_tokens, request.max_group_tokens);
  LedgerMaker maker(model, request);
  AddAdapters(model, request, &maker);
  maker.Add(
      "context keys and values, float32",
      "(tokens + segment + prefix) x layers x 2 x KV heads x head size x 4",
      KvValues(c, tokens + request.segment_tokens + request.prefix_tokens) *
          kFloat);
  maker.Add("gist keys and values",
            "gists x layers x 2 x KV heads x head size x 4",
            KvValues(c, request.gist_tokens) * kFloat);
  maker.Add(
      "a chunk's activations",
      "chunk x (4 hidden + 3 query + 3 KV + 4 MLP) x 4",
      LayerValues(c, std::min<int64_t>(tokens, request.chunk_tokens)) * kFloat);
  // Rotated in three steps, joined with prefix and gists, values joined too.
  maker.Add("one layer's keys and values, joined",
            "tokens x KV heads x head size x 5 x 4",
            tokens * KvRows(c) * 5 * kFloat);
  maker.AddOutgrown(tokens, 0);
  maker.AddConverted(/*layer_matrices=*/true, /*logits=*/false);
  maker.AddWorkspace(kWorkspaceBytes);
  return maker.Take();
}

Ledger PlanAskGists(const PlanModel& model, const PlanRequest& request) {
  const ModelConfig& c = model.config;
  LedgerMaker maker(model, request);
  AddAdapters(model, request, &maker);
  const int64_t tokens =
      request.prefix_tokens + request.gist_tokens + request.question_tokens;
  maker.Add(
      "prompt's keys and values, float32",
      "(prefix + gists + question) x layers x 2 x KV heads x head size x 4",
      KvValues(c, tokens) * kFloat);
  maker.Add("a chunk's activations",
            "question x (4 hidden + 3 query + 3 KV + 4 MLP) x 4",
            LayerValues(c, request.question_tokens) * kFloat);
  maker.Add("logits", "vocabulary x 2 x 4", int64_t(c.vocab_size) * 2 * kFloat);
  maker.AddConverted(/*layer_matrices=*/false, /*logits=*/true);
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
  maker.Add(
      "prompt's keys and values, float32",
      "(prefix + tokens + question) x layers x 2 x KV heads x head size x 4",
      KvValues(c, tokens) * kFloat);
  maker.Add("a chunk's activations",
            "chunk x (4 hidden + 3 query + 3 KV + 4 MLP) x 4",
            LayerValues(c, rows) * kFloat);
  maker.Add("a chunk's mask", "chunk x tokens x (1 + heads / KV heads) x 4",
            rows * tokens * (1 + c.heads / c.kv_heads) * kFloat);
  maker.Add("logits", "vocabulary x 2 x 4", int64_t(c.vocab_size) * 2 * kFloat);
  maker.AddOutgrown(tokens - request.prefix_tokens, request.prefix_tokens);
  maker.AddConverted(/*layer_matrices=*/true, /*logits=*/true);
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
  maker.AddConverted(/*layer_matrices=*/true, /*logits=*/true);
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

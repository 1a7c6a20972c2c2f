// The memory ledger: what compressing, asking and training take, by arithmetic
// over a model's sizes. Nothing is loaded.
//
// Bytes throughout. The formulas follow the code of core/model and core/train;
// some terms were measured (constants of plan.cc). A test holds the peaks of a
// real server within a tenth of these.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "client/tools/plan_adapters.h"
#include "client/tools/plan_model.h"
#include "core/base/weight_storage.h"

namespace gist {

struct PlanRequest {
  WeightStorage weights = WeightStorage::kQuantized;  // as gistd by itself
  int document_tokens = 4096;
  int gist_tokens = 10;
  int gists_per_block = 5;
  int block_overlap_tokens = 32;
  int segment_tokens = 256;
  int chunk_tokens = 256;       // read at a time; 1,024 on a GPU
  int prefix_tokens = 32;       // of the chat template
  int max_group_tokens = 8192;  // a longer document is written in groups
  int question_tokens = 40;     // and answer
  int answer_tokens = 16;       // of them, that count in the loss
  // In use. Without a gist adapter there is one of lora_r.
  InstalledAdapters adapters = {};
  int lora_r = 16;  // of an adapter to be trained
  bool lora_mlp = false;
  int documents_per_step = 4;  // a question each
  int fresh_segments_per_step = 8;
  // Of context KV kept; 0: as many as one step uses.
  int cached_segments = 0;
  bool bfloat16_base = true;  // float32 weights are there once more as bfloat16
  int dev_samples = 40;
};

struct LedgerLine {
  std::string what;     // "context keys and values"
  std::string formula;  // "layers x 2 x KV heads x head size x tokens x 4"
  int64_t bytes = 0;
};

struct Ledger {
  std::vector<LedgerLine> lines;  // held at the same time
  int64_t load_bytes = 0;  // at the peak of loading, before the work begins

  int64_t PeakBytes() const;
};

Ledger PlanCompress(const PlanModel& model, const PlanRequest& request);
Ledger PlanAskGists(const PlanModel& model, const PlanRequest& request);
// In full-context mode: the document is prefilled whole.
Ledger PlanAskFull(const PlanModel& model, const PlanRequest& request);
Ledger PlanTrain(const PlanModel& model, const PlanRequest& request);

// The largest n up to `most` for which `peak_bytes(n)`, which grows with n, is
// within `memory_bytes`; 0: not even 1.
int LargestThatFits(int64_t memory_bytes, int most,
                    const std::function<int64_t(int)>& peak_bytes);

}  // namespace gist

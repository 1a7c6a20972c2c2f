// The seam between serving and training: a step machine over plain data, like
// core/engine/engine.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/record.h"
#include "core/data/task.h"

namespace gist {

// Where gists stand and what their LoRA changes; goes into adapter_config.json.
struct GistLayout {
  int gist_tokens = 10;     // for a document, unless asked otherwise
  int gists_per_block = 5;  // the last block has those left over
  int block_overlap_tokens = 32;
  int segment_tokens = 256;  // 0: the whole document is one causal segment
  int max_document_tokens = 8192;
  int lora_r = 16;
  int lora_alpha = 32;
  bool lora_mlp = false;         // gate, up and down projections too
  bool lora_everywhere = false;  // lora_scope "all": text, question and answer
                                 // too; slow, to measure, never served
};

// Documents of `min_tokens` to `max_tokens`, log-uniform, for `steps` steps.
// The gate ends training when dev accuracy at the stage's end is below it.
struct TrainStage {
  std::string name;
  int steps = 0;
  int min_tokens = 256;
  int max_tokens = 1024;
  double gate_accuracy = 0;  // exact match by greedy generation; 0: no gate
};

// One training, whole: with the data it fixes every loss.
struct TrainRecipe {
  std::string name;
  uint64_t seed = 1;
  GistLayout layout;
  std::vector<int> gist_counts;  // nested: one is drawn for each document;
                                 // empty: layout.gist_tokens
  std::vector<TrainStage> stages;
  int documents_per_step = 4;   // of one pass
  int accumulate_passes = 1;    // gradient accumulation
  double learning_rate = 1e-3;  // of LoRA
  double embedding_learning_rate = 3e-3;
  double warmup_steps = 20;
  double final_learning_rate_ratio = 0.1;  // cosine down to it, over all stages
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.98;
  double adam_epsilon = 1e-8;
  double weight_decay = 0;
  double clip_norm = 1.0;
  // The loss is the mean over questions, each the mean over its answer's
  // tokens, so that long answers (a UUID) do not outweigh short ones. Else:
  // over tokens.
  bool mean_over_questions = false;
  bool bfloat16_base =
      false;  // products of the frozen model, where that is faster
  int fresh_segments_per_step = 8;  // prefilled anew; the rest is reused
  int cached_segments = 1024;       // at most, of context KV kept in memory
  int evaluate_every_steps = 100;
  int dev_samples = 40;
  int checkpoint_every_steps = 100;
  int epochs = 0;           // over given files; 0: `stages` say how long
  std::string next_recipe;  // name of the one to go on with after a missed
                            // gate; empty: none

  int steps() const {  // of all stages
    int sum = 0;
    for (const TrainStage& stage : stages) sum += stage.steps;
    return sum;
  }
};

// A recipe, and what to learn from. Two trainings from equal specs take the
// same steps.
struct TrainSpec {
  TrainRecipe recipe;
  std::shared_ptr<const TaskSource> tasks;  // generated documents; may be null
  std::shared_ptr<const TaskSource>
      dev_tasks;                // never the same frames' values or text
  std::vector<Record> records;  // whole documents that a user gave
  std::vector<Record> dev_records;
  std::string start_adapter;  // folder to go on from; empty: from nothing
  std::string folder;         // for checkpoints; one that is there is resumed
};

struct TrainEvent {
  enum class Kind {
    kPreparing,
    kStep,
    kEvaluated,
    kCheckpoint,
    kStageEnded,
    kDone
  };
  Kind kind = Kind::kStep;
  std::string stage;
  int step = 0;              // optimizer steps done
  int steps = 0;             // in all
  double loss = 0;           // mean over answer tokens, natural logarithm
  double gradient_norm = 0;  // before clipping
  double learning_rate = 0;
  double tokens_per_second = 0;  // context, gist, question and answer tokens
  // Estimated; 0: unknown. One kPreparing event has it, and a message with the
  // expected time: before the first step or soon after it.
  double seconds_left = 0;
  std::optional<double>
      dev_accuracy;     // kEvaluated: exact match, greedy generation
  std::string message;  // kEvaluated: by language; kStageEnded, kDone: what was
                        // decided and why; kPreparing: what is being made
};

// One running training. Not thread-safe, but for a thread of its own: the
// engine that made it may serve meanwhile.
class Trainer {
 public:
  virtual ~Trainer() = default;
  // The next bit of work: one optimizer step, one dev sample's worth of
  // evaluation, or one checkpoint; seconds, not minutes. Errors leave the last
  // checkpoint as it was: kDataLoss (it is damaged), kInternal (a loss is not a
  // number), kResourceExhausted (disk or memory), kFailedPrecondition (a gate
  // was missed; the message names accuracy, gate and the next step).
  virtual absl::StatusOr<TrainEvent> Step() = 0;
  virtual bool done() const = 0;
  // Writes a checkpoint now, so that a later trainer of the same spec goes on
  // from here. Errors as Step's.
  virtual absl::Status Checkpoint() = 0;
  // Writes the adapter as it is: a PEFT-style folder that Engine can load.
  virtual absl::Status ExportAdapter(const std::string& folder) const = 0;
  // Dev accuracy of the adapter in `folder`, on the dev set by which this
  // training ends. Leaves the training as it is. Asks `go_on` between samples;
  // kCancelled where it says no.
  virtual absl::StatusOr<double> Evaluate(
      const std::string& folder, const std::function<bool()>& go_on) = 0;
};

}  // namespace gist

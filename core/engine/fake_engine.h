// An engine without a model, for tests and for builds without LibTorch.
//
// It looks for secret passkeys. A document's gists carry the passkey in it
// ("secret passkey is XXXXXX"), or six digits of the text's hash without one.
// An answer lists the passkeys of the loaded gists and of the prefilled text,
// in that order, and repeats the question:
//   "Found 123456, #a1b2c3. You asked: What is it?"
// An answer is therefore correct only if the right gists, in the right order,
// and the right question arrived. Gists are small whole numbers, which every
// encoding keeps exactly. Their values also carry a mark of their adapter.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/engine/engine.h"
#include "core/engine/fake_trainer.h"

namespace gist {

class FakePrompt;  // fake_engine.cc

struct FakeEngineOptions {
  enum class Tokens { kBytes, kWords };
  Tokens tokens = Tokens::kWords;  // answers are decoded by the same unit
  int max_context_tokens = 8192;
  int prefix_tokens = 3;
  int max_chunk_tokens = 16;
  int gist_tokens = 4;  // the adapter's default
  int gists_per_block = 2;
  int segment_tokens = 32;
  int max_document_tokens = 1000;
  bool has_adapter = true;
  // Answers through the answer adapter begin with "Read: ".
  bool has_answer_adapter = true;
  std::string model_seed = "fake";  // another seed: another fingerprint
  FakeTrainerOptions trainer = {};
  // "cuda:0" simulates a GPU of 24 GiB; another process holds 2 GB of it.
  std::string device = "cpu";
  std::chrono::microseconds step_delay{0};  // of Prefill, Compress, Decode
  // Runs on the engine's thread before each call that one thread at a time may
  // make, with the call's name. An error becomes the call's result.
  std::function<absl::Status(std::string_view call)> before_call = {};
};

// Options of an engine that simulates `device`, for programs in place of gistd.
// GIST_FAKE_STEP_MICROSECONDS in the environment sets step_delay of engine and
// trainer.
FakeEngineOptions FakeOptionsFor(const std::string& device);

// Calls so far; may be read from any thread.
struct FakeEngineCounts {
  std::atomic<int> prefills{0};
  std::atomic<int> prefill_tokens{0};
  std::atomic<int> gist_passes{0};
  std::atomic<int> full_passes{0};
  std::atomic<int> loads{0};
  std::atomic<int> decodes{0};
  std::atomic<int> largest_decode_batch{0};
  std::atomic<int> live_sequences{0};
  std::atomic<int64_t> live_kv_bytes{0};
  std::atomic<int64_t> most_kv_bytes{0};  // since ForgetDevicePeak
  // Calls by two threads at once, a bug of the caller.
  std::atomic<int> overlapping_calls{0};
};

class FakeEngine : public Engine {
 public:
  explicit FakeEngine(FakeEngineOptions options = {});
  ~FakeEngine() override;

  const ModelInfo& model() const override { return model_; }
  AdapterInfo adapter() const override;
  AnswerAdapterInfo answer_adapter() const override;
  std::optional<DeviceMemory> device_memory() const override;
  void ForgetDevicePeak() const override {
    counts_.most_kv_bytes = counts_.live_kv_bytes.load();
  }
  absl::StatusOr<std::vector<int32_t>> Tokenize(
      std::string_view text) const override;
  absl::StatusOr<std::vector<int32_t>> TokenizeQuestion(
      std::string_view question) const override;
  absl::StatusOr<std::unique_ptr<DocumentSequence>> StartDocument(
      Rung rung) override;
  absl::StatusOr<std::unique_ptr<PromptSequence>> StartPrompt(
      const Sampling& sampling) override;
  int max_chunk_tokens() const override { return options_.max_chunk_tokens; }
  absl::Status Prefill(DocumentSequence& sequence,
                       std::span<const int32_t> chunk) override;
  absl::Status Prefill(PromptSequence& sequence,
                       std::span<const int32_t> chunk) override;
  absl::StatusOr<CompressedKv> Compress(DocumentSequence& document,
                                        const CompressionSpec& spec) override;
  absl::Status LoadKv(PromptSequence& prompt, const CompressedKv& kv) override;
  absl::Status Rewind(PromptSequence& sequence, int tokens,
                      const Sampling& sampling) override;
  absl::Status UseAnswerAdapter(PromptSequence& sequence) override;
  absl::StatusOr<std::vector<DecodedToken>> Decode(
      std::span<PromptSequence* const> sequences) override;
  // Takes a folder of a fake trainer of this model. A real adapter's folder
  // stands for the first adapter.
  absl::Status UseAdapter(const std::string& folder) override;
  absl::StatusOr<std::unique_ptr<Trainer>> StartTraining(
      TrainSpec spec) override;

  // The mark in gists of the adapter with this fingerprint.
  static float MarkOf(std::string_view adapter_fingerprint);

  FakeEngineCounts& counts() { return counts_; }

 private:
  class Call;
  // Counts a Prefill call of `chunk` after `held_tokens` positions, or refuses
  // it.
  absl::Status CountPrefill(int held_tokens, std::span<const int32_t> chunk);
  // Appends tokens to a prompt's text or question.
  void Read(FakePrompt& prompt, std::span<const int32_t> tokens) const;
  // The text of a token; thread-safe.
  std::string Piece(int32_t token) const;

  FakeEngineOptions options_;
  ModelInfo model_;
  mutable FakeEngineCounts counts_;
  std::atomic<bool> in_call_{false};
  mutable std::mutex mutex_;  // guards all below
  AdapterInfo adapter_;
  mutable std::vector<std::string> words_;
  mutable std::unordered_map<std::string, int32_t> word_ids_;
};

}  // namespace gist

// An engine without a model, for tests and for builds without LibTorch.
//
// It "reads" for secret passkeys: a document's gists carry the passkey found in
// it ("secret passkey is XXXXXX"), or six digits of the text's hash where there
// is none. An answer names what the loaded gists and the prefilled text carry,
// in that order, and repeats the question:
//   "Found 123456, #a1b2c3. You asked: What is it?"
// So an answer is right only if the right gists, in the right order, and the
// right question arrived. Gists are small whole numbers: every encoding keeps
// them exactly. Their values also carry a mark of the adapter that made them.
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
  // A trained reader says "Read: " first.
  bool has_reader = true;
  std::string model_seed = "fake";  // another seed: another fingerprint
  FakeTrainerOptions trainer = {};
  // "cuda:0": plays a GPU of 24 GiB, of which 2 GB are another process's.
  std::string device = "cpu";
  std::chrono::microseconds step_delay{0};  // of Prefill, MakeGists, Decode
  // Runs before each Prefill, MakeGists, LoadGists, Start{Document,Prompt},
  // Decode and UseAdapter, on the engine's thread, with the call's name; an
  // error becomes the call's result.
  std::function<absl::Status(std::string_view call)> before_call = {};
};

// As a program that stands in for gistd wants them: an engine that plays
// `device`. The environment's GIST_FAKE_STEP_MICROSECONDS is the step_delay of
// engine and trainer.
FakeEngineOptions FakeOptionsFor(const std::string& device);

// Calls so far; may be read from any thread.
struct FakeEngineCounts {
  std::atomic<int> prefills{0};
  std::atomic<int> prefill_tokens{0};
  std::atomic<int> gist_passes{0};
  std::atomic<int> loads{0};
  std::atomic<int> decodes{0};
  std::atomic<int> largest_decode_batch{0};
  std::atomic<int> live_sequences{0};
  std::atomic<int64_t> live_kv_bytes{0};
  std::atomic<int64_t> most_kv_bytes{0};  // since ForgetDevicePeak
  std::atomic<int> overlapping_calls{
      0};  // two threads at once: the caller's bug
};

class FakeEngine : public Engine {
 public:
  explicit FakeEngine(FakeEngineOptions options = {});
  ~FakeEngine() override;

  const ModelInfo& model() const override { return model_; }
  AdapterInfo adapter() const override;
  ReaderInfo reader() const override;
  std::optional<DeviceMemory> device_memory() const override;
  void ForgetDevicePeak() const override {
    counts_.most_kv_bytes = counts_.live_kv_bytes.load();
  }
  absl::StatusOr<std::vector<int32_t>> Tokenize(
      std::string_view text) const override;
  absl::StatusOr<std::vector<int32_t>> TokenizeQuestion(
      std::string_view question) const override;
  absl::StatusOr<std::unique_ptr<Sequence>> StartDocument() override;
  absl::StatusOr<std::unique_ptr<Sequence>> StartPrompt(
      const Sampling& sampling) override;
  int max_chunk_tokens() const override { return options_.max_chunk_tokens; }
  absl::Status Prefill(Sequence& sequence,
                       std::span<const int32_t> chunk) override;
  absl::StatusOr<GistKv> MakeGists(Sequence& document,
                                   int gist_tokens) override;
  absl::Status LoadGists(Sequence& prompt, const GistKv& gists) override;
  absl::Status Rewind(Sequence& prompt, int tokens,
                      const Sampling& sampling) override;
  absl::Status UseReader(Sequence& prompt) override;
  absl::StatusOr<std::vector<DecodedToken>> Decode(
      std::span<Sequence* const> prompts) override;
  // A folder that a fake trainer wrote, or a real one's, which stands for the
  // adapter of the start.
  absl::Status UseAdapter(const std::string& folder) override;
  absl::StatusOr<std::unique_ptr<Trainer>> StartTraining(
      TrainSpec spec) override;

  // The mark that gists of the adapter with this fingerprint carry.
  static float MarkOf(std::string_view adapter_fingerprint);

  FakeEngineCounts& counts() { return counts_; }

 private:
  class Call;
  void Read(Sequence& sequence, std::span<const int32_t> tokens) const;
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

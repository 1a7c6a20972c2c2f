// The seam between serving and the model: a step machine over plain data.
//
// A caller never sees a tensor: a DocumentSequence or PromptSequence holds its
// KV cache inside. No call runs longer than one prefill chunk, one decode step
// or one gist pass. The scheduler can therefore interleave requests and stop
// any of them between two calls.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/sampling.h"
#include "core/compress/compressed_kv.h"
#include "core/compress/representation.h"
#include "core/train/trainer.h"

namespace gist {

// The base model. It is constant for the life of the process.
struct ModelInfo {
  std::string name;          // general.name of the file
  std::string architecture;  // the name in core/model/architectures/architecture.h
  std::string fingerprint;   // lower-case hex SHA-256 of the weights file
  std::string device;        // "cpu", "cuda:0"
  int layers = 0;
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int hidden_size = 0;
  int vocab_size = 0;
  int max_context_tokens = 0;  // positions that the model was trained on
  int prefix_tokens = 0;       // the shared prefix in front of every prompt
  int64_t weight_bytes = 0;    // held in memory
  int kv_value_bytes = 4;      // bytes of one number of a key or value

  // Bytes of the keys and values of `tokens` tokens at 16 bits a number. Gist
  // and full-context caches are compared in this unit.
  int64_t KvBytes(int64_t tokens) const {
    return tokens * layers * 2 * kv_heads * head_dim * 2;
  }
  // Bytes of the same keys and values as the engine holds them in memory.
  int64_t KvMemoryBytes(int64_t tokens) const {
    return KvBytes(tokens) / 2 * kv_value_bytes;
  }
  // True if `gists` has this model's layers, KV heads and head size. It does
  // not prove the origin: compare fingerprints for that.
  bool HasShapeOf(const auto& gists) const {
    return gists.layers == layers && gists.kv_heads == kv_heads &&
           gists.head_dim == head_dim;
  }
};

// The gist adapter: gist embeddings, and a LoRA at gist positions only. All are
// empty or 0 where none is loaded.
struct AdapterInfo {
  std::string name;
  std::string fingerprint;       // lower-case hex SHA-256 of config and weights
  int gist_tokens = 0;           // default number of gists for a document
  int gists_per_block = 0;       // g; the last block may have fewer
  int block_overlap_tokens = 0;  // text left of its block that a gist also sees
  int segment_tokens = 0;        // 0: the whole document is one causal segment
  int max_document_tokens = 0;   // trained length; longer texts become groups

  bool is_loaded() const { return !fingerprint.empty(); }
};

// The answer adapter: a LoRA on question and answer.
struct AnswerAdapterInfo {
  std::string name;         // empty: none is loaded
  std::string fingerprint;  // lower-case hex SHA-256 of config and weights
};

// Memory of the engine's GPU.
struct DeviceMemory {
  int64_t total_bytes = 0;
  int64_t used_bytes = 0;  // by all processes
  // Parts of used_bytes.
  int64_t weights_bytes = 0;    // of the base model
  int64_t kv_bytes = 0;         // of all live sequences
  int64_t workspace_bytes = 0;  // activations, adapters, a training
  int64_t reserved_bytes = 0;   // free, and kept by the allocator for reuse
  // Peak of weights, KV and workspace together since ForgetDevicePeak.
  int64_t peak_bytes = 0;

  // Memory of the driver and of other processes.
  int64_t other_bytes() const {
    return used_bytes - weights_bytes - kv_bytes - workspace_bytes -
           reserved_bytes;
  }
};

// A document that the engine reads in order to compress it. Its KV cache lives
// inside the engine that made it and is freed with it. Not thread-safe.
class DocumentSequence {
 public:
  virtual ~DocumentSequence() = default;
  // Tokens of the document read so far; the shared prefix is not counted.
  virtual int tokens() const = 0;
  // Memory that the KV cache holds, room for growth included, in bytes.
  virtual int64_t kv_bytes() const = 0;
};

// A prompt that the engine answers. Its KV cache lives inside the engine that
// made it and is freed with it. Not thread-safe.
class PromptSequence {
 public:
  virtual ~PromptSequence() = default;
  // Positions held: the shared prefix, loaded gists, text and answer.
  virtual int tokens() const = 0;
  // Memory that the KV cache holds, room for growth included, in bytes.
  virtual int64_t kv_bytes() const = 0;
};

struct DecodedToken {
  int32_t id = 0;
  bool end_of_turn = false;  // a stop token: `bytes` is empty
  std::string bytes;         // raw bytes; UTF-8 may be split between tokens
};

// Any thread may call Tokenize, TokenizeQuestion, model(), adapter(),
// answer_adapter(), device_memory(), ForgetDevicePeak and StartTraining. One
// thread at a time (the scheduler's) may call the rest. Sequences must come
// from this engine and die before it. Errors: kInvalidArgument (input),
// kOutOfRange (the model's context is full), kInternal (the backend threw).
class Engine {
 public:
  virtual ~Engine() = default;
  virtual const ModelInfo& model() const = 0;
  // The adapter of new documents; none may be loaded. UseAdapter may change it
  // between two calls.
  virtual AdapterInfo adapter() const = 0;
  // The answer adapter. It is constant for the life of the process.
  virtual AnswerAdapterInfo answer_adapter() const { return {}; }
  // Restarts DeviceMemory::peak_bytes from the present use.
  virtual void ForgetDevicePeak() const {}
  // Present use of the GPU; nothing on a CPU or without the device's figures.
  virtual std::optional<DeviceMemory> device_memory() const {
    return std::nullopt;
  }

  // Token ids of user text, which must be valid UTF-8. Special tokens are not
  // recognised: text that looks like one stays text.
  virtual absl::StatusOr<std::vector<int32_t>> Tokenize(
      std::string_view text) const = 0;
  // Token ids of the question in the chat template. They close the user's turn
  // and open the assistant's.
  virtual absl::StatusOr<std::vector<int32_t>> TokenizeQuestion(
      std::string_view question) const = 0;

  // Starts a document for the compression method of `rung`: kGist, prefilled in
  // isolated segments of segment_tokens, or kFull, prefilled causally. It keeps
  // the present adapter even if UseAdapter changes the engine's.
  // kUnimplemented: no method of this rung. kFailedPrecondition: kGist without
  // an adapter.
  virtual absl::StatusOr<std::unique_ptr<DocumentSequence>> StartDocument(
      Rung rung) = 0;
  // Starts a prompt, which holds the shared prefix. Attention is causal.
  virtual absl::StatusOr<std::unique_ptr<PromptSequence>> StartPrompt(
      const Sampling& sampling) = 0;

  // The most tokens that one Prefill call takes.
  virtual int max_chunk_tokens() const = 0;
  // Appends 1 to max_chunk_tokens() tokens to a document.
  virtual absl::Status Prefill(DocumentSequence& document,
                               std::span<const int32_t> chunk) = 0;
  // Appends 1 to max_chunk_tokens() tokens to a prompt. A chunk of at most
  // kLateTokens may wait for the next Decode, which then prefills those of all
  // its prompts in one batch.
  static constexpr int kLateTokens = 31;
  virtual absl::Status Prefill(PromptSequence& prompt,
                               std::span<const int32_t> chunk) = 0;
  // Compresses the document's tokens by `spec`, of the rung that it was started
  // for; kGist: into spec.gist_tokens gists, 1 or more. The result has
  // spec.storage or kF32. The document stays usable for further calls.
  virtual absl::StatusOr<CompressedKv> Compress(
      DocumentSequence& document, const CompressionSpec& spec) = 0;
  // Appends slots to a prompt, at the positions after its present ones. It may
  // be called again for further documents. kInvalidArgument: the shape of
  // another model. kUnimplemented: ragged lists, biases, or positions other
  // than 0, 1, 2 ...
  virtual absl::Status LoadKv(PromptSequence& prompt,
                              const CompressedKv& kv) = 0;
  // Cuts a prompt back to its first `tokens` positions and restarts sampling.
  // The last kept position must come from Prefill. Prefill at least one token
  // before the next Decode.
  virtual absl::Status Rewind(PromptSequence& prompt, int tokens,
                              const Sampling& sampling) = 0;
  // Applies the answer adapter to all later tokens, until Rewind. Tokens that
  // the prompt already holds stay those of the base model.
  // kFailedPrecondition: no answer adapter is loaded.
  virtual absl::Status UseAnswerAdapter(PromptSequence& prompt) = 0;
  // Decodes one token for each prompt, in one batch. kInvalidArgument: a prompt
  // has not been prefilled. kInternal: a prompt's logits are not finite. After
  // an error no token has been drawn.
  virtual absl::StatusOr<std::vector<DecodedToken>> Decode(
      std::span<PromptSequence* const> prompts) = 0;

  // Loads and checks the adapter in `folder`, then uses it for new documents;
  // an empty `folder`: unloads the adapter. After an error the old one stays:
  // kNotFound, kInvalidArgument, kDataLoss, kFailedPrecondition (of another
  // model).
  virtual absl::Status UseAdapter(const std::string& folder) = 0;
  // Starts a training, or resumes the one in spec.folder. The trainer shares
  // the model's weights and must die before the engine. It runs on its own
  // thread while the engine serves. kInvalidArgument: the spec cannot be
  // trained; kDataLoss: its checkpoint is damaged.
  virtual absl::StatusOr<std::unique_ptr<Trainer>> StartTraining(
      TrainSpec spec) = 0;
};

}  // namespace gist

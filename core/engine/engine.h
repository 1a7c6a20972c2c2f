// The seam between serving and the model: a step machine over plain data.
//
// A caller never sees a tensor. A Sequence holds its KV cache inside; no call
// runs longer than one prefill chunk, one decode step or one gist pass, so that
// whoever owns the engine can interleave requests and stop any of them.
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
#include "core/base/gist_kv.h"
#include "core/base/sampling.h"
#include "core/train/trainer.h"

namespace gist {

// The base model, which never changes while the process runs.
struct ModelInfo {
  std::string name;          // general.name of the file
  std::string architecture;  // "llama"
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
  int kv_value_bytes = 4;      // of a key's or value's number, in memory

  // Keys and values of `tokens` tokens at 16 bits a value, in bytes: the unit
  // in which gist and full-context caches are compared.
  int64_t KvBytes(int64_t tokens) const {
    return tokens * layers * 2 * kv_heads * head_dim * 2;
  }
  // The same as they are held in memory.
  int64_t KvMemoryBytes(int64_t tokens) const {
    return KvBytes(tokens) / 2 * kv_value_bytes;
  }
  // Could `gists` be this model's? Their sizes say so; who made them, only the
  // fingerprint tells.
  bool HasShapeOf(const GistKv& gists) const {
    return gists.layers == layers && gists.kv_heads == kv_heads &&
           gists.head_dim == head_dim;
  }
};

// Gist embeddings and the LoRA that acts at gist positions only.
struct AdapterInfo {
  std::string name;
  std::string fingerprint;       // lower-case hex SHA-256 of config and weights
  int gist_tokens = 0;           // default number of gists for a document
  int gists_per_block = 0;       // g: the last block has those left over
  int block_overlap_tokens = 0;  // text left of its block that a gist also sees
  int segment_tokens = 0;        // 0: the whole document is one causal segment
  int max_document_tokens = 0;   // trained length; longer texts become groups
};

// LoRA that acts on question and answer, whatever they are asked of.
struct ReaderInfo {
  std::string name;         // empty: the engine has none
  std::string fingerprint;  // lower-case hex SHA-256 of config and weights
};

// Memory of the GPU that an engine runs on.
struct DeviceMemory {
  int64_t total_bytes = 0;
  int64_t used_bytes = 0;  // by all processes
  // Parts of used_bytes.
  int64_t weights_bytes = 0;    // of the base model
  int64_t kv_bytes = 0;         // of all sequences that live
  int64_t workspace_bytes = 0;  // activations, adapters, a training
  int64_t reserved_bytes = 0;   // free, and kept by the allocator for reuse
  // The most that weights, kv and workspace were together since the last
  // ForgetDevicePeak.
  int64_t peak_bytes = 0;

  // The rest: the driver's, and other processes'.
  int64_t other_bytes() const {
    return used_bytes - weights_bytes - kv_bytes - workspace_bytes -
           reserved_bytes;
  }
};

// A document being read, or a prompt being answered. Its KV lives inside the
// engine that made it and dies with it. Not thread-safe.
class Sequence {
 public:
  virtual ~Sequence() = default;
  // Positions held, the shared prefix included.
  virtual int tokens() const = 0;
  // Memory that the KV cache really holds, in bytes.
  virtual int64_t kv_bytes() const = 0;
};

struct DecodedToken {
  int32_t id = 0;
  bool end_of_turn = false;  // a stop token: `bytes` is empty
  std::string bytes;         // raw bytes; UTF-8 may be split between tokens
};

// Tokenize, model(), adapter(), reader(), device_memory() and StartTraining may
// be called from any thread; all else by one thread at a time (the
// scheduler's). A Sequence of another engine is a bug of the caller. Errors:
// kInvalidArgument (input), kOutOfRange (the model's context is full),
// kInternal (the backend threw).
class Engine {
 public:
  virtual ~Engine() = default;
  virtual const ModelInfo& model() const = 0;
  // The one in use now: UseAdapter may change it between two calls.
  virtual AdapterInfo adapter() const = 0;
  // The trained reader, which never changes while the process runs.
  virtual ReaderInfo reader() const { return {}; }
  // Starts DeviceMemory::peak_bytes anew. Any thread.
  virtual void ForgetDevicePeak() const {}
  // Now. Nothing on a CPU, or where the device does not tell.
  virtual std::optional<DeviceMemory> device_memory() const {
    return std::nullopt;
  }

  // User text as ids: text that looks like a special token stays text.
  // `text` is valid UTF-8.
  virtual absl::StatusOr<std::vector<int32_t>> Tokenize(
      std::string_view text) const = 0;
  // The question in the chat template's words: closes the user's turn and opens
  // the assistant's.
  virtual absl::StatusOr<std::vector<int32_t>> TokenizeQuestion(
      std::string_view question) const = 0;

  // A document that will be compressed by the adapter of now, also if another
  // one comes into use meanwhile; read in isolated segments of its
  // segment_tokens.
  virtual absl::StatusOr<std::unique_ptr<Sequence>> StartDocument() = 0;
  // A prompt: holds the shared prefix. Read causally.
  virtual absl::StatusOr<std::unique_ptr<Sequence>> StartPrompt(
      const Sampling& sampling) = 0;

  // Tokens that one Prefill call takes at most.
  virtual int max_chunk_tokens() const = 0;
  // Appends 1 to max_chunk_tokens() tokens. Up to kLateTokens of a prompt may
  // be read only by the next Decode, in one batch with other prompts'.
  static constexpr int kLateTokens = 31;
  virtual absl::Status Prefill(Sequence& sequence,
                               std::span<const int32_t> chunk) = 0;
  // The gists of what a document sequence holds. `gist_tokens`: 1 or more.
  virtual absl::StatusOr<GistKv> MakeGists(Sequence& document,
                                           int gist_tokens) = 0;
  // Appends gists to a prompt, at the positions after what it holds. May be
  // called again for further documents. kInvalidArgument: shape of another
  // model.
  virtual absl::Status LoadGists(Sequence& prompt, const GistKv& gists) = 0;
  // Cuts a prompt back to its first `tokens` positions, of which the last was
  // given by Prefill, as if nothing had come behind them; it samples anew. More
  // must be prefilled before it is decoded.
  virtual absl::Status Rewind(Sequence& prompt, int tokens,
                              const Sampling& sampling) = 0;
  // From now on, up to a Rewind, the trained reader reads and answers; what the
  // prompt holds is the frozen model's. kFailedPrecondition: there is none.
  virtual absl::Status UseReader(Sequence& prompt) = 0;
  // One token for each prompt, in one batch. Each has been prefilled.
  virtual absl::StatusOr<std::vector<DecodedToken>> Decode(
      std::span<Sequence* const> prompts) = 0;

  // Loads and checks the adapter in `folder`, then uses it for documents that
  // start from now on. After an error the old one stays: kNotFound,
  // kInvalidArgument, kDataLoss, kFailedPrecondition (of another model).
  virtual absl::Status UseAdapter(const std::string& folder) = 0;
  // Starts a training, or goes on with the one in spec.folder. The trainer
  // shares the model's weights and dies before the engine; it runs on a thread
  // of its own while the engine serves. kInvalidArgument: the spec asks for
  // what cannot be trained; kDataLoss: its checkpoint is damaged.
  virtual absl::StatusOr<std::unique_ptr<Trainer>> StartTraining(
      TrainSpec spec) = 0;
};

}  // namespace gist

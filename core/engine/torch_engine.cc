#include "core/engine/torch_engine.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <optional>
#include <utility>

#include "core/base/status.h"
#include "core/compress/methods/full_method.h"
#include "core/compress/methods/gist_method.h"
#include "core/model/adapter.h"
#include "core/model/base_model.h"
#include "core/model/device.h"
#include "core/model/sampler.h"
#include "core/model/transformer.h"
#include "core/text/chat_template.h"
#include "core/text/tokenizer.h"
#include "core/train/torch_trainer.h"

namespace gist {
namespace {

// A GPU spends its time on starting kernels, which are as many for 1,024 tokens
// as for one.
constexpr int kMaxChunkTokens = 256;
constexpr int kMaxChunkTokensOnGpu = 1024;

// One sequence's share of the engine's sum of KV bytes.
class KvShare {
 public:
  explicit KvShare(std::atomic<int64_t>& sum) : sum_(sum) {}
  ~KvShare() { sum_ -= bytes_; }
  KvShare(const KvShare&) = delete;
  KvShare& operator=(const KvShare&) = delete;
  void Set(int64_t bytes) {
    sum_ += bytes - bytes_;
    bytes_ = bytes;
  }

 private:
  std::atomic<int64_t>& sum_;
  int64_t bytes_ = 0;
};

// It keeps its method's adapter alive after UseAdapter.
struct Document final : DocumentSequence {
  Document(std::unique_ptr<Compression> method_state, Rung its_rung,
           std::atomic<int64_t>& kv_bytes_sum)
      : compression(std::move(method_state)),
        rung(its_rung),
        share(kv_bytes_sum) {
    UpdateShare();
  }
  int tokens() const override { return compression->tokens(); }
  int64_t kv_bytes() const override { return compression->kv_bytes(); }
  // To be called after a change of the caches.
  void UpdateShare() { share.Set(kv_bytes()); }

  const std::unique_ptr<Compression> compression;
  const Rung rung;
  KvShare share;
};

struct Prompt final : PromptSequence {
  Prompt(KvCache prefix, const Sampling& sampling,
         std::atomic<int64_t>& kv_bytes_sum)
      : cache(std::move(prefix)), sampler(sampling), share(kv_bytes_sum) {
    UpdateShare();
  }
  int tokens() const override { return cache.tokens() + int(unread.size()); }
  int64_t kv_bytes() const override { return cache.bytes(); }
  // To be called after a change of the cache.
  void UpdateShare() { share.Set(kv_bytes()); }

  KvCache cache;
  Sampler sampler;
  std::vector<float> logits;       // of the last token in `cache`
  std::vector<int32_t> unread;     // waits for the next Decode
  std::optional<int32_t> sampled;  // decoded, not yet in `unread`
  bool answers = false;            // has a token been decoded?
  const AnswerAdapter* answer_adapter = nullptr;  // null: the base model alone
  KvShare share;
};

// The engine's own type of a sequence that it made. The casts are safe because
// Engine requires sequences of this engine.
Document& Own(DocumentSequence& document) {
  return static_cast<Document&>(document);
}
Prompt& Own(PromptSequence& prompt) { return static_cast<Prompt&>(prompt); }

std::string LastName(const std::string& folder) {
  return (std::filesystem::path(folder) / "").parent_path().filename().string();
}

AdapterInfo Describe(const Adapter& adapter, const std::string& folder) {
  const AdapterConfig& config = adapter.config();
  return {.name = LastName(folder),
          .fingerprint = adapter.fingerprint(),
          .gist_tokens = config.gist_tokens,
          .gists_per_block = config.gists_per_block,
          .block_overlap_tokens = config.block_overlap_tokens,
          .segment_tokens = config.segment_tokens,
          .max_document_tokens = config.max_document_tokens};
}

class TorchEngine final : public Engine {
 public:
  explicit TorchEngine(BaseModel model)
      : base_(std::move(model)), prefix_(base_.transformer->NewCache()) {}

  // Reads the shared prefix, fills in what the engine says about itself and
  // loads the adapter.
  absl::Status Start(const TorchEngineOptions& options);

  const ModelInfo& model() const override { return model_info_; }
  AdapterInfo adapter() const override {
    const std::scoped_lock lock(adapter_mutex_);
    return adapter_info_;
  }
  AnswerAdapterInfo answer_adapter() const override {
    return answer_adapter_info_;
  }
  std::optional<DeviceMemory> device_memory() const override;
  void ForgetDevicePeak() const override { ForgetPeakOf(model_info_.device); }
  absl::StatusOr<std::vector<int32_t>> Tokenize(
      std::string_view text) const override {
    return base_.chat.Document(text, *base_.tokenizer);
  }
  absl::StatusOr<std::vector<int32_t>> TokenizeQuestion(
      std::string_view question) const override {
    return base_.chat.Question(question, *base_.tokenizer);
  }
  absl::StatusOr<std::unique_ptr<DocumentSequence>> StartDocument(
      Rung rung) override;
  absl::StatusOr<std::unique_ptr<PromptSequence>> StartPrompt(
      const Sampling& sampling) override {
    return std::make_unique<Prompt>(prefix_.Clone(), sampling, kv_bytes_);
  }
  int max_chunk_tokens() const override {
    return model_info_.device == "cpu" ? kMaxChunkTokens : kMaxChunkTokensOnGpu;
  }

  absl::Status Prefill(DocumentSequence& sequence,
                       std::span<const int32_t> chunk) override;
  absl::Status Prefill(PromptSequence& sequence,
                       std::span<const int32_t> chunk) override;
  absl::StatusOr<CompressedKv> Compress(DocumentSequence& sequence,
                                        const CompressionSpec& spec) override;
  absl::Status LoadKv(PromptSequence& sequence,
                      const CompressedKv& kv) override;
  absl::Status Rewind(PromptSequence& sequence, int tokens,
                      const Sampling& sampling) override;
  absl::Status UseAnswerAdapter(PromptSequence& sequence) override;
  absl::StatusOr<std::vector<DecodedToken>> Decode(
      std::span<PromptSequence* const> sequences) override;
  absl::Status UseAdapter(const std::string& folder) override;
  absl::StatusOr<std::unique_ptr<Trainer>> StartTraining(
      TrainSpec spec) override;

 private:
  absl::Status LoadAnswerAdapter(const std::string& folder);
  absl::Status CheckChunk(std::span<const int32_t> chunk) const;
  absl::Status CheckRoom(int held, size_t more) const;
  absl::Status PrefillPrompt(Prompt& prompt, std::span<const int32_t> chunk);
  absl::Status Read(std::span<Prompt* const> prompts);
  absl::Status ReadAll(Prompt& prompt);
  absl::Status ReadPending(std::span<PromptSequence* const> sequences);

  const BaseModel base_;
  std::shared_ptr<const Adapter> adapter_;               // null: none
  std::unique_ptr<const AnswerAdapter> answer_adapter_;  // null: none
  KvCache prefix_;
  ModelInfo model_info_;
  AnswerAdapterInfo answer_adapter_info_;
  std::atomic<int64_t> kv_bytes_{0};  // of all sequences that live
  mutable std::mutex adapter_mutex_;
  AdapterInfo adapter_info_;  // of adapter_; guarded by adapter_mutex_
};

absl::Status TorchEngine::Start(const TorchEngineOptions& options) {
  if (!base_.chat.prefix().empty()) {
    const ForwardItem prefix{.cache = &prefix_, .ids = base_.chat.prefix()};
    GIST_RETURN_IF_ERROR(base_.transformer->Forward({&prefix, 1}).status());
  }
  const ModelConfig& model = base_.transformer->config();
  model_info_ = {.name = model.name,
                 .architecture = std::string(model.architecture.name),
                 .fingerprint = base_.fingerprint,
                 .device = options.device,
                 .layers = model.layers,
                 .heads = model.heads,
                 .kv_heads = model.kv_heads,
                 .head_dim = model.head_dim,
                 .hidden_size = model.hidden_size,
                 .vocab_size = model.vocab_size,
                 .max_context_tokens = model.max_context_tokens,
                 .prefix_tokens = prefix_.tokens(),
                 .weight_bytes = base_.transformer->weight_bytes(),
                 .kv_value_bytes = base_.transformer->is_packed() ? 2 : 4};
  if (!options.answer_adapter_path.empty()) {
    const absl::Status loaded = LoadAnswerAdapter(options.answer_adapter_path);
    const bool fits_not =
        absl::IsNotFound(loaded) || absl::IsFailedPrecondition(loaded);
    if (options.answer_adapter_required || !fits_not)
      GIST_RETURN_IF_ERROR(loaded);
  }
  return UseAdapter(options.adapter_path);
}

absl::Status TorchEngine::LoadAnswerAdapter(const std::string& folder) {
  auto adapter =
      AnswerAdapter::Load(folder, base_.transformer->config(),
                          model_info_.fingerprint, model_info_.device);
  if (!adapter.ok())
    return Within("answer adapter " + folder, adapter.status());
  if (base_.transformer->is_packed()) (*adapter)->Pack();
  answer_adapter_ = *std::move(adapter);
  answer_adapter_info_ = {LastName(folder), answer_adapter_->fingerprint()};
  return absl::OkStatus();
}

// What the allocator has handed out and is neither weights nor sequences is
// workspace.
std::optional<DeviceMemory> TorchEngine::device_memory() const {
  const auto device = MemoryOf(model_info_.device);
  if (!device) return std::nullopt;
  DeviceMemory memory;
  memory.total_bytes = device->total_bytes;
  memory.used_bytes = device->total_bytes - device->free_bytes;
  memory.weights_bytes = model_info_.weight_bytes;
  memory.kv_bytes = kv_bytes_;
  memory.workspace_bytes = std::max<int64_t>(
      0, device->allocated_bytes - memory.weights_bytes - memory.kv_bytes);
  memory.reserved_bytes =
      std::max<int64_t>(0, device->reserved_bytes - device->allocated_bytes);
  memory.peak_bytes = device->peak_bytes;
  return memory;
}

absl::Status TorchEngine::UseAdapter(const std::string& folder) {
  if (folder.empty()) {
    adapter_.reset();
    const std::scoped_lock lock(adapter_mutex_);
    adapter_info_ = {};
    return absl::OkStatus();
  }
  auto adapter = Adapter::Load(folder, base_.transformer->config(),
                               model_info_.fingerprint, model_info_.device);
  if (!adapter.ok()) return Within("adapter " + folder, adapter.status());
  AdapterInfo info = Describe(**adapter, folder);
  if (base_.transformer->is_packed()) (*adapter)->Pack();
  adapter_ = *std::move(adapter);
  const std::scoped_lock lock(adapter_mutex_);
  adapter_info_ = std::move(info);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Trainer>> TorchEngine::StartTraining(
    TrainSpec spec) {
  if (spec.recipe.layout.lora_everywhere) {
    return absl::UnimplementedError(
        "recipe: layout.lora_everywhere is set, but an adapter is served at "
        "gist positions only: leave it out, or measure it with gist-train");
  }
  GIST_ASSIGN_OR_RETURN(auto trainer, MakeTorchTrainer(base_, std::move(spec)));
  return trainer;
}

absl::Status TorchEngine::CheckRoom(int held, size_t more) const {
  const size_t wanted = size_t(held) + more;
  if (wanted <= size_t(model_info_.max_context_tokens)) return absl::OkStatus();
  return absl::OutOfRangeError(fmt::format(
      "{} tokens after {} exceed the model's context of {} tokens: shorten the "
      "text, or ask from gists",
      more, held, model_info_.max_context_tokens));
}

absl::Status TorchEngine::CheckChunk(std::span<const int32_t> chunk) const {
  if (!chunk.empty() && chunk.size() <= size_t(max_chunk_tokens())) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(fmt::format(
      "prefill: {} tokens, want 1 to {}", chunk.size(), max_chunk_tokens()));
}

absl::Status TorchEngine::Prefill(DocumentSequence& sequence,
                                  std::span<const int32_t> chunk) {
  GIST_RETURN_IF_ERROR(CheckChunk(chunk));
  Document& document = Own(sequence);
  const absl::Status status = document.compression->Prefill(chunk);
  document.UpdateShare();
  return status;
}

absl::Status TorchEngine::Prefill(PromptSequence& sequence,
                                  std::span<const int32_t> chunk) {
  GIST_RETURN_IF_ERROR(CheckChunk(chunk));
  Prompt& prompt = Own(sequence);
  const absl::Status status = PrefillPrompt(prompt, chunk);
  prompt.UpdateShare();
  return status;
}

absl::Status TorchEngine::PrefillPrompt(Prompt& prompt,
                                        std::span<const int32_t> chunk) {
  GIST_RETURN_IF_ERROR(CheckRoom(prompt.tokens(), chunk.size()));
  GIST_RETURN_IF_ERROR(ReadAll(prompt));
  prompt.sampled.reset();
  prompt.answers = false;
  prompt.unread.assign(chunk.begin(), chunk.end());
  if (chunk.size() <= kLateTokens) return absl::OkStatus();
  const absl::Status status = ReadAll(prompt);
  if (!status.ok()) prompt.unread.clear();  // as if it had not been called
  return status;
}

// Reads what is unread of these, in one batch.
absl::Status TorchEngine::Read(std::span<Prompt* const> prompts) {
  std::vector<ForwardItem> items;
  for (Prompt* prompt : prompts) {
    items.push_back({.cache = &prompt->cache,
                     .ids = prompt->unread,
                     .logits = LogitRows::kLast,
                     .answer_adapter = prompt->answer_adapter});
  }
  if (items.empty()) return absl::OkStatus();
  GIST_ASSIGN_OR_RETURN(auto logits, base_.transformer->Forward(items));
  for (size_t i = 0; i < prompts.size(); ++i) {
    prompts[i]->logits = std::move(logits[i]);
    prompts[i]->unread.clear();
    prompts[i]->UpdateShare();
  }
  return absl::OkStatus();
}

absl::Status TorchEngine::ReadAll(Prompt& prompt) {
  Prompt* const one[] = {&prompt};
  return prompt.unread.empty() ? absl::OkStatus() : Read(one);
}

absl::StatusOr<std::unique_ptr<DocumentSequence>> TorchEngine::StartDocument(
    Rung rung) {
  const Transformer& model = *base_.transformer;
  std::unique_ptr<Compression> compression;
  if (rung == Rung::kGist) {
    if (adapter_ == nullptr)
      return absl::FailedPreconditionError("no gist adapter is loaded");
    GIST_ASSIGN_OR_RETURN(compression,
                          GistMethod(model, prefix_, adapter_).Begin());
  } else if (rung == Rung::kFull) {
    GIST_ASSIGN_OR_RETURN(compression, FullMethod(model, prefix_).Begin());
  } else {
    return absl::UnimplementedError(
        fmt::format("no compression method makes the rung {:?} yet: ask for "
                    "gist or full",
                    RungName(rung)));
  }
  return std::make_unique<Document>(std::move(compression), rung, kv_bytes_);
}

absl::StatusOr<CompressedKv> TorchEngine::Compress(
    DocumentSequence& sequence, const CompressionSpec& spec) {
  Document& document = Own(sequence);
  if (document.rung == spec.rung) return document.compression->Finish(spec);
  return absl::InvalidArgumentError(
      fmt::format("a document started for the rung {:?} cannot become {:?}",
                  RungName(document.rung), RungName(spec.rung)));
}

absl::Status TorchEngine::LoadKv(PromptSequence& sequence,
                                 const CompressedKv& kv) {
  Prompt& prompt = Own(sequence);
  GIST_RETURN_IF_ERROR(CheckDense(kv));
  GIST_RETURN_IF_ERROR(CheckRoom(prompt.tokens(), kv.MostSlots()));
  GIST_RETURN_IF_ERROR(ReadAll(prompt));
  const absl::Status status =
      base_.transformer->LoadGists(ToDense(kv), &prompt.cache);
  prompt.UpdateShare();
  return status;
}

absl::Status TorchEngine::Rewind(PromptSequence& sequence, int tokens,
                                 const Sampling& sampling) {
  Prompt& prompt = Own(sequence);
  if (tokens < prefix_.tokens() || tokens > prompt.tokens()) {
    return absl::InvalidArgumentError(
        fmt::format("rewind: to {} tokens, want {} to {}", tokens,
                    prefix_.tokens(), prompt.tokens()));
  }
  if (tokens > prompt.cache.tokens()) GIST_RETURN_IF_ERROR(ReadAll(prompt));
  prompt.cache.Truncate(tokens);
  prompt.unread.clear();
  prompt.answer_adapter = nullptr;
  prompt.sampler = Sampler(sampling);
  prompt.logits.clear();
  prompt.sampled.reset();
  return absl::OkStatus();
}

absl::Status TorchEngine::UseAnswerAdapter(PromptSequence& sequence) {
  if (!answer_adapter_)
    return absl::FailedPreconditionError("no answer adapter is loaded");
  Prompt& prompt = Own(sequence);
  GIST_RETURN_IF_ERROR(ReadAll(prompt));
  prompt.answer_adapter = answer_adapter_.get();
  return absl::OkStatus();
}

// What was sampled last is read only when another token is wanted, so that the
// last token of an answer costs no forward pass.
absl::Status TorchEngine::ReadPending(
    std::span<PromptSequence* const> sequences) {
  std::vector<Prompt*> prompts;
  for (PromptSequence* sequence : sequences) {
    Prompt& prompt = Own(*sequence);
    if (prompt.sampled) {
      GIST_RETURN_IF_ERROR(CheckRoom(prompt.tokens(), 1));
      prompt.unread = {*std::exchange(prompt.sampled, std::nullopt)};
    }
    if (!prompt.unread.empty()) prompts.push_back(&prompt);
  }
  return Read(prompts);
}

absl::StatusOr<std::vector<DecodedToken>> TorchEngine::Decode(
    std::span<PromptSequence* const> sequences) {
  GIST_RETURN_IF_ERROR(ReadPending(sequences));
  // All are checked before one is sampled: an error leaves every prompt as it
  // is, to be decoded alone.
  for (PromptSequence* sequence : sequences) {
    const Prompt& prompt = Own(*sequence);
    if (prompt.logits.empty()) {
      return absl::InvalidArgumentError(
          "decode: a prompt that was not prefilled");
    }
    GIST_RETURN_IF_ERROR(CheckLogits(prompt.logits));
  }
  std::vector<DecodedToken> tokens;
  for (PromptSequence* sequence : sequences) {
    Prompt& prompt = Own(*sequence);
    const int32_t id = prompt.sampler.Next(prompt.logits);
    prompt.sampled = id;
    const bool is_first = !std::exchange(prompt.answers, true);
    const bool ends = base_.chat.IsEndOfTurn(id);
    const auto bytes = base_.tokenizer->AnswerBytes(id, is_first);
    tokens.push_back({.id = id,
                      .end_of_turn = ends,
                      .bytes = std::string(ends ? "" : bytes)});
  }
  return tokens;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> MakeTorchEngine(
    const TorchEngineOptions& options) {
  GIST_RETURN_IF_ERROR(PrepareDevice(options.device));
  SetThreads(options.threads);
  GIST_ASSIGN_OR_RETURN(BaseModel model,
                        LoadBaseModel(options.model_path, options.device,
                                      options.weights, options.chat_template));
  auto engine = std::make_unique<TorchEngine>(std::move(model));
  GIST_RETURN_IF_ERROR(engine->Start(options));
  return engine;
}

}  // namespace gist

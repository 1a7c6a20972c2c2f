#include "core/torch_engine.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/format/gguf.h"
#include "core/format/mapped_file.h"
#include "core/gist/sampler.h"
#include "core/model/adapter.h"
#include "core/model/device.h"
#include "core/model/transformer.h"
#include "core/model_file.h"
#include "core/text/chat_template.h"
#include "core/text/tokenizer.h"

namespace gist {
namespace {

constexpr int kMaxChunkTokens = 256;

// Read in isolated segments: `segment` restarts from the shared prefix at each
// border, while `plain` collects the whole document's keys before RoPE.
struct Document final : Sequence {
  explicit Document(KvCache segment_cache, KvCache plain_cache)
      : segment(std::move(segment_cache)), plain(std::move(plain_cache)) {}
  int tokens() const override { return plain.tokens(); }
  int64_t kv_bytes() const override { return segment.bytes() + plain.bytes(); }

  KvCache segment;
  KvCache plain;
};

struct Prompt final : Sequence {
  Prompt(KvCache prefix, const Sampling& sampling)
      : cache(std::move(prefix)), sampler(sampling) {}
  int tokens() const override { return cache.tokens(); }
  int64_t kv_bytes() const override { return cache.bytes(); }

  KvCache cache;
  Sampler sampler;
  std::vector<float> logits;       // of the last token read
  std::optional<int32_t> pending;  // sampled, not yet read
};

// What a model file holds.
struct ModelParts {
  std::unique_ptr<Tokenizer> tokenizer;
  ChatTemplate chat;
  std::unique_ptr<Transformer> transformer;
};

absl::StatusOr<ModelParts> LoadModel(std::shared_ptr<const MappedFile> mapped,
                                     const TorchEngineOptions& options) {
  GIST_ASSIGN_OR_RETURN(const Gguf file, Gguf::Parse(mapped->bytes()));
  GIST_ASSIGN_OR_RETURN(auto tokenizer, TokenizerFromGguf(file));
  GIST_ASSIGN_OR_RETURN(const std::string jinja,
                        file.String("tokenizer.chat_template"));
  GIST_ASSIGN_OR_RETURN(ChatTemplate chat, ChatTemplate::Recognise(jinja, *tokenizer));
  std::shared_ptr<const MappedFile> quantized;
  if (options.weights == WeightStorage::kQuantized) quantized = std::move(mapped);
  GIST_ASSIGN_OR_RETURN(auto transformer, Transformer::Load(file, options.device,
                                                           std::move(quantized)));
  return ModelParts{std::move(tokenizer), std::move(chat), std::move(transformer)};
}

class TorchEngine final : public Engine {
 public:
  TorchEngine(ModelParts model, std::unique_ptr<Adapter> adapter)
      : tokenizer_(std::move(model.tokenizer)),
        chat_(std::move(model.chat)),
        transformer_(std::move(model.transformer)),
        adapter_(std::move(adapter)),
        prefix_(transformer_->NewCache()) {}

  // Reads the shared prefix and fills in what the engine says about itself.
  absl::Status Start(const TorchEngineOptions& options, std::string fingerprint);

  const ModelInfo& model() const override { return model_info_; }
  const AdapterInfo& adapter() const override { return adapter_info_; }
  absl::StatusOr<std::vector<int32_t>> Tokenize(std::string_view text) const override {
    return tokenizer_->Encode(text);
  }
  absl::StatusOr<std::vector<int32_t>> TokenizeQuestion(
      std::string_view question) const override {
    return chat_.Question(question, *tokenizer_);
  }
  absl::StatusOr<std::unique_ptr<Sequence>> StartDocument() override {
    return std::make_unique<Document>(prefix_.Clone(), transformer_->NewCache());
  }
  absl::StatusOr<std::unique_ptr<Sequence>> StartPrompt(
      const Sampling& sampling) override {
    return std::make_unique<Prompt>(prefix_.Clone(), sampling);
  }
  int max_chunk_tokens() const override { return kMaxChunkTokens; }

  absl::Status Prefill(Sequence& sequence, std::span<const int32_t> chunk) override;
  absl::StatusOr<GistKv> MakeGists(Sequence& document, int gist_tokens) override;
  absl::Status LoadGists(Sequence& prompt, const GistKv& gists) override;
  absl::StatusOr<std::vector<DecodedToken>> Decode(
      std::span<Sequence* const> prompts) override;

 private:
  absl::Status CheckRoom(int held, size_t more) const;
  absl::Status PrefillDocument(Document& document, std::span<const int32_t> chunk);
  absl::Status PrefillPrompt(Prompt& prompt, std::span<const int32_t> chunk);
  absl::Status ReadPending(std::span<Sequence* const> prompts);

  std::unique_ptr<Tokenizer> tokenizer_;
  ChatTemplate chat_;
  std::unique_ptr<Transformer> transformer_;
  std::unique_ptr<Adapter> adapter_;
  KvCache prefix_;
  ModelInfo model_info_;
  AdapterInfo adapter_info_;
};

absl::Status TorchEngine::Start(const TorchEngineOptions& options,
                                std::string fingerprint) {
  if (!chat_.prefix().empty()) {
    const ForwardItem prefix{.cache = &prefix_, .ids = chat_.prefix()};
    GIST_RETURN_IF_ERROR(transformer_->Forward({&prefix, 1}).status());
  }
  const ModelConfig& model = transformer_->config();
  model_info_ = {.name = model.name,
                 .architecture = "llama",
                 .fingerprint = std::move(fingerprint),
                 .device = options.device,
                 .layers = model.layers,
                 .heads = model.heads,
                 .kv_heads = model.kv_heads,
                 .head_dim = model.head_dim,
                 .hidden_size = model.hidden_size,
                 .vocab_size = model.vocab_size,
                 .max_context_tokens = model.max_context_tokens,
                 .prefix_tokens = prefix_.tokens(),
                 .weight_bytes = transformer_->weight_bytes()};
  const AdapterConfig& adapter = adapter_->config();
  const std::filesystem::path folder(options.adapter_path);
  adapter_info_ = {.name = (folder / "").parent_path().filename().string(),
                   .fingerprint = adapter_->fingerprint(),
                   .gist_tokens = adapter.gist_tokens,
                   .gists_per_block = adapter.gists_per_block,
                   .block_overlap_tokens = adapter.block_overlap_tokens,
                   .segment_tokens = adapter.segment_tokens,
                   .max_document_tokens = adapter.max_document_tokens};
  return absl::OkStatus();
}

absl::Status TorchEngine::CheckRoom(int held, size_t more) const {
  const size_t wanted = size_t(held) + more;
  if (wanted <= size_t(model_info_.max_context_tokens)) return absl::OkStatus();
  return absl::OutOfRangeError(fmt::format(
      "{} tokens after {} exceed the model's context of {} tokens: shorten the "
      "text, or ask from gists",
      more, held, model_info_.max_context_tokens));
}

absl::Status TorchEngine::Prefill(Sequence& sequence,
                                  std::span<const int32_t> chunk) {
  if (chunk.empty() || chunk.size() > kMaxChunkTokens) {
    return absl::InvalidArgumentError(
        fmt::format("prefill: {} tokens, want 1 to {}", chunk.size(), kMaxChunkTokens));
  }
  if (auto* document = dynamic_cast<Document*>(&sequence)) {
    return PrefillDocument(*document, chunk);
  }
  return PrefillPrompt(dynamic_cast<Prompt&>(sequence), chunk);
}

absl::Status TorchEngine::PrefillDocument(Document& document,
                                          std::span<const int32_t> chunk) {
  const size_t segment_tokens = size_t(adapter_->config().segment_tokens);
  while (!chunk.empty()) {
    size_t take = chunk.size();
    if (segment_tokens > 0) {
      const size_t into = size_t(document.tokens()) % segment_tokens;
      if (into == 0) document.segment.Truncate(prefix_.tokens());
      take = std::min(take, segment_tokens - into);
    }
    GIST_RETURN_IF_ERROR(CheckRoom(document.segment.tokens(), take));
    const ForwardItem item{.cache = &document.segment,
                           .ids = chunk.first(take),
                           .plain = &document.plain};
    GIST_RETURN_IF_ERROR(transformer_->Forward({&item, 1}).status());
    chunk = chunk.subspan(take);
  }
  return absl::OkStatus();
}

absl::Status TorchEngine::PrefillPrompt(Prompt& prompt,
                                        std::span<const int32_t> chunk) {
  GIST_RETURN_IF_ERROR(CheckRoom(prompt.tokens(), chunk.size()));
  const ForwardItem item{
      .cache = &prompt.cache, .ids = chunk, .logits = LogitRows::kLast};
  GIST_ASSIGN_OR_RETURN(auto logits, transformer_->Forward({&item, 1}));
  prompt.logits = std::move(logits[0]);
  prompt.pending.reset();
  return absl::OkStatus();
}

absl::StatusOr<GistKv> TorchEngine::MakeGists(Sequence& sequence, int gist_tokens) {
  const auto& document = dynamic_cast<Document&>(sequence);
  const AdapterConfig& adapter = adapter_->config();
  const MaskShape shape{.context_tokens = document.tokens(),
                        .gist_tokens = gist_tokens,
                        .prefix_tokens = prefix_.tokens(),
                        .gists_per_block = adapter.gists_per_block,
                        .block_overlap_tokens = adapter.block_overlap_tokens,
                        .segment_tokens = adapter.segment_tokens};
  return transformer_->WriteGists(prefix_, document.plain, shape, *adapter_);
}

absl::Status TorchEngine::LoadGists(Sequence& sequence, const GistKv& gists) {
  auto& prompt = dynamic_cast<Prompt&>(sequence);
  GIST_RETURN_IF_ERROR(CheckRoom(prompt.tokens(), size_t(gists.gist_tokens)));
  return transformer_->LoadGists(gists, &prompt.cache);
}

// What was sampled last is read only when another token is wanted, so that the
// last token of an answer costs no forward pass.
absl::Status TorchEngine::ReadPending(std::span<Sequence* const> prompts) {
  std::vector<ForwardItem> items;
  std::vector<Prompt*> readers;
  for (Sequence* sequence : prompts) {
    auto& prompt = dynamic_cast<Prompt&>(*sequence);
    if (!prompt.pending) continue;
    GIST_RETURN_IF_ERROR(CheckRoom(prompt.tokens(), 1));
    items.push_back({.cache = &prompt.cache,
                     .ids = {&*prompt.pending, 1},
                     .logits = LogitRows::kLast});
    readers.push_back(&prompt);
  }
  if (items.empty()) return absl::OkStatus();
  GIST_ASSIGN_OR_RETURN(auto logits, transformer_->Forward(items));
  for (size_t i = 0; i < readers.size(); ++i) {
    readers[i]->logits = std::move(logits[i]);
    readers[i]->pending.reset();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<DecodedToken>> TorchEngine::Decode(
    std::span<Sequence* const> prompts) {
  GIST_RETURN_IF_ERROR(ReadPending(prompts));
  std::vector<DecodedToken> tokens;
  for (Sequence* sequence : prompts) {
    auto& prompt = dynamic_cast<Prompt&>(*sequence);
    if (prompt.logits.empty()) {
      return absl::InvalidArgumentError("decode: a prompt that was not prefilled");
    }
    const int32_t id = prompt.sampler.Next(prompt.logits);
    prompt.pending = id;
    tokens.push_back({.id = id,
                      .end_of_turn = id == chat_.end_of_turn(),
                      .bytes = std::string(tokenizer_->Bytes(id))});
  }
  return tokens;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> MakeTorchEngine(
    const TorchEngineOptions& options) {
  GIST_RETURN_IF_ERROR(PrepareDevice(options.device));
  SetThreads(options.threads);
  GIST_ASSIGN_OR_RETURN(MappedFile opened, MappedFile::Open(options.model_path));
  const auto file = std::make_shared<const MappedFile>(std::move(opened));
  auto parts = LoadModel(file, options);
  if (!parts.ok()) return Within("model " + options.model_path, parts.status());
  std::string fingerprint = Sha256Hex(file->bytes());
  auto adapter = Adapter::Load(options.adapter_path, parts->transformer->config(),
                               fingerprint, options.device);
  if (!adapter.ok()) {
    return Within("adapter " + options.adapter_path, adapter.status());
  }
  auto engine = std::make_unique<TorchEngine>(*std::move(parts), *std::move(adapter));
  GIST_RETURN_IF_ERROR(engine->Start(options, std::move(fingerprint)));
  return engine;
}

}  // namespace gist

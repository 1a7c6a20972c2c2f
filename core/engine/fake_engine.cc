#include "core/engine/fake_engine.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <thread>
#include <utility>

#include "core/base/status.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace gist {
namespace {

constexpr int kFactBytes = 7;  // "#a1b2c3", or a passkey behind a space
constexpr int32_t kQuestionToken = 256;
constexpr int32_t kFirstWord = 257;
constexpr int kKvBytes = 64;  // of a token
constexpr std::string_view kPhrase = "secret passkey is ";

uint32_t Hash(std::string_view text) {  // FNV-1a
  uint32_t hash = 2166136261u;
  for (const unsigned char byte : text) hash = (hash ^ byte) * 16777619u;
  return hash;
}

std::string Fingerprint(std::string_view seed) {
  std::string digits;
  for (int part = 0; part < 8; ++part) {
    digits += fmt::format("{:08x}", Hash(fmt::format("{}{}", seed, part)));
  }
  return digits;
}

// All passkeys of a text, or six digits of its hash.
std::vector<std::string> Facts(std::string_view text) {
  std::vector<std::string> facts;
  size_t at = text.find(kPhrase);
  for (; at != text.npos; at = text.find(kPhrase, at + 1)) {
    facts.emplace_back(text.substr(at + kPhrase.size(), kFactBytes - 1));
  }
  if (facts.empty()) {
    facts.push_back(fmt::format("#{:06x}", Hash(text) & 0xffffff));
  }
  return facts;
}

// The first fact goes into every gist: keys hold its bytes, values the length,
// whether this gist is the first of its document, and the adapter's mark.
GistKv GistsOf(const ModelInfo& model, std::string_view text, int gist_tokens,
               float mark) {
  GistKv gists{
      model.layers, model.kv_heads, gist_tokens, model.head_dim, {}, {}};
  gists.keys.resize(gists.Elements());
  gists.values.resize(gists.Elements());
  const std::string fact = Facts(text).front();
  for (size_t i = 0; i < gists.Elements(); ++i) {
    const size_t dim = i % size_t(model.head_dim);
    const size_t gist = i / size_t(model.head_dim) % size_t(gist_tokens);
    gists.keys[i] = dim < fact.size() ? float(uint8_t(fact[dim])) : 0.0f;
    const float row[] = {float(fact.size()), gist == 0 ? 1.0f : 0.0f, mark};
    gists.values[i] = dim < std::size(row) ? row[dim] : 0.0f;
  }
  return gists;
}

// A slot for each token; the first ones carry the text's facts, so that the
// answer is the text's. Int8 keeps the numbers within half of one.
absl::StatusOr<CompressedKv> FullOf(const ModelInfo& model,
                                    std::string_view text, int tokens,
                                    KvStorage storage) {
  GistKv full{model.layers, model.kv_heads, tokens, model.head_dim};
  full.keys.resize(full.Elements());
  full.values.resize(full.Elements());
  const std::vector<std::string> facts = Facts(text);
  for (size_t slot = 0; slot < full.Elements() / size_t(full.head_dim);
       ++slot) {
    const size_t place = slot % size_t(tokens);
    if (place >= facts.size()) continue;
    const size_t row = slot * size_t(full.head_dim);
    for (size_t i = 0; i < facts[place].size(); ++i)
      full.keys[row + i] = float(uint8_t(facts[place][i]));
    full.values[row] = float(facts[place].size());
    full.values[row + 1] = 1;
  }
  CompressedKv kv = FromDense(full);
  for (size_t slot = 0; slot < kv.TotalSlots(); ++slot)
    kv.positions.push_back(uint32_t(slot % size_t(tokens)));
  return InStorage(std::move(kv), storage);
}

void ReadFacts(const GistKv& slots, std::vector<std::string>& facts) {
  for (int slot = 0; slot < slots.gist_tokens; ++slot) {
    const size_t row = size_t(slot) * size_t(slots.head_dim);
    if (std::lround(slots.values[row + 1]) != 1) continue;
    const int size =
        std::clamp(int(std::lround(slots.values[row])), 0, slots.head_dim);
    std::string fact;
    for (int i = 0; i < size; ++i) {
      fact.push_back(char(uint8_t(std::lround(slots.keys[row + size_t(i)]))));
    }
    facts.push_back(fact);
  }
}

// Words keep the space behind them, so that joining them gives the text.
std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    size_t end = text.find_first_of(" \n\t");
    end = end == text.npos ? text.size() : end + 1;
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return words;
}

// Positions of one live sequence, as part of the engine's counts.
class FakeKv {
 public:
  FakeKv(int tokens, FakeEngineCounts& counts) : counts_(counts) {
    ++counts_.live_sequences;
    Hold(tokens);
  }
  ~FakeKv() {
    Hold(0);
    --counts_.live_sequences;
  }
  FakeKv(const FakeKv&) = delete;
  FakeKv& operator=(const FakeKv&) = delete;
  int tokens() const { return tokens_; }
  int64_t bytes() const { return tokens_ * kKvBytes; }
  void Hold(int tokens) {
    counts_.live_kv_bytes += int64_t(tokens - tokens_) * kKvBytes;
    counts_.most_kv_bytes =
        std::max(counts_.most_kv_bytes.load(), counts_.live_kv_bytes.load());
    tokens_ = tokens;
  }
  void Append(int tokens) { Hold(tokens_ + tokens); }

 private:
  FakeEngineCounts& counts_;
  int tokens_ = 0;
};

class FakeDocument : public DocumentSequence {
 public:
  FakeDocument(Rung its_rung, AdapterInfo its_adapter, int prefix_tokens,
               FakeEngineCounts& counts)
      : rung(its_rung),
        adapter(std::move(its_adapter)),
        kv(prefix_tokens, counts),
        prefix_tokens_(prefix_tokens) {}
  int tokens() const override { return kv.tokens() - prefix_tokens_; }
  int64_t kv_bytes() const override { return kv.bytes(); }

  const Rung rung;
  const AdapterInfo adapter;  // of the document's start
  FakeKv kv;                  // the shared prefix included
  std::string text;

 private:
  const int prefix_tokens_;
};

}  // namespace

class FakePrompt : public PromptSequence {
 public:
  FakePrompt(const Sampling& how, int prefix_tokens, FakeEngineCounts& counts)
      : sampling(how), kv(prefix_tokens, counts) {}
  int tokens() const override { return kv.tokens(); }
  int64_t kv_bytes() const override { return kv.bytes(); }

  Sampling sampling;
  FakeKv kv;
  std::vector<std::string> facts;  // of loaded gists
  std::string text;                // prefilled, before the question
  std::string question;
  bool in_question = false;
  bool answer_adapter = false;
  std::vector<int32_t> read;  // the tokens of text and question
  bool answering = false;
  std::vector<std::string> answer;  // pieces
  size_t next_piece = 0;
};

namespace {

// As TorchEngine's: Engine requires sequences of this engine.
FakeDocument& Fake(DocumentSequence& document) {
  return static_cast<FakeDocument&>(document);
}
FakePrompt& Fake(PromptSequence& prompt) {
  return static_cast<FakePrompt&>(prompt);
}

std::string AnswerOf(const FakePrompt& prompt) {
  std::vector<std::string> facts = prompt.facts;
  if (!prompt.text.empty()) {
    for (auto& fact : Facts(prompt.text)) facts.push_back(std::move(fact));
  }
  std::string answer = fmt::format("Found {}. You asked: {}",
                                   fmt::join(facts, ", "), prompt.question);
  if (prompt.answer_adapter) answer = "Read: " + answer;
  if (prompt.sampling.temperature > 0) {
    answer += fmt::format(" (seed {})", prompt.sampling.seed);
  }
  return answer;
}

ModelInfo FakeModel(const FakeEngineOptions& options) {
  ModelInfo model;
  model.name = "fake model";
  model.architecture = "fake";
  model.fingerprint = Fingerprint(options.model_seed);
  model.device = options.device;
  model.layers = 2;
  model.heads = 2;
  model.kv_heads = 1;
  model.head_dim = 8;
  model.hidden_size = 16;
  model.vocab_size = kFirstWord;
  model.max_context_tokens = options.max_context_tokens;
  model.prefix_tokens = options.prefix_tokens;
  model.weight_bytes = 1;
  return model;
}

AdapterInfo FakeAdapter(const FakeEngineOptions& options) {
  AdapterInfo adapter;
  adapter.name = "fake adapter";
  adapter.fingerprint = Fingerprint("adapter");
  adapter.gist_tokens = options.gist_tokens;
  adapter.gists_per_block = options.gists_per_block;
  adapter.segment_tokens = options.segment_tokens;
  adapter.max_document_tokens = options.max_document_tokens;
  return adapter;
}

}  // namespace

// One engine call: notices a second one at the same time, waits the delay.
class FakeEngine::Call {
 public:
  explicit Call(FakeEngine& engine) : engine_(engine) {
    if (engine_.in_call_.exchange(true)) ++engine_.counts_.overlapping_calls;
  }
  ~Call() { engine_.in_call_ = false; }
  absl::Status Begin(std::string_view name, bool slow) {
    if (slow && engine_.options_.step_delay.count() > 0) {
      std::this_thread::sleep_for(engine_.options_.step_delay);
    }
    const auto& before_call = engine_.options_.before_call;
    return before_call ? before_call(name) : absl::OkStatus();
  }

 private:
  FakeEngine& engine_;
};

FakeEngine::FakeEngine(FakeEngineOptions options)
    : options_(std::move(options)),
      model_(FakeModel(options_)),
      adapter_(options_.has_adapter ? FakeAdapter(options_) : AdapterInfo()) {
  options_.trainer.model_fingerprint = model_.fingerprint;
}

FakeEngine::~FakeEngine() = default;

FakeEngineOptions FakeOptionsFor(const std::string& device) {
  FakeEngineOptions options;
  options.device = device;
  if (const char* const delay = std::getenv("GIST_FAKE_STEP_MICROSECONDS")) {
    options.step_delay = std::chrono::microseconds(std::atoi(delay));
    options.trainer.step_delay = options.step_delay;
  }
  return options;
}

std::optional<DeviceMemory> FakeEngine::device_memory() const {
  if (model_.device == "cpu") return std::nullopt;
  DeviceMemory memory{.total_bytes = int64_t{24} << 30,
                      .weights_bytes = 600'000'000,
                      .kv_bytes = counts_.live_kv_bytes,
                      .workspace_bytes = 300'000'000,
                      .reserved_bytes = 100'000'000};
  memory.peak_bytes =
      memory.weights_bytes + memory.workspace_bytes + counts_.most_kv_bytes;
  memory.used_bytes = 2'000'000'000 + memory.weights_bytes + memory.kv_bytes +
                      memory.workspace_bytes + memory.reserved_bytes;
  return memory;
}

AnswerAdapterInfo FakeEngine::answer_adapter() const {
  if (!options_.has_answer_adapter) return {};
  return {"fake answer adapter", Fingerprint("answer adapter")};
}

absl::Status FakeEngine::UseAnswerAdapter(PromptSequence& sequence) {
  Call call(*this);
  GIST_RETURN_IF_ERROR(call.Begin("UseAnswerAdapter", false));
  FakePrompt& prompt = Fake(sequence);
  // The answer adapter must act on the whole question.
  if (prompt.in_question)
    return absl::InternalError("answer adapter: too late");
  prompt.answer_adapter = true;
  return absl::OkStatus();
}

float FakeEngine::MarkOf(std::string_view adapter_fingerprint) {
  return float(Hash(adapter_fingerprint) % 100);
}

AdapterInfo FakeEngine::adapter() const {
  const std::scoped_lock lock(mutex_);
  return adapter_;
}

absl::Status FakeEngine::UseAdapter(const std::string& folder) {
  Call call(*this);
  GIST_RETURN_IF_ERROR(call.Begin("UseAdapter", false));
  if (folder.empty()) {
    const std::scoped_lock lock(mutex_);
    adapter_ = {};
    return absl::OkStatus();
  }
  GIST_ASSIGN_OR_RETURN(const FakeAdapterFile file, ReadFakeAdapter(folder));
  AdapterInfo info = FakeAdapter(options_);
  if (file.is_fake) {
    if (!file.model_fingerprint.empty() &&
        file.model_fingerprint != model_.fingerprint) {
      return absl::FailedPreconditionError(
          fmt::format("adapter {}: trained on the model {}, this one is {}",
                      folder, file.model_fingerprint, model_.fingerprint));
    }
    info.name = folder.substr(folder.rfind('/') + 1);
    info.fingerprint = Fingerprint(file.text);
    info.gist_tokens = file.gist_tokens;
  }
  const std::scoped_lock lock(mutex_);
  adapter_ = std::move(info);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Trainer>> FakeEngine::StartTraining(
    TrainSpec spec) {
  return MakeFakeTrainer(std::move(spec), options_.trainer);
}

absl::StatusOr<std::vector<int32_t>> FakeEngine::Tokenize(
    std::string_view text) const {
  if (options_.tokens == FakeEngineOptions::Tokens::kBytes) {
    std::vector<int32_t> bytes;
    for (const unsigned char byte : text) bytes.push_back(byte);
    return bytes;
  }
  std::vector<int32_t> ids;
  const std::scoped_lock lock(mutex_);
  for (std::string& word : Words(text)) {
    const int32_t next = kFirstWord + int32_t(words_.size());
    const auto [entry, is_new] = word_ids_.emplace(word, next);
    if (is_new) words_.push_back(std::move(word));
    ids.push_back(entry->second);
  }
  return ids;
}

absl::StatusOr<std::vector<int32_t>> FakeEngine::TokenizeQuestion(
    std::string_view question) const {
  GIST_ASSIGN_OR_RETURN(std::vector<int32_t> ids, Tokenize(question));
  ids.insert(ids.begin(), kQuestionToken);
  return ids;
}

std::string FakeEngine::Piece(int32_t token) const {
  if (token < 256) return std::string(1, char(uint8_t(token)));
  const std::scoped_lock lock(mutex_);
  return words_.at(size_t(token - kFirstWord));
}

absl::StatusOr<std::unique_ptr<DocumentSequence>> FakeEngine::StartDocument(
    Rung rung) {
  Call call(*this);
  GIST_RETURN_IF_ERROR(call.Begin("StartDocument", false));
  if (rung != Rung::kGist && rung != Rung::kFull) {
    return absl::UnimplementedError("no method of this rung");
  }
  if (rung == Rung::kGist && !adapter().is_loaded())
    return absl::FailedPreconditionError("no gist adapter is loaded");
  return std::make_unique<FakeDocument>(rung, adapter(), model_.prefix_tokens,
                                        counts_);
}

absl::StatusOr<std::unique_ptr<PromptSequence>> FakeEngine::StartPrompt(
    const Sampling& sampling) {
  Call call(*this);
  GIST_RETURN_IF_ERROR(call.Begin("StartPrompt", false));
  return std::make_unique<FakePrompt>(sampling, model_.prefix_tokens, counts_);
}

void FakeEngine::Read(FakePrompt& prompt,
                      std::span<const int32_t> tokens) const {
  for (const int32_t token : tokens) {
    prompt.read.push_back(token);
    if (token == kQuestionToken) {
      prompt.in_question = true;
    } else if (prompt.answer_adapter && !prompt.in_question) {
      prompt.text += "(text read with the answer adapter)";
    } else {
      (prompt.in_question ? prompt.question : prompt.text) += Piece(token);
    }
  }
  prompt.kv.Append(int(tokens.size()));
}

absl::Status FakeEngine::Rewind(PromptSequence& sequence, int tokens,
                                const Sampling& sampling) {
  Call call(*this);
  GIST_RETURN_IF_ERROR(call.Begin("Rewind", false));
  FakePrompt& prompt = Fake(sequence);
  const int kept = tokens - model_.prefix_tokens;
  if (kept < 0 || kept > int(prompt.read.size()) || !prompt.facts.empty()) {
    return absl::InvalidArgumentError("rewind: behind what was prefilled");
  }
  std::vector<int32_t> read = std::move(prompt.read);
  read.resize(size_t(kept));
  prompt.read.clear();
  prompt.text.clear();
  prompt.question.clear();
  prompt.answer.clear();
  prompt.in_question = prompt.answering = prompt.answer_adapter = false;
  prompt.next_piece = 0;
  prompt.kv.Hold(model_.prefix_tokens);
  prompt.sampling = sampling;
  Read(prompt, read);
  return absl::OkStatus();
}

absl::Status FakeEngine::CountPrefill(int held_tokens,
                                      std::span<const int32_t> chunk) {
  if (chunk.empty() || int(chunk.size()) > options_.max_chunk_tokens) {
    return absl::InvalidArgumentError(
        fmt::format("prefill: a chunk of {} tokens, want 1 to {}", chunk.size(),
                    options_.max_chunk_tokens));
  }
  if (held_tokens + int(chunk.size()) > model_.max_context_tokens) {
    return absl::OutOfRangeError("prefill: the context is full");
  }
  ++counts_.prefills;
  counts_.prefill_tokens += int(chunk.size());
  return absl::OkStatus();
}

absl::Status FakeEngine::Prefill(DocumentSequence& sequence,
                                 std::span<const int32_t> chunk) {
  Call call(*this);
  GIST_RETURN_IF_ERROR(call.Begin("Prefill", true));
  FakeDocument& document = Fake(sequence);
  GIST_RETURN_IF_ERROR(CountPrefill(document.kv.tokens(), chunk));
  for (const int32_t token : chunk) document.text += Piece(token);
  document.kv.Append(int(chunk.size()));
  return absl::OkStatus();
}

absl::Status FakeEngine::Prefill(PromptSequence& sequence,
                                 std::span<const int32_t> chunk) {
  Call call(*this);
  GIST_RETURN_IF_ERROR(call.Begin("Prefill", true));
  FakePrompt& prompt = Fake(sequence);
  GIST_RETURN_IF_ERROR(CountPrefill(prompt.kv.tokens(), chunk));
  Read(prompt, chunk);
  return absl::OkStatus();
}

absl::StatusOr<CompressedKv> FakeEngine::Compress(DocumentSequence& sequence,
                                                  const CompressionSpec& spec) {
  Call call(*this);
  GIST_RETURN_IF_ERROR(call.Begin("Compress", true));
  const FakeDocument& document = Fake(sequence);
  if (spec.rung != document.rung) {
    return absl::InvalidArgumentError("compress: another rung");
  }
  if (spec.rung == Rung::kFull) {
    ++counts_.full_passes;
    return FullOf(model_, document.text, document.tokens(), spec.storage);
  }
  if (spec.gist_tokens <= 0) {
    return absl::InvalidArgumentError(
        fmt::format("gists: {}, want 1 or more", spec.gist_tokens));
  }
  ++counts_.gist_passes;
  return FromDense(GistsOf(model_, document.text, spec.gist_tokens,
                           MarkOf(document.adapter.fingerprint)));
}

absl::Status FakeEngine::LoadKv(PromptSequence& sequence,
                                const CompressedKv& kv) {
  Call call(*this);
  GIST_RETURN_IF_ERROR(call.Begin("LoadKv", false));
  FakePrompt& prompt = Fake(sequence);
  if (!model_.HasShapeOf(kv)) {
    return absl::InvalidArgumentError(
        "keys and values: shape of another model");
  }
  GIST_RETURN_IF_ERROR(CheckDense(kv));
  const int slots = int(kv.MostSlots());
  if (prompt.kv.tokens() + slots > model_.max_context_tokens) {
    return absl::OutOfRangeError("keys and values: the context is full");
  }
  ReadFacts(ToDense(kv), prompt.facts);
  prompt.kv.Append(slots);
  ++counts_.loads;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<DecodedToken>> FakeEngine::Decode(
    std::span<PromptSequence* const> sequences) {
  Call call(*this);
  GIST_RETURN_IF_ERROR(call.Begin("Decode", true));
  ++counts_.decodes;
  counts_.largest_decode_batch =
      std::max(counts_.largest_decode_batch.load(), int(sequences.size()));
  std::vector<DecodedToken> tokens;
  for (PromptSequence* const sequence : sequences) {
    FakePrompt& prompt = Fake(*sequence);
    if (!prompt.answering) {
      prompt.answering = true;
      GIST_ASSIGN_OR_RETURN(const auto ids, Tokenize(AnswerOf(prompt)));
      for (const int32_t id : ids) prompt.answer.push_back(Piece(id));
    }
    if (prompt.kv.tokens() >= model_.max_context_tokens) {
      return absl::OutOfRangeError("decode: the context is full");
    }
    prompt.kv.Append(1);
    const bool ends = prompt.next_piece == prompt.answer.size();
    tokens.push_back({int32_t(prompt.next_piece), ends,
                      ends ? "" : prompt.answer[prompt.next_piece]});
    if (!ends) ++prompt.next_piece;
  }
  return tokens;
}

}  // namespace gist

#include "core/embed/encoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "core/base/identity.h"
#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/embed/encoder_config.h"
#include "core/embed/encoder_weights.h"
#include "core/format/mapped_file.h"
#include "core/format/safetensors.h"
#include "fmt/format.h"

namespace gist {
namespace {

using at::Tensor;
using Sequence = std::vector<int64_t>;  // ids, the first and the last one too

// Tokens of a batch, padding included.
constexpr size_t kBatchTokens = 4096;

Tensor Dense(const Tensor& x, const DenseLayer& layer) {
  return layer.weight.Product(x, layer.bias);
}

// The hash of those files that are there, of the pooling if it is not the mean,
// and of the prompts if there are any.
std::string FingerprintOf(const std::string& folder,
                          const EncoderConfig& config) {
  std::string hashes = config.pools_first ? "pooling first\n" : "";
  if (!config.query_prompt.empty() || !config.passage_prompt.empty()) {
    hashes += fmt::format("prompts {} {}\n", Sha256Hex(config.query_prompt),
                          Sha256Hex(config.passage_prompt));
  }
  for (const char* name :
       {"config.json", "sentence_bert_config.json", "tokenizer.json",
        "vocab.txt", "model.safetensors"}) {
    const auto file = MappedFile::Open(folder + "/" + name);
    const std::string hash = file.ok() ? Sha256Hex(file->bytes()) : "none";
    hashes += fmt::format("{} {}\n", name, hash);
  }
  return Sha256Hex(hashes);
}

}  // namespace

struct SentenceEncoder::Impl {
  absl::Status CountPrompts();
  absl::StatusOr<std::vector<Sequence>> Tokenize(
      std::span<const std::string_view> texts, TextKind kind) const;
  void EncodeBatch(std::span<const Sequence> sequences,
                   std::span<const size_t> batch, float* rows) const;
  Tensor Forward(const Tensor& ids, const std::optional<Tensor>& mask) const;
  Tensor Attention(const Tensor& x, const EncoderLayer& layer,
                   const std::optional<Tensor>& mask) const;
  Tensor Norm(const Tensor& x, const Normalization& norm) const {
    return at::layer_norm(x, {config.hidden_size}, norm.weight, norm.bias,
                          config.layer_norm_epsilon);
  }

  EncoderConfig config;
  int prompt_tokens = 0;  // of the longer one
  std::unique_ptr<SentenceTokenizer> tokenizer;
  EncoderWeights weights;
  at::Device device = at::kCPU;
  std::string fingerprint;
};

SentenceEncoder::SentenceEncoder(std::unique_ptr<const Impl> impl)
    : impl_(std::move(impl)) {}
SentenceEncoder::~SentenceEncoder() = default;

absl::StatusOr<std::unique_ptr<SentenceEncoder>> SentenceEncoder::Load(
    const std::string& folder, const std::string& device) {
  const at::NoGradGuard no_grad;
  auto impl = std::make_unique<Impl>();
  GIST_ASSIGN_OR_RETURN(impl->config, ReadEncoderConfig(folder));
  GIST_ASSIGN_OR_RETURN(impl->tokenizer, SentenceTokenizer::Load(folder));
  if (impl->tokenizer->vocab_size() > impl->config.vocab_size) {
    return absl::DataLossError(fmt::format(
        "{}: the tokenizer has {} tokens, config.json only {}", folder,
        impl->tokenizer->vocab_size(), impl->config.vocab_size));
  }
  if (const absl::Status counted = impl->CountPrompts(); !counted.ok()) {
    return Within(folder, counted);
  }
  const std::string path = folder + "/model.safetensors";
  GIST_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  const auto tensors = ParseSafeTensors(file.bytes(), OtherTypes::kLeaveOut);
  if (!tensors.ok()) return Within(path, tensors.status());
  auto weights = Fence("loading weights", [&] {
    impl->device = at::Device(device);
    return LoadEncoderWeights(*tensors, impl->config, device);
  });
  if (!weights.ok()) return Within(path, weights.status());
  impl->weights = *std::move(weights);
  impl->fingerprint = FingerprintOf(folder, impl->config);
  return std::unique_ptr<SentenceEncoder>(new SentenceEncoder(std::move(impl)));
}

absl::Status SentenceEncoder::Impl::CountPrompts() {
  for (const std::string& prompt :
       {config.query_prompt, config.passage_prompt}) {
    GIST_ASSIGN_OR_RETURN(const auto tokens, tokenizer->Encode(prompt));
    prompt_tokens = std::max(prompt_tokens, int(tokens.size()));
  }
  const int most = config.max_sequence_tokens - 3;  // the text's has one
  if (prompt_tokens <= most) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("a prompt has {} tokens, want at most {}: the model reads {}",
                  prompt_tokens, most, config.max_sequence_tokens));
}

absl::StatusOr<std::vector<Sequence>> SentenceEncoder::Impl::Tokenize(
    std::span<const std::string_view> texts, TextKind kind) const {
  const std::string& prompt =
      kind == TextKind::kQuery ? config.query_prompt : config.passage_prompt;
  std::string prompted;
  const auto most = size_t(config.max_sequence_tokens) - 2;
  std::vector<Sequence> sequences;
  sequences.reserve(texts.size());
  for (std::string_view text : texts) {
    if (!prompt.empty()) {
      prompted = prompt;
      text = prompted += text;
    }
    const auto tokens = tokenizer->Encode(text, most);
    if (!tokens.ok()) {
      const std::string behind =
          prompt.empty() ? "" : fmt::format(", behind {}", Quoted(prompt));
      return Within(fmt::format("text {} of {}{}", sequences.size(),
                                texts.size(), behind),
                    tokens.status());
    }
    Sequence& ids = sequences.emplace_back();
    ids.reserve(tokens->size() + 2);
    ids.push_back(tokenizer->first_id());
    for (const SentenceToken& token : *tokens) ids.push_back(token.id);
    ids.push_back(tokenizer->last_id());
  }
  return sequences;
}

// ids: [batch, tokens]. Returns the last hidden states [batch, tokens, hidden].
Tensor SentenceEncoder::Impl::Forward(const Tensor& ids,
                                      const std::optional<Tensor>& mask) const {
  Tensor x = weights.words.Rows(ids);
  x = Norm(x + weights.positions.narrow(0, config.first_position, ids.size(1)),
           weights.norm);
  for (const EncoderLayer& layer : weights.layers) {
    x = Norm(x + Attention(x, layer, mask), layer.attention_norm);
    const Tensor wide = at::gelu(Dense(x, layer.intermediate));
    x = Norm(x + Dense(wide, layer.output), layer.output_norm);
  }
  return x;
}

Tensor SentenceEncoder::Impl::Attention(
    const Tensor& x, const EncoderLayer& layer,
    const std::optional<Tensor>& mask) const {
  const int64_t batch = x.size(0), tokens = x.size(1), hidden = x.size(2);
  const Tensor parts =  // [3, batch, heads, tokens, hidden / heads]
      Dense(x, layer.query_key_value)
          .view({batch, tokens, 3, config.heads, hidden / config.heads})
          .permute({2, 0, 3, 1, 4});
  const Tensor attended = at::scaled_dot_product_attention(
      parts.select(0, 0), parts.select(0, 1), parts.select(0, 2), mask);
  return Dense(attended.transpose(1, 2).reshape({batch, tokens, hidden}),
               layer.attention_output);
}

// `batch`: indices of sequences, the longest first; `rows` of all of them.
void SentenceEncoder::Impl::EncodeBatch(std::span<const Sequence> sequences,
                                        std::span<const size_t> batch,
                                        float* rows) const {
  const auto count = int64_t(batch.size());
  const size_t longest = sequences[batch.front()].size();
  std::vector<int64_t> ids;
  std::vector<float> is_token;
  for (const size_t index : batch) {
    const Sequence& sequence = sequences[index];
    ids.insert(ids.end(), sequence.begin(), sequence.end());
    is_token.resize(ids.size(), 1.0f);
    ids.resize(ids.size() + longest - sequence.size(), tokenizer->pad_id());
    is_token.resize(ids.size(), 0.0f);
  }
  const auto shaped = [&](const Tensor& flat) {
    return flat.view({count, int64_t(longest)}).to(device);
  };
  const Tensor weight = shaped(at::tensor(is_token));
  std::optional<Tensor> mask;  // 0 where a token is, else -infinity
  if (sequences[batch.back()].size() < longest) {
    mask = weight.log().view({count, 1, 1, int64_t(longest)});
  }
  const Tensor states =
      Forward(shaped(at::tensor(ids, at::TensorOptions(at::kLong))), mask);
  Tensor pooled = config.pools_first ? states.select(1, 0)
                                     : (states * weight.unsqueeze(-1)).sum(1);
  pooled = pooled / pooled.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);
  const Tensor host = pooled.cpu().contiguous();
  for (int64_t i = 0; i < count; ++i) {
    std::copy_n(host.const_data_ptr<float>() + i * config.hidden_size,
                config.hidden_size,
                rows + int64_t(batch[size_t(i)]) * config.hidden_size);
  }
}

absl::StatusOr<std::vector<float>> SentenceEncoder::Encode(
    std::span<const std::string_view> texts, TextKind kind) const {
  GIST_ASSIGN_OR_RETURN(const std::vector<Sequence> sequences,
                        impl_->Tokenize(texts, kind));
  std::vector<size_t> order(texts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater(),
                           [&](size_t i) { return sequences[i].size(); });
  std::vector<float> rows(texts.size() * size_t(dimensions()));
  const absl::Status done = Fence("encoder", [&] {
    const at::NoGradGuard no_grad;
    for (std::span<const size_t> rest = order; !rest.empty();) {
      const size_t longest = sequences[rest.front()].size();
      const size_t count =
          std::clamp<size_t>(kBatchTokens / longest, 1, rest.size());
      impl_->EncodeBatch(sequences, rest.first(count), rows.data());
      rest = rest.subspan(count);
    }
    return absl::OkStatus();
  });
  if (!done.ok()) return done;
  return rows;
}

const SentenceTokenizer& SentenceEncoder::tokenizer() const {
  return *impl_->tokenizer;
}
int SentenceEncoder::dimensions() const { return impl_->config.hidden_size; }
int SentenceEncoder::max_text_tokens() const {
  return impl_->config.max_sequence_tokens - 2 - impl_->prompt_tokens;
}
int64_t SentenceEncoder::weight_bytes() const { return impl_->weights.bytes; }
const std::string& SentenceEncoder::fingerprint() const {
  return impl_->fingerprint;
}

}  // namespace gist

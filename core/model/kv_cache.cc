#include "core/model/kv_cache.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cassert>

#include "core/model/tensors.h"

namespace gist {
namespace {

constexpr int kFirstCapacity = 64;  // tokens

at::Tensor Grown(const at::Tensor& old, int tokens, int capacity) {
  at::Tensor grown =
      at::empty({old.size(0), capacity, old.size(2)}, old.options());
  grown.narrow(1, 0, tokens).copy_(old.narrow(1, 0, tokens));
  return grown;
}

}  // namespace

KvCache::KvCache(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KvCache::KvCache(KvCache&& other) noexcept = default;
KvCache& KvCache::operator=(KvCache&& other) noexcept = default;
KvCache::~KvCache() = default;

int KvCache::tokens() const { return impl_->tokens; }

void KvCache::Truncate(int tokens) {
  assert(tokens >= 0 && tokens <= impl_->tokens);
  impl_->tokens = tokens;
}

int64_t KvCache::bytes() const {
  return int64_t(impl_->keys.size()) * 2 * impl_->kv_heads * impl_->capacity *
         impl_->head_dim * int64_t(impl_->keys.at(0).element_size());
}

void KvCache::CopyTo(float* to_keys, float* to_values) const {
  for (size_t layer = 0; layer < impl_->keys.size(); ++layer) {
    const at::Tensor keys = impl_->Keys(int(layer), impl_->tokens);
    gist::CopyTo(keys, to_keys);
    gist::CopyTo(impl_->Values(int(layer), impl_->tokens), to_values);
    to_keys += keys.numel();
    to_values += keys.numel();
  }
}

KvCache KvCache::Clone(int more) const {
  auto copy = std::make_unique<Impl>(*impl_);
  copy->capacity = std::max(impl_->capacity, impl_->tokens + more);
  const auto clone = [&](at::Tensor& tensor) {
    tensor = Grown(tensor, copy->tokens, copy->capacity);
  };
  std::ranges::for_each(copy->keys, clone);
  std::ranges::for_each(copy->values, clone);
  return KvCache(std::move(copy));
}

KvCache::Impl::Impl(const ModelConfig& config, at::Device device,
                    at::ScalarType type)
    : kv_heads(config.kv_heads),
      head_dim(config.head_dim),
      capacity(kFirstCapacity) {
  const auto options = at::TensorOptions(type).device(device);
  for (int layer = 0; layer < config.layers; ++layer) {
    keys.push_back(at::empty({kv_heads, capacity, head_dim}, options));
    values.push_back(at::empty({kv_heads, capacity, head_dim}, options));
  }
}

void KvCache::Impl::Reserve(int wanted_tokens) {
  if (wanted_tokens <= capacity) return;
  const int grown = std::max(wanted_tokens, 2 * capacity);
  for (at::Tensor& tensor : keys) tensor = Grown(tensor, tokens, grown);
  for (at::Tensor& tensor : values) tensor = Grown(tensor, tokens, grown);
  capacity = grown;
}

void KvCache::Impl::Write(int layer, const at::Tensor& new_keys,
                          const at::Tensor& new_values) {
  const int64_t n = new_keys.size(1);
  Reserve(tokens + int(n));
  keys[size_t(layer)].narrow(1, tokens, n).copy_(new_keys);
  values[size_t(layer)].narrow(1, tokens, n).copy_(new_values);
}

at::Tensor KvCache::Impl::Keys(int layer, int count) const {
  return keys[size_t(layer)].narrow(1, 0, count).to(at::kFloat);
}

at::Tensor KvCache::Impl::Values(int layer, int count) const {
  return values[size_t(layer)].narrow(1, 0, count).to(at::kFloat);
}

}  // namespace gist

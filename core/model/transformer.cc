#include "core/model/transformer.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>

#include <algorithm>
#include <mutex>

#include "core/base/status.h"
#include "core/model/cpu_pass.h"
#include "core/model/decoder.h"
#include "core/model/gist_rows.h"
#include "core/model/ops.h"
#include "core/model/tensors.h"
#include "core/model/weights.h"

namespace gist {
namespace {

using at::Tensor;
using Logits = std::vector<std::vector<float>>;

// One item's rows in the stacked batch, and its mask.
struct Plan {
  ForwardItem item;
  int64_t first_row = 0;
  int64_t rows = 0;
  // Rows from first_row on for item.plain; 0: an earlier plan writes them.
  int64_t plain_rows = 0;
  // For each kind of layer: the first token that any row sees, and the mask of
  // GroupMask from it on, undefined for a single row.
  std::vector<int64_t> first_keys = {};
  Masks masks = {};

  Tensor Rows(const Tensor& heads_rows_dim) const {
    return heads_rows_dim.narrow(1, first_row, rows);
  }
  Tensor PlainRows(const Tensor& heads_rows_dim) const {
    return heads_rows_dim.narrow(1, first_row, plain_rows);
  }
};

}  // namespace

struct Transformer::Impl : DecoderWeights {
  Impl(DecoderWeights loaded, std::unique_ptr<ThreadTeam> its_team,
       bool is_packed)
      : DecoderWeights(std::move(loaded)),
        team(std::move(its_team)),
        packed(is_packed) {}

  // A pass for one caller at a time; more are made when threads call at once.
  class BorrowedPass {
   public:
    explicit BorrowedPass(const Impl& owner);
    ~BorrowedPass();
    CpuPass* operator->() { return pass_.get(); }

   private:
    const Impl& owner_;
    std::unique_ptr<CpuPass> pass_;
  };

  absl::StatusOr<std::vector<int64_t>> CheckedIds(
      std::span<const ForwardItem> items) const;
  std::vector<Plan> MakePlans(std::span<const ForwardItem> items) const;
  void AddMasks(Plan* plan) const;
  Rotations RotationsOf(const std::vector<Plan>& plans) const;
  LoraScope AnswerAdapterScope(const std::vector<Plan>& plans) const;
  Tensor TextAttention(int layer, const Qkv& qkv, const Rotations& rotations,
                       const std::vector<Plan>& plans) const;
  Logits LogitsOf(const Tensor& x, const std::vector<Plan>& plans) const;

  const std::unique_ptr<ThreadTeam> team;
  const bool packed;  // passes are those of CpuPass
  mutable std::mutex mutex;
  mutable std::vector<std::unique_ptr<CpuPass>> free_passes;  // of mutex
};

Transformer::Impl::BorrowedPass::BorrowedPass(const Impl& owner)
    : owner_(owner) {
  const std::scoped_lock lock(owner.mutex);
  if (owner.free_passes.empty()) {
    pass_ = std::make_unique<CpuPass>(owner, *owner.team);
  } else {
    pass_ = std::move(owner.free_passes.back());
    owner.free_passes.pop_back();
  }
}

Transformer::Impl::BorrowedPass::~BorrowedPass() {
  const std::scoped_lock lock(owner_.mutex);
  owner_.free_passes.push_back(std::move(pass_));
}

Transformer::Transformer(std::unique_ptr<const Impl> impl)
    : impl_(std::move(impl)) {}
Transformer::~Transformer() = default;

absl::StatusOr<std::unique_ptr<Transformer>> Transformer::Load(
    const Gguf& file, const std::string& device_name, WeightStorage storage,
    std::shared_ptr<const void> owner) {
  const at::NoGradGuard no_grad;
  GIST_ASSIGN_OR_RETURN(ModelConfig config, ModelConfig::FromGguf(file));
  auto team = std::make_unique<ThreadTeam>(at::get_num_threads());
  GIST_ASSIGN_OR_RETURN(
      Weights weights,
      LoadWeights(file, config, device_name, storage, *team, std::move(owner)));
  return Fence("model", [&]() -> absl::StatusOr<std::unique_ptr<Transformer>> {
    std::vector<Tensor> frequencies =
        FrequenciesOf(config, at::Device(device_name));
    return std::unique_ptr<Transformer>(
        new Transformer(std::make_unique<const Impl>(
            DecoderWeights{std::move(config), std::move(weights),
                           std::move(frequencies)},
            std::move(team),
            storage == WeightStorage::kQuantized &&
                at::Device(device_name).is_cpu())));
  });
}

const ModelConfig& Transformer::config() const { return impl_->config; }
int64_t Transformer::weight_bytes() const { return impl_->weights.bytes; }
bool Transformer::is_packed() const { return impl_->packed; }
const DecoderWeights& Transformer::weights() const { return *impl_; }

KvCache Transformer::NewCache() const {
  return KvCache(std::make_unique<KvCache::Impl>(
      impl_->config, impl_->device(), impl_->packed ? at::kHalf : at::kFloat));
}

absl::StatusOr<std::vector<int64_t>> Transformer::Impl::CheckedIds(
    std::span<const ForwardItem> items) const {
  std::vector<int64_t> ids;
  for (const ForwardItem& item : items) {
    if (item.ids.empty())
      return absl::InvalidArgumentError("forward: no tokens");
    for (const int32_t id : item.ids) {
      if (id < 0 || id >= config.vocab_size) {
        return absl::InvalidArgumentError(fmt::format(
            "forward: token id {}, want 0 to {}", id, config.vocab_size - 1));
      }
      ids.push_back(id);
    }
  }
  return ids;
}

std::vector<Plan> Transformer::Impl::MakePlans(
    std::span<const ForwardItem> items) const {
  std::vector<Plan> plans;
  size_t plain_writer = 0;
  int64_t row = 0;
  for (const ForwardItem& item : items) {
    Plan plan{.item = item,
              .first_row = row,
              .rows = int64_t(item.ids.size()),
              .plain_rows = 0};
    if (item.plain != nullptr) {
      const bool goes_on =
          !plans.empty() && plans.back().item.plain == item.plain;
      if (!goes_on) plain_writer = plans.size();
      (goes_on ? plans[plain_writer] : plan).plain_rows += plan.rows;
    }
    AddMasks(&plan);
    row += plan.rows;
    plans.push_back(std::move(plan));
  }
  return plans;
}

// Keys before the window of the first row are left out. So a single row sees
// all that are left.
void Transformer::Impl::AddMasks(Plan* plan) const {
  const int64_t held = plan->item.cache->tokens();
  for (const LayerKind& kind : config.kinds) {
    plan->first_keys.push_back(
        kind.window == 0 ? 0 : std::max<int64_t>(0, held - kind.window + 1));
  }
  if (plan->rows == 1) return;
  plan->masks = MasksOf(config, [&](int window) {
    const int64_t first =
        window == 0 ? 0 : std::max<int64_t>(0, held - window + 1);
    return GroupMask(
        CausalMask(plan->rows, held + plan->rows - first, window, device()),
        config);
  });
}

Rotations Transformer::Impl::RotationsOf(const std::vector<Plan>& plans) const {
  std::vector<int64_t> positions;
  for (const Plan& plan : plans) {
    for (int64_t i = 0; i < plan.rows; ++i) {
      positions.push_back(plan.item.cache->tokens() + i);
    }
  }
  return RotationsAt(FromIds(positions, device()), *this);
}

LoraScope Transformer::Impl::AnswerAdapterScope(
    const std::vector<Plan>& plans) const {
  const AnswerAdapter* adapter = nullptr;
  std::vector<int64_t> rows;
  for (const Plan& plan : plans) {
    if (plan.item.answer_adapter == nullptr) continue;
    adapter = plan.item.answer_adapter;
    for (int64_t i = 0; i < plan.rows; ++i) rows.push_back(plan.first_row + i);
  }
  if (adapter == nullptr) return LoraScope();
  const Plan& last = plans.back();
  if (int64_t(rows.size()) == last.first_row + last.rows) {
    return LoraScope(&adapter->impl());
  }
  return LoraScope(&adapter->impl(), FromIds(rows, device()));
}

// Writes the new keys and values into each item's caches and attends to them.
Tensor Transformer::Impl::TextAttention(int layer, const Qkv& qkv,
                                        const Rotations& rotations,
                                        const std::vector<Plan>& plans) const {
  const size_t kind = KindOf(layer);
  const Rotation& rotation = rotations[kind];
  const Tensor plain_key = SplitHeads(qkv.key, config.kv_heads);
  const Tensor key = Rotate(plain_key, rotation);
  const Tensor value = SplitHeads(qkv.value, config.kv_heads);
  for (const Plan& plan : plans) {
    plan.item.cache->impl().Write(layer, plan.Rows(key), plan.Rows(value));
    if (plan.plain_rows > 0) {
      plan.item.plain->impl().Write(layer, plan.PlainRows(plain_key),
                                    plan.PlainRows(value));
    }
  }
  if (!qkv.query.defined()) return {};
  const Tensor query = Rotate(SplitHeads(qkv.query, config.heads), rotation);
  std::vector<Tensor> attended;
  for (const Plan& plan : plans) {
    const KvCache::Impl& cache = plan.item.cache->impl();
    const int tokens = cache.tokens + int(plan.rows);
    const int64_t first = plan.first_keys[kind];
    const auto seen = [&](const Tensor& all) {
      return all.narrow(1, first, tokens - first);
    };
    attended.push_back(Attend(plan.Rows(query), seen(cache.Keys(layer, tokens)),
                              seen(cache.Values(layer, tokens)),
                              plan.rows == 1 ? Tensor() : plan.masks[kind]));
  }
  return at::cat(attended);
}

// One product for the rows of all items reads the output matrix once. That
// matrix is a fifth of the weights.
Logits Transformer::Impl::LogitsOf(const Tensor& x,
                                   const std::vector<Plan>& plans) const {
  Logits logits(plans.size());
  std::vector<int64_t> rows;
  for (const Plan& plan : plans) {
    if (plan.item.logits == LogitRows::kNone) continue;
    const bool all = plan.item.logits == LogitRows::kAll;
    for (int64_t i = all ? 0 : plan.rows - 1; i < plan.rows; ++i)
      rows.push_back(plan.first_row + i);
  }
  if (rows.empty()) return logits;
  const Tensor row_logits =
      OutputLogits(x.index_select(0, FromIds(rows, device())), *this);
  int64_t first = 0;
  for (size_t i = 0; i < plans.size(); ++i) {
    const Plan& plan = plans[i];
    if (plan.item.logits == LogitRows::kNone) continue;
    const int64_t count = plan.item.logits == LogitRows::kAll ? plan.rows : 1;
    const Tensor mine = row_logits.narrow(0, first, count);
    logits[i].resize(size_t(mine.numel()));
    CopyTo(mine, logits[i].data());
    first += count;
  }
  return logits;
}

namespace {

absl::Status CheckOneAnswerAdapter(std::span<const ForwardItem> items) {
  const AnswerAdapter* adapter = nullptr;
  for (const ForwardItem& item : items) {
    if (item.answer_adapter == nullptr) continue;
    if (adapter != nullptr && adapter != item.answer_adapter) {
      return absl::InvalidArgumentError(
          "forward: two answer adapters in one batch");
    }
    adapter = item.answer_adapter;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Logits> Transformer::Forward(
    std::span<const ForwardItem> items) const {
  const at::NoGradGuard no_grad;
  GIST_ASSIGN_OR_RETURN(const std::vector<int64_t> ids,
                        impl_->CheckedIds(items));
  GIST_RETURN_IF_ERROR(CheckOneAnswerAdapter(items));
  if (impl_->packed) {
    return Fence("forward", [&]() -> absl::StatusOr<Logits> {
      return Impl::BorrowedPass(*impl_)->Forward(items);
    });
  }
  return Fence("forward", [&]() -> absl::StatusOr<Logits> {
    const std::vector<Plan> plans = impl_->MakePlans(items);
    const Rotations rotations = impl_->RotationsOf(plans);
    const LoraScope lora = impl_->AnswerAdapterScope(plans);
    const bool wants_logits =
        std::ranges::any_of(items, [](const ForwardItem& item) {
          return item.logits != LogitRows::kNone;
        });
    const Tensor x =
        RunLayers(Embed(*impl_, FromIds(ids, impl_->device())), *impl_, lora,
                  wants_logits ? OutputRows::All() : OutputRows::None(),
                  [&](int layer, const Qkv& qkv) {
                    return impl_->TextAttention(layer, qkv, rotations, plans);
                  });
    Logits logits = impl_->LogitsOf(x, plans);
    for (const Plan& plan : plans) {
      plan.item.cache->impl().Commit(int(plan.rows));
      if (plan.plain_rows > 0)
        plan.item.plain->impl().Commit(int(plan.plain_rows));
    }
    return logits;
  });
}

namespace {

absl::Status CheckShape(const MaskShape& shape, const KvCache& prefix,
                        const KvCache& context, int gists_per_block) {
  if (shape.gist_tokens >= 1 && shape.gists_per_block == gists_per_block &&
      shape.prefix_tokens == prefix.tokens() &&
      shape.context_tokens == context.tokens()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      fmt::format("gists: {} in blocks of {} for {} + {} tokens, want 1 or "
                  "more in blocks of "
                  "{} for {} + {} tokens",
                  shape.gist_tokens, shape.gists_per_block, shape.prefix_tokens,
                  shape.context_tokens, gists_per_block, prefix.tokens(),
                  context.tokens()));
}

}  // namespace

absl::StatusOr<GistKv> Transformer::WriteGists(const KvCache& prefix,
                                               const KvCache& context,
                                               const MaskShape& shape,
                                               const Adapter& adapter) const {
  GIST_RETURN_IF_ERROR(
      CheckShape(shape, prefix, context, adapter.config().gists_per_block));
  const at::NoGradGuard no_grad;
  if (impl_->packed) {
    return Fence("gists", [&]() -> absl::StatusOr<GistKv> {
      return Impl::BorrowedPass(*impl_)->WriteGists(prefix, context, shape,
                                                    adapter);
    });
  }
  return Fence("gists", [&]() -> absl::StatusOr<GistKv> {
    const ModelConfig& config = impl_->config;
    const GistRows rows = MakeGistRows(shape, *impl_);
    const Rotations context_rotations =
        RotationsFrom(prefix.tokens(), context.tokens(), *impl_);
    GistKv gists = EmptyGistKv(shape.gist_tokens);
    const auto attend = [&](int layer, const Qkv& qkv) -> Tensor {
      const Tensor key = SplitHeads(qkv.key, config.kv_heads);
      const Tensor value = SplitHeads(qkv.value, config.kv_heads);
      CopyTo(key, gists.keys.data() + layer * key.numel());
      CopyTo(value, gists.values.data() + layer * value.numel());
      if (!qkv.query.defined()) return {};
      const size_t kind = config.KindOf(layer);
      const Rotation& rotation = rows.rotations[kind];
      const Tensor context_keys =
          Rotate(context.impl().Keys(layer, context.tokens()),
                 context_rotations[kind]);
      const Tensor keys = at::cat({prefix.impl().Keys(layer, prefix.tokens()),
                                   context_keys, Rotate(key, rotation)},
                                  1);
      const Tensor values =
          at::cat({prefix.impl().Values(layer, prefix.tokens()),
                   context.impl().Values(layer, context.tokens()), value},
                  1);
      return Attend(Rotate(SplitHeads(qkv.query, config.heads), rotation), keys,
                    values, rows.masks[kind]);
    };
    RunLayers(adapter.impl().embeddings.index_select(0, rows.slots), *impl_,
              &adapter.impl(), OutputRows::None(), attend);
    return gists;
  });
}

GistKv Transformer::EmptyGistKv(int gist_tokens) const {
  GistKv gists{.layers = impl_->config.layers,
               .kv_heads = impl_->config.kv_heads,
               .gist_tokens = gist_tokens,
               .head_dim = impl_->config.head_dim,
               .keys = {},
               .values = {}};
  gists.keys.resize(gists.Elements());
  gists.values.resize(gists.Elements());
  return gists;
}

absl::Status Transformer::LoadGists(const GistKv& gists, KvCache* cache) const {
  const ModelConfig& config = impl_->config;
  if (gists.layers != config.layers || gists.kv_heads != config.kv_heads ||
      gists.head_dim != config.head_dim || gists.gist_tokens < 1 ||
      gists.keys.size() != gists.Elements() ||
      gists.values.size() != gists.Elements()) {
    return absl::InvalidArgumentError(
        fmt::format("gists of {} layers x {} KV heads x {}, want {} x {} x {}",
                    gists.layers, gists.kv_heads, gists.head_dim, config.layers,
                    config.kv_heads, config.head_dim));
  }
  const at::NoGradGuard no_grad;
  return Fence("loading gists", [&] {
    if (impl_->packed) {
      Impl::BorrowedPass(*impl_)->LoadGists(gists, cache);
      return absl::OkStatus();
    }
    const std::vector<int64_t> shape = {gists.layers, gists.kv_heads,
                                        gists.gist_tokens, gists.head_dim};
    const Tensor keys = FromFloats(gists.keys, shape, impl_->device());
    const Tensor values = FromFloats(gists.values, shape, impl_->device());
    const Rotations rotations =
        RotationsFrom(cache->tokens(), gists.gist_tokens, *impl_);
    for (int layer = 0; layer < gists.layers; ++layer) {
      cache->impl().Write(layer,
                          Rotate(keys[layer], rotations[config.KindOf(layer)]),
                          values[layer]);
    }
    cache->impl().Commit(gists.gist_tokens);
    return absl::OkStatus();
  });
}

}  // namespace gist

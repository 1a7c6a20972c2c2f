#include "core/model/cpu_pass.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/functional/function_ref.h"
#include "core/kernels/kernels.h"
#include "core/kernels/packed_matrix.h"
#include "core/model/linear.h"

namespace gist {
namespace {

constexpr int kMostUnitRows = 32;  // of a query block

const float* Floats(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
}

// One head's keys or values in a cache.
uint16_t* HeadOf(const at::Tensor& layer, const KvCache::Impl& cache,
                 int head) {
  return static_cast<uint16_t*>(layer.data_ptr()) +
         int64_t(head) * cache.capacity * cache.head_dim;
}

// Cosines and sines of positions, times rope_scale: [positions, pairs].
struct TurnTable {
  int pairs = 0;
  std::vector<float> cosines, sines;

  const float* Cosines(int64_t row) const {
    return cosines.data() + row * pairs;
  }
  const float* Sines(int64_t row) const { return sines.data() + row * pairs; }
};

// What a pass brings beside its rows: its attention.
struct Attention {
  // Keeps one row's keys and values: plain before RoPE, turned after it; each
  // [kv_heads, head_dim]. Called once for each row of each layer.
  absl::FunctionRef<void(int layer, int row, const float* plain,
                         const float* turned, const float* values)>
      keep;
  // Units of a layer that can be computed side by side, after keep.
  int units = 0;
  absl::FunctionRef<void(int layer, int unit, int thread)> attend;
};

// Queries of one unit of attention and what they see.
struct Unit {
  int head = 0;         // KV head
  int first_query = 0;  // query heads of the KV head's group
  int queries = 0;
  int first_row = 0;  // of the batch
  int rows = 0;
};

// The rows that a LoRA changes.
struct RowLora {
  const Adapter::Impl* adapter = nullptr;
  const std::vector<char>* rows = nullptr;  // null: all

  bool Changes(int row) const {
    return adapter != nullptr && (rows == nullptr || (*rows)[size_t(row)] != 0);
  }
};

}  // namespace

class CpuPass::Impl {
 public:
  Impl(const DecoderWeights& model, ThreadTeam& team)
      : model_(model),
        config_(model.config),
        team_(team),
        kernels_(BestKernels()),
        scratch_(size_t(team.threads())) {
    const size_t floats = AttentionScratch(config_.head_dim) + 16;
    for (auto& buffer : scratch_) buffer.resize(floats);
  }

  std::vector<std::vector<float>> Forward(std::span<const ForwardItem> items);
  GistKv WriteGists(const KvCache& prefix, const KvCache& context,
                    const MaskShape& shape, const Adapter& adapter);
  void LoadGists(const GistKv& gists, KvCache* to);

 private:
  int QueryRows() const { return config_.heads * config_.head_dim; }
  int KvRows() const { return config_.kv_heads * config_.head_dim; }
  int QkvRows() const { return QueryRows() + 2 * KvRows(); }
  int Group() const { return config_.heads / config_.kv_heads; }
  // Of one unit of attention, at most.
  int UnitRows() const {
    return std::clamp(kMostQueries / Group(), 1, kMostUnitRows);
  }
  size_t KindOf(int layer) const { return config_.KindOf(layer); }
  const LayerWeights& Layer(int layer) const {
    return model_.weights.layers[size_t(layer)];
  }

  void AddUnits(int first_row, int rows, std::vector<Unit>* units) const;
  void Attend(const Unit& unit, std::span<const KeyRun> runs, int thread);
  void SetRows(int rows);
  void Embed(std::span<const int32_t> ids);
  // One table for each kind of layer.
  std::vector<TurnTable> TablesOf(std::span<const int> positions);
  void RunLayers(const std::vector<TurnTable>& tables, const RowLora& lora,
                 bool wants_output, const Attention& attention);
  void Normalize(const float* x, const at::Tensor& weight, int size,
                 float* out) const;
  void ForRows(absl::FunctionRef<void(int row)> visit);
  void AddBias(const Linear& matrix, float* y) const;
  // y += LoRA(x), for one row.
  void AddLora(const RowLora& lora, int layer, Projection projection, int row,
               const float* x, float* y) const;
  void FinishQkv(int layer, int row, const TurnTable& table,
                 const RowLora& lora, const Attention& attention,
                 bool wants_query);
  // x += what a sublayer gives, normalized if the model has such norms.
  void AddResult(float* result, const at::Tensor& post_norm, float* x) const;
  float* Scratch(int thread) {
    auto address = reinterpret_cast<uintptr_t>(scratch_[size_t(thread)].data());
    return reinterpret_cast<float*>((address + 63) / 64 * 64);
  }
  void Product(const QuantizedRows& x,
               std::initializer_list<PackedProduct> products) {
    Multiply(x, products.begin(), int(products.size()), team_);
  }
  static const PackedMatrix* Packed(const Linear& matrix) {
    return matrix.quantized->packed();
  }
  std::vector<std::vector<float>> LogitsOf(std::span<const ForwardItem> items,
                                           std::span<const int> first_rows);

  const DecoderWeights& model_;
  const ModelConfig& config_;
  ThreadTeam& team_;
  const Kernels& kernels_;
  int rows_ = 0;
  QuantizedRows quantized_;
  std::vector<float> x_;                     // [rows, hidden]
  std::vector<float> qkv_;                   // [rows, QkvRows()]
  std::vector<float> attended_;              // [rows, QueryRows()]
  std::vector<float> result_;                // [rows, hidden]
  std::vector<float> gate_;                  // [rows, mlp]
  std::vector<float> up_;                    // [rows, mlp]
  std::vector<float> normed_;                // [rows, hidden]
  std::vector<std::vector<float>> scratch_;  // of threads
};

namespace {

void Grow(std::vector<float>& buffer, int64_t floats) {
  if (int64_t(buffer.size()) < floats) buffer.resize(size_t(floats));
}

}  // namespace

// Of these rows, for each KV head; query heads that are too many for one unit
// get several.
void CpuPass::Impl::AddUnits(int first_row, int rows,
                             std::vector<Unit>* units) const {
  for (int head = 0; head < config_.kv_heads; ++head) {
    for (int query = 0; query < Group(); query += kMostQueries) {
      units->push_back({.head = head,
                        .first_query = query,
                        .queries = std::min(kMostQueries, Group() - query),
                        .first_row = first_row,
                        .rows = rows});
    }
  }
}

// A run's first and end count the unit's queries row by row.
void CpuPass::Impl::Attend(const Unit& unit, std::span<const KeyRun> runs,
                           int thread) {
  const int dim = config_.head_dim;
  int64_t query_at[kMostQueries], out_at[kMostQueries];
  int count = 0;
  for (int r = 0; r < unit.rows; ++r) {
    const int64_t row = unit.first_row + r;
    for (int g = 0; g < unit.queries; ++g) {
      const int head = unit.head * Group() + unit.first_query + g;
      query_at[count] = row * QkvRows() + head * dim;
      out_at[count] = row * QueryRows() + head * dim;
      ++count;
    }
  }
  kernels_.attend({.queries = qkv_.data(),
                   .out = attended_.data(),
                   .query_offsets = query_at,
                   .out_offsets = out_at,
                   .query_count = count,
                   .head_dim = dim,
                   .scale = 1 / std::sqrt(float(dim)),
                   .runs = runs.data(),
                   .run_count = int(runs.size()),
                   .scratch = Scratch(thread)});
}

void CpuPass::Impl::SetRows(int rows) {
  rows_ = rows;
  Grow(x_, int64_t(rows) * config_.hidden_size);
  Grow(qkv_, int64_t(rows) * QkvRows());
  Grow(attended_, int64_t(rows) * QueryRows());
  Grow(result_, int64_t(rows) * config_.hidden_size);
  Grow(normed_, int64_t(rows) * config_.hidden_size);
  Grow(gate_, int64_t(rows) * config_.mlp_size);
  Grow(up_, int64_t(rows) * config_.mlp_size);
}

// Rows in runs that keep a tile of x on one thread.
void CpuPass::Impl::ForRows(absl::FunctionRef<void(int row)> visit) {
  const int run = rows_ > kTileRows ? kTileRows
                  : rows_ > 2 ? (rows_ + team_.threads() - 1) / team_.threads()
                              : rows_;
  team_.For((rows_ + run - 1) / run, [&](int task, int) {
    const int end = std::min(rows_, (task + 1) * run);
    for (int row = task * run; row < end; ++row) visit(row);
  });
}

void CpuPass::Impl::Embed(std::span<const int32_t> ids) {
  const PackedMatrix& matrix = *Packed(model_.weights.embedding);
  ForRows([&](int row) {
    float* x = x_.data() + int64_t(row) * config_.hidden_size;
    matrix.DequantizeRow(ids[size_t(row)], x);
    if (config_.embedding_scale == 1) return;
    for (int i = 0; i < config_.hidden_size; ++i)
      x[i] *= config_.embedding_scale;
  });
}

std::vector<TurnTable> CpuPass::Impl::TablesOf(std::span<const int> positions) {
  std::vector<TurnTable> tables(config_.kinds.size());
  for (size_t k = 0; k < tables.size(); ++k) {
    const LayerKind& kind = config_.kinds[k];
    TurnTable& table = tables[k];
    table.pairs = int(kind.frequencies.size());
    table.cosines.resize(positions.size() * size_t(table.pairs));
    table.sines.resize(table.cosines.size());
    constexpr int kRun = 64;
    team_.For((int(positions.size()) + kRun - 1) / kRun, [&](int task, int) {
      const size_t begin = size_t(task) * kRun;
      const size_t end = std::min(positions.size(), begin + kRun);
      for (size_t row = begin; row < end; ++row) {
        for (size_t i = 0; i < size_t(table.pairs); ++i) {
          const float angle = float(positions[row]) * kind.frequencies[i];
          const size_t at = row * size_t(table.pairs) + i;
          table.cosines[at] = std::cos(angle) * kind.rope_scale;
          table.sines[at] = std::sin(angle) * kind.rope_scale;
        }
      }
    });
  }
  return tables;
}

void CpuPass::Impl::Normalize(const float* x, const at::Tensor& weight,
                              int size, float* out) const {
  kernels_.rms_norm(x, Floats(weight), size, config_.rms_norm_epsilon, out);
}

void CpuPass::Impl::AddBias(const Linear& matrix, float* y) const {
  if (const float* bias = Floats(matrix.bias))
    kernels_.add_scaled(bias, 1, int(matrix.bias.numel()), y);
}

void CpuPass::Impl::AddLora(const RowLora& lora, int layer,
                            Projection projection, int row, const float* x,
                            float* y) const {
  if (!lora.Changes(row)) return;
  const LoraPair& pair = lora.adapter->layers[size_t(layer)][projection];
  if (!pair.a.defined()) return;
  const int rank = int(pair.a.size(0)), in = int(pair.a.size(1));
  const float scale = lora.adapter->scale;
  if (pair.b_columns.defined()) {
    const int out = int(pair.b_columns.size(1));
    const auto* a = static_cast<const uint16_t*>(pair.a.const_data_ptr());
    const auto* b =
        static_cast<const uint16_t*>(pair.b_columns.const_data_ptr());
    for (int i = 0; i < rank; ++i) {
      const float t = kernels_.dot_halves(a + int64_t(i) * in, x, in);
      kernels_.add_scaled_halves(b + int64_t(i) * out, t * scale, out, y);
    }
    return;
  }
  const int out = int(pair.b.size(0));
  const float *a = Floats(pair.a), *b = Floats(pair.b);
  std::vector<float> t(static_cast<size_t>(rank));
  for (int i = 0; i < rank; ++i)
    t[size_t(i)] = scale * kernels_.dot(a + int64_t(i) * in, x, in);
  for (int i = 0; i < out; ++i)
    y[i] += kernels_.dot(b + int64_t(i) * rank, t.data(), rank);
}

void CpuPass::Impl::AddResult(float* result, const at::Tensor& post_norm,
                              float* x) const {
  if (post_norm.defined())
    Normalize(result, post_norm, config_.hidden_size, result);
  kernels_.add_scaled(result, 1, config_.hidden_size, x);
}

namespace {

void Turn(const float* x, const float* cosines, const float* sines, int pairs,
          int size, float* out) {
  for (int i = 0; i < pairs; ++i) {
    const float a = x[i], b = x[i + pairs];
    out[i] = a * cosines[i] - b * sines[i];
    out[i + pairs] = a * sines[i] + b * cosines[i];
  }
  if (out != x) {
    for (int i = 2 * pairs; i < size; ++i) out[i] = x[i];
  }
}

}  // namespace

// From the products to what attention reads: biases, LoRA, head norms, RoPE.
void CpuPass::Impl::FinishQkv(int layer, int row, const TurnTable& table,
                              const RowLora& lora, const Attention& attention,
                              bool wants_query) {
  const LayerWeights& w = Layer(layer);
  const int dim = config_.head_dim;
  float* query = qkv_.data() + int64_t(row) * QkvRows();
  float* key = query + QueryRows();
  float* value = key + KvRows();
  AddBias(w.key, key);
  AddBias(w.value, value);
  const float* h = normed_.data() + int64_t(row) * config_.hidden_size;
  AddLora(lora, layer, kKey, row, h, key);
  AddLora(lora, layer, kValue, row, h, value);
  const auto norm_heads = [&](const at::Tensor& weight, int heads, float* at) {
    if (!weight.defined()) return;
    for (int i = 0; i < heads; ++i)
      Normalize(at + i * dim, weight, dim, at + i * dim);
  };
  norm_heads(w.key_norm, config_.kv_heads, key);
  const float* cosines = table.Cosines(row);
  const float* sines = table.Sines(row);
  std::vector<float> turned(static_cast<size_t>(KvRows()));
  for (int i = 0; i < config_.kv_heads; ++i)
    Turn(key + i * dim, cosines, sines, table.pairs, dim,
         turned.data() + i * dim);
  attention.keep(layer, row, key, turned.data(), value);
  if (!wants_query) return;
  AddBias(w.query, query);
  AddLora(lora, layer, kQuery, row, h, query);
  norm_heads(w.query_norm, config_.heads, query);
  for (int i = 0; i < config_.heads; ++i) {
    float* head = query + i * dim;
    if (config_.query_scale != 1) {
      for (int j = 0; j < dim; ++j) head[j] *= config_.query_scale;
    }
    Turn(head, cosines, sines, table.pairs, dim, head);
  }
}

void CpuPass::Impl::RunLayers(const std::vector<TurnTable>& tables,
                              const RowLora& lora, bool wants_output,
                              const Attention& attention) {
  const int hidden = config_.hidden_size, mlp = config_.mlp_size;
  const auto x = [&](int row) { return x_.data() + int64_t(row) * hidden; };
  const auto normed = [&](int row) {
    return normed_.data() + int64_t(row) * hidden;
  };
  const auto result = [&](int row) {
    return result_.data() + int64_t(row) * hidden;
  };
  const auto quantize_normed = [&](int row, const at::Tensor& weight) {
    Normalize(x(row), weight, hidden, normed(row));
    quantized_.Set(row, normed(row));
  };
  const auto activation =
      config_.architecture.activation == gist::Activation::kSilu
          ? KernelActivation::kSilu
          : KernelActivation::kGeluTanh;
  quantized_.Reset(rows_, hidden);
  ForRows([&](int row) { quantize_normed(row, Layer(0).attention_norm); });
  for (int layer = 0; layer < config_.layers; ++layer) {
    const LayerWeights& w = Layer(layer);
    const bool ends = layer + 1 == config_.layers && !wants_output;
    float* qkv = qkv_.data();
    const int64_t stride = QkvRows();
    const PackedProduct key = {Packed(w.key), qkv + QueryRows(), stride};
    const PackedProduct value = {Packed(w.value), qkv + QueryRows() + KvRows(),
                                 stride};
    if (ends) {
      Product(quantized_, {key, value});
    } else {
      Product(quantized_, {{Packed(w.query), qkv, stride}, key, value});
    }
    const TurnTable& table = tables[KindOf(layer)];
    ForRows(
        [&](int row) { FinishQkv(layer, row, table, lora, attention, !ends); });
    if (ends) return;
    team_.For(attention.units, [&](int unit, int thread) {
      attention.attend(layer, unit, thread);
    });
    quantized_.Reset(rows_, QueryRows());
    ForRows([&](int row) {
      quantized_.Set(row, attended_.data() + int64_t(row) * QueryRows());
    });
    Product(quantized_, {{Packed(w.output), result_.data(), hidden}});
    quantized_.Reset(rows_, hidden);
    ForRows([&](int row) {
      AddLora(lora, layer, kOutput, row,
              attended_.data() + int64_t(row) * QueryRows(), result(row));
      AddResult(result(row), w.attention_post_norm, x(row));
      quantize_normed(row, w.mlp_norm);
    });
    Product(quantized_, {{Packed(w.gate), gate_.data(), mlp},
                         {Packed(w.up), up_.data(), mlp}});
    quantized_.Reset(rows_, mlp);
    ForRows([&](int row) {
      float* gate = gate_.data() + int64_t(row) * mlp;
      float* up = up_.data() + int64_t(row) * mlp;
      AddLora(lora, layer, kGate, row, normed(row), gate);
      AddLora(lora, layer, kUp, row, normed(row), up);
      kernels_.activate(activation, up, mlp, gate);
      quantized_.Set(row, gate);
    });
    Product(quantized_, {{Packed(w.down), result_.data(), hidden}});
    quantized_.Reset(rows_, hidden);
    const bool is_last = layer + 1 == config_.layers;
    ForRows([&](int row) {
      AddLora(lora, layer, kDown, row, gate_.data() + int64_t(row) * mlp,
              result(row));
      AddResult(result(row), w.mlp_post_norm, x(row));
      if (!is_last) quantize_normed(row, Layer(layer + 1).attention_norm);
    });
  }
}

std::vector<std::vector<float>> CpuPass::Impl::LogitsOf(
    std::span<const ForwardItem> items, std::span<const int> first_rows) {
  std::vector<std::vector<float>> logits(items.size());
  std::vector<int> rows;
  for (size_t i = 0; i < items.size(); ++i) {
    const int count = int(items[i].ids.size());
    if (items[i].logits == LogitRows::kNone) continue;
    const int begin = items[i].logits == LogitRows::kAll ? 0 : count - 1;
    for (int r = begin; r < count; ++r) rows.push_back(first_rows[i] + r);
  }
  if (rows.empty()) return logits;
  const int hidden = config_.hidden_size;
  const auto vocabulary = int64_t(config_.vocab_size);
  quantized_.Reset(int(rows.size()), hidden);
  for (size_t r = 0; r < rows.size(); ++r) {
    float* to = normed_.data() + int64_t(r) * hidden;
    Normalize(x_.data() + int64_t(rows[r]) * hidden, model_.weights.output_norm,
              hidden, to);
    quantized_.Set(int(r), to);
  }
  std::vector<float> values(rows.size() * size_t(vocabulary));
  Product(quantized_,
          {{Packed(model_.weights.output), values.data(), vocabulary}});
  if (items.size() == 1) {
    logits[0] = std::move(values);
    return logits;
  }
  const float* from = values.data();
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].logits == LogitRows::kNone) continue;
    const size_t count =
        items[i].logits == LogitRows::kAll ? items[i].ids.size() : 1;
    logits[i].assign(from, from + count * size_t(vocabulary));
    from += count * size_t(vocabulary);
  }
  return logits;
}

std::vector<std::vector<float>> CpuPass::Impl::Forward(
    std::span<const ForwardItem> items) {
  std::vector<int32_t> ids;
  std::vector<int> positions, first_rows, item_of_row, plain_at;
  std::vector<char> changed;
  RowLora lora;
  bool wants_logits = false, changes_all = true;
  KvCache* plain = nullptr;
  int plain_rows = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    const ForwardItem& item = items[i];
    if (item.plain != plain) plain_rows = 0;
    plain = item.plain;
    first_rows.push_back(int(ids.size()));
    for (size_t r = 0; r < item.ids.size(); ++r) {
      ids.push_back(item.ids[r]);
      positions.push_back(item.cache->tokens() + int(r));
      item_of_row.push_back(int(i));
      plain_at.push_back(plain == nullptr ? 0 : plain->tokens() + plain_rows++);
      changed.push_back(item.answer_adapter != nullptr);
    }
    if (item.answer_adapter != nullptr) {
      lora.adapter = &item.answer_adapter->impl();
    } else {
      changes_all = false;
    }
    wants_logits |= item.logits != LogitRows::kNone;
    item.cache->impl().Reserve(item.cache->tokens() + int(item.ids.size()));
    if (plain != nullptr) plain->impl().Reserve(plain->tokens() + plain_rows);
  }
  if (!changes_all) lora.rows = &changed;
  SetRows(int(ids.size()));
  Embed(ids);
  const std::vector<TurnTable> tables = TablesOf(positions);

  std::vector<Unit> units;
  for (size_t i = 0; i < items.size(); ++i) {
    const int count = int(items[i].ids.size());
    for (int r = 0; r < count; r += UnitRows()) {
      AddUnits(first_rows[i] + r, std::min(UnitRows(), count - r), &units);
    }
  }
  // The longest first: threads end together.
  std::ranges::stable_sort(units, std::greater<>(), [&](const Unit& unit) {
    return positions[size_t(unit.first_row)] + unit.rows;
  });

  const int dim = config_.head_dim;
  const auto keep = [&](int layer, int row, const float* plain_key,
                        const float* turned, const float* value) {
    const auto write = [&](KvCache& to, int at, const float* keys) {
      KvCache::Impl& cache = to.impl();
      for (int head = 0; head < config_.kv_heads; ++head) {
        const int64_t offset = int64_t(at) * dim;
        kernels_.to_halves(
            keys + head * dim, dim,
            HeadOf(cache.keys[size_t(layer)], cache, head) + offset);
        kernels_.to_halves(
            value + head * dim, dim,
            HeadOf(cache.values[size_t(layer)], cache, head) + offset);
      }
    };
    const ForwardItem& item = items[size_t(item_of_row[size_t(row)])];
    write(*item.cache, positions[size_t(row)], turned);
    if (item.plain != nullptr)
      write(*item.plain, plain_at[size_t(row)], plain_key);
  };
  const auto attend = [&](int layer, int index, int thread) {
    const Unit& unit = units[size_t(index)];
    const KvCache::Impl& cache =
        items[size_t(item_of_row[size_t(unit.first_row)])].cache->impl();
    const int window = config_.kinds[KindOf(layer)].window;
    alignas(64) int32_t first[kMostQueries] = {}, end[kMostQueries] = {};
    int count = 0, most = 0, least = positions[size_t(unit.first_row)];
    for (int r = 0; r < unit.rows; ++r) {
      const int row = unit.first_row + r;
      const int position = positions[size_t(row)];
      for (int g = 0; g < unit.queries; ++g) {
        first[count] = window == 0 ? 0 : std::max(0, position + 1 - window);
        end[count] = position + 1;
        least = std::min(least, first[count]);
        most = std::max(most, end[count]);
        ++count;
      }
    }
    // Two runs: what all rows see, then what some do not.
    const int seen_by_all =
        window == 0 ? positions[size_t(unit.first_row)] + 1 : least;
    const uint16_t* keys = HeadOf(cache.keys[size_t(layer)], cache, unit.head);
    const uint16_t* values =
        HeadOf(cache.values[size_t(layer)], cache, unit.head);
    const int begin[2] = {least, std::max(least, seen_by_all)};
    const int stop[2] = {begin[1], most};
    KeyRun runs[2];
    int run_count = 0;
    for (int i = 0; i < 2; ++i) {
      if (stop[i] <= begin[i]) continue;
      KeyRun& run = runs[run_count++];
      run.keys = keys + int64_t(begin[i]) * dim;
      run.values = values + int64_t(begin[i]) * dim;
      run.count = stop[i] - begin[i];
      if (i == 0) continue;
      for (int q = 0; q < count; ++q) {
        first[q] = std::max(0, first[q] - begin[i]);
        end[q] -= begin[i];
      }
      run.first = first;
      run.end = end;
    }
    Attend(unit, {runs, size_t(run_count)}, thread);
  };
  RunLayers(tables, lora, wants_logits,
            {.keep = keep, .units = int(units.size()), .attend = attend});
  auto logits = LogitsOf(items, first_rows);
  // Only now do the new tokens count.
  for (size_t i = 0; i < items.size(); ++i) {
    items[i].cache->impl().Commit(int(items[i].ids.size()));
    if (items[i].plain != nullptr)
      items[i].plain->impl().Commit(int(items[i].ids.size()));
  }
  return logits;
}

GistKv CpuPass::Impl::WriteGists(const KvCache& prefix, const KvCache& context,
                                 const MaskShape& shape,
                                 const Adapter& adapter) {
  const int gists = shape.gist_tokens, dim = config_.head_dim;
  SetRows(gists);
  const float* embeddings = Floats(adapter.impl().embeddings);
  std::vector<GistSlot> slots;
  std::vector<int> positions;
  for (int i = 0; i < gists; ++i) {
    slots.push_back(SlotOf(shape, i));
    positions.push_back(shape.prefix_tokens + slots.back().position);
    std::copy_n(embeddings + int64_t(slots.back().slot) * config_.hidden_size,
                config_.hidden_size,
                x_.data() + int64_t(i) * config_.hidden_size);
  }
  const std::vector<TurnTable> tables = TablesOf(positions);
  std::vector<int> context_positions;
  for (int i = 0; i < shape.context_tokens; ++i)
    context_positions.push_back(shape.prefix_tokens + i);
  const std::vector<TurnTable> context_tables = TablesOf(context_positions);

  // Gists of one block, as many as fit into a unit.
  std::vector<Unit> units;
  for (int begin = 0; begin < gists;) {
    int end = begin + 1;
    while (end < gists && end - begin < UnitRows() &&
           slots[size_t(end)].block == slots[size_t(begin)].block) {
      ++end;
    }
    AddUnits(begin, end - begin, &units);
    begin = end;
  }
  std::vector<int> block_begin(size_t(gists), 0);
  for (int i = 1; i < gists; ++i) {
    block_begin[size_t(i)] =
        slots[size_t(i)].block == slots[size_t(i) - 1].block
            ? block_begin[size_t(i) - 1]
            : i;
  }

  GistKv written{.layers = config_.layers,
                 .kv_heads = config_.kv_heads,
                 .gist_tokens = gists,
                 .head_dim = dim,
                 .keys = {},
                 .values = {}};
  written.keys.resize(written.Elements());
  written.values.resize(written.Elements());
  // Of the present layer: [kv_heads, gists, head_dim].
  std::vector<uint16_t> own_keys(size_t(config_.kv_heads) * size_t(gists) *
                                 size_t(dim));
  std::vector<uint16_t> own_values(own_keys.size());
  const auto keep = [&](int layer, int row, const float* plain,
                        const float* turned, const float* value) {
    for (int head = 0; head < config_.kv_heads; ++head) {
      const int64_t own = (int64_t(head) * gists + row) * dim;
      const int64_t at = int64_t(layer) * KvRows() * gists + own;
      std::copy_n(plain + head * dim, dim, written.keys.data() + at);
      std::copy_n(value + head * dim, dim, written.values.data() + at);
      kernels_.to_halves(turned + head * dim, dim, own_keys.data() + own);
      kernels_.to_halves(value + head * dim, dim, own_values.data() + own);
    }
  };
  const auto attend = [&](int layer, int index, int thread) {
    const Unit& unit = units[size_t(index)];
    const size_t kind = KindOf(layer);
    const int window = config_.kinds[kind].window;
    const GistSlot& slot = slots[size_t(unit.first_row)];
    const int block = block_begin[size_t(unit.first_row)];
    // Of prefix, context and own gists, each counted within its run.
    alignas(64) int32_t first[3][kMostQueries] = {}, end[3][kMostQueries] = {};
    int count = 0;
    for (int r = 0; r < unit.rows; ++r) {
      const int row = unit.first_row + r;
      const int earliest =
          window == 0 ? 0 : positions[size_t(row)] + 1 - window;
      int own = block;
      while (own < row && positions[size_t(own)] < earliest) ++own;
      for (int g = 0; g < unit.queries; ++g) {
        first[0][count] = std::max(0, earliest);
        first[1][count] =
            std::max(0, earliest - shape.prefix_tokens - slot.context_begin);
        first[2][count] = own - block;
        end[0][count] = shape.prefix_tokens;
        end[1][count] = slot.context_end - slot.context_begin;
        end[2][count] = row + 1 - block;
        ++count;
      }
    }
    const auto& before = prefix.impl();
    const auto& text = context.impl();
    const int64_t skip = int64_t(slot.context_begin) * dim;
    const int64_t own = (int64_t(unit.head) * gists + block) * dim;
    KeyRun runs[3] = {
        {.keys = HeadOf(before.keys[size_t(layer)], before, unit.head),
         .values = HeadOf(before.values[size_t(layer)], before, unit.head),
         .count = shape.prefix_tokens},
        {.keys = HeadOf(text.keys[size_t(layer)], text, unit.head) + skip,
         .values = HeadOf(text.values[size_t(layer)], text, unit.head) + skip,
         .count = slot.context_end - slot.context_begin,
         .cosines = context_tables[kind].Cosines(slot.context_begin),
         .sines = context_tables[kind].Sines(slot.context_begin),
         .pairs = context_tables[kind].pairs},
        {.keys = own_keys.data() + own,
         .values = own_values.data() + own,
         .count = unit.first_row + unit.rows - block}};
    for (int i = 0; i < 3; ++i) {
      if (window == 0 && i < 2) continue;
      runs[i].first = first[i];
      runs[i].end = end[i];
    }
    Attend(unit, runs, thread);
  };
  RunLayers(tables, {.adapter = &adapter.impl()}, false,
            {.keep = keep, .units = int(units.size()), .attend = attend});
  return written;
}

void CpuPass::Impl::LoadGists(const GistKv& gists, KvCache* to) {
  KvCache::Impl& cache = to->impl();
  const int count = gists.gist_tokens, dim = config_.head_dim;
  cache.Reserve(cache.tokens + count);
  std::vector<int> positions;
  for (int i = 0; i < count; ++i) positions.push_back(cache.tokens + i);
  const std::vector<TurnTable> tables = TablesOf(positions);
  const auto load_layer = [&](int layer, int) {
    const TurnTable& table = tables[KindOf(layer)];
    std::vector<float> turned(static_cast<size_t>(dim));
    for (int head = 0; head < config_.kv_heads; ++head) {
      const int64_t from =
          (int64_t(layer) * config_.kv_heads + head) * count * dim;
      const int64_t at = int64_t(cache.tokens) * dim;
      uint16_t* keys = HeadOf(cache.keys[size_t(layer)], cache, head) + at;
      uint16_t* values = HeadOf(cache.values[size_t(layer)], cache, head) + at;
      for (int i = 0; i < count; ++i) {
        Turn(gists.keys.data() + from + int64_t(i) * dim, table.Cosines(i),
             table.Sines(i), table.pairs, dim, turned.data());
        kernels_.to_halves(turned.data(), dim, keys + int64_t(i) * dim);
      }
      kernels_.to_halves(gists.values.data() + from, count * dim, values);
    }
  };
  team_.For(config_.layers, load_layer);
  cache.Commit(count);
}

CpuPass::CpuPass(const DecoderWeights& model, ThreadTeam& team)
    : impl_(std::make_unique<Impl>(model, team)) {}
CpuPass::~CpuPass() = default;

std::vector<std::vector<float>> CpuPass::Forward(
    std::span<const ForwardItem> items) {
  return impl_->Forward(items);
}

void CpuPass::LoadGists(const GistKv& gists, KvCache* cache) {
  impl_->LoadGists(gists, cache);
}

GistKv CpuPass::WriteGists(const KvCache& prefix, const KvCache& context,
                           const MaskShape& shape, const Adapter& adapter) {
  return impl_->WriteGists(prefix, context, shape, adapter);
}

}  // namespace gist

#include "core/train/document_attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>

namespace gist {
namespace {

using at::Tensor;

// What each gist sees, padded to [documents, gists]. Padding sees the prefix
// alone, so that no row is without a key.
struct Sights {
  std::vector<int64_t> text_begin, text_end, first_own, end_own;

  explicit Sights(size_t rows)
      : text_begin(rows), text_end(rows), first_own(rows), end_own(rows) {}
};

// [documents, gists, count]: is begin <= i < end? `begin` and `end`
// [documents * gists], i the last index.
Tensor Between(const std::vector<int64_t>& begin,
               const std::vector<int64_t>& end, int64_t documents,
               int64_t count, at::Device device) {
  const std::vector<int64_t> shape = {documents, -1, 1};
  const Tensor at =
      at::arange(count, at::TensorOptions(at::kLong).device(device));
  return (at >= FromIds(begin, device).view(shape))
      .logical_and_(at < FromIds(end, device).view(shape));
}

Tensor MaskOf(const FrozenModel& model, const Sights& sights, int64_t documents,
              int64_t gists, int64_t text_tokens) {
  const at::Device device = model.frequencies.device();
  const Tensor prefix = at::ones({documents, gists, model.prefix_tokens},
                                 at::TensorOptions(at::kBool).device(device));
  const Tensor text = Between(sights.text_begin, sights.text_end, documents,
                              text_tokens, device);
  const Tensor own =
      Between(sights.first_own, sights.end_own, documents, gists, device);
  const Tensor visible = at::cat({prefix, text, own}, 2);
  return at::zeros(visible.sizes(),
                   at::TensorOptions(at::kFloat).device(device))
      .masked_fill_(visible.logical_not(),
                    -std::numeric_limits<float>::infinity())
      .repeat({1, model.group(), 1})
      .unsqueeze(1);
}

// All segments of all documents in a row; documents with fewer repeat their
// first, which nothing sees there.
Tensor GatherText(std::span<const TrainDocument> documents, size_t segments) {
  std::vector<Tensor> all;
  for (const TrainDocument& document : documents) {
    all.insert(all.end(), document.segments.begin(), document.segments.end());
    all.insert(all.end(), segments - document.segments.size(),
               document.segments.front());
  }
  const Tensor kv = at::stack(all);
  std::vector<int64_t> shape = kv.sizes().vec();
  shape[0] = int64_t(segments);
  shape.insert(shape.begin(), int64_t(documents.size()));
  return kv.view(shape);
}

// Keys (0) or values (1) of the text, float [documents, kv_heads, text tokens,
// head_dim].
Tensor TextOf(const DocumentsPlan& plan, int layer, int which) {
  const Tensor rows = plan.kv.select(2, layer)
                          .select(2, which)
                          .transpose(1, 2)  // segments after kv_heads
                          .to(at::TensorOptions(at::kFloat), false, false,
                              at::MemoryFormat::Contiguous);
  const Tensor turned = which == 0 ? Rotate(rows, plan.segment_rotation) : rows;
  return turned.reshape({rows.size(0), rows.size(1), -1, rows.size(4)});
}

// Prefix, text and the gists' own rows: [documents, kv_heads, keys, head_dim].
Tensor AllRows(const DocumentsPlan& plan, const Tensor& prefix,
               const Tensor& text, const Tensor& own) {
  const Tensor padded =
      own.index_select(0, plan.padded_rows)
          .view({plan.documents, plan.gists, own.size(1), own.size(2)})
          .transpose(1, 2);
  return at::cat(
      {prefix.transpose(0, 1).unsqueeze(0).expand({plan.documents, -1, -1, -1}),
       text, padded},
      2);
}

}  // namespace

DocumentsPlan MakeDocumentsPlan(const FrozenModel& model,
                                const GistLayout& layout,
                                std::span<const TrainDocument> documents) {
  DocumentsPlan plan{.documents = int64_t(documents.size())};
  size_t segments = 0;
  for (const TrainDocument& document : documents) {
    segments = std::max(segments, document.segments.size());
    plan.gists = std::max(plan.gists, int64_t(document.gist_tokens));
  }
  Sights sights(documents.size() * size_t(plan.gists));
  std::vector<int64_t> positions, packed_rows;
  std::vector<int64_t> padded_rows(documents.size() * size_t(plan.gists));
  for (size_t d = 0; d < documents.size(); ++d) {
    const TrainDocument& document = documents[d];
    const MaskShape shape = ShapeOf(document, layout, model.prefix_tokens);
    for (int i = 0; i < document.gist_tokens; ++i) {
      const GistSlot slot = SlotOf(shape, i);
      const size_t at = d * size_t(plan.gists) + size_t(i);
      sights.text_begin[at] = slot.context_begin;
      sights.text_end[at] = slot.context_end;
      sights.first_own[at] = i - slot.slot;
      sights.end_own[at] = i + 1;
      padded_rows[at] = int64_t(positions.size());
      packed_rows.push_back(int64_t(at));
      positions.push_back(model.prefix_tokens + slot.position);
    }
  }
  const at::Device device = model.frequencies.device();
  const auto rotation = [&](const std::vector<int64_t>& where) {
    return ForRowsFirst(RotationAt(FromIds(where, device), model.frequencies));
  };
  std::vector<int64_t> begins;
  for (size_t i = 0; i < segments; ++i)
    begins.push_back(int64_t(i) * layout.segment_tokens);
  plan.kv = GatherText(documents, segments);
  plan.segment_rotation = rotation(begins);
  plan.rotation = rotation(positions);
  plan.padded_rows = FromIds(padded_rows, device);
  plan.packed_rows = FromIds(packed_rows, device);
  plan.mask = MaskOf(model, sights, plan.documents, plan.gists,
                     int64_t(segments) * layout.segment_tokens);
  return plan;
}

Tensor DocumentAttention(const FrozenModel& model, const DocumentsPlan& plan,
                         int layer, const Tensor& query, const Tensor& key,
                         const Tensor& value) {
  const int64_t heads = model.config.heads, kv_heads = model.config.kv_heads;
  const int64_t dim = model.config.head_dim;
  const auto split = [&](const Tensor& x, int64_t count) {
    return x.view({x.size(0), count, dim});
  };
  const Tensor padded = Rotate(split(query, heads), plan.rotation)
                            .index_select(0, plan.padded_rows)
                            .view({plan.documents, plan.gists, heads, dim});
  const Tensor keys =
      AllRows(plan, model.prefix_keys[size_t(layer)], TextOf(plan, layer, 0),
              Rotate(split(key, kv_heads), plan.rotation));
  const Tensor values = AllRows(plan, model.prefix_values[size_t(layer)],
                                TextOf(plan, layer, 1), split(value, kv_heads));
  return AttendBatch(padded, keys, values, plan.mask)
      .index_select(0, plan.packed_rows);
}

}  // namespace gist

#include "core/kernels/packed_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/base/float16.h"

namespace gist {
namespace {

constexpr int kRowsPerTask = 8 * kStripRows;
// Of rounded types. A weight of magnitude 7.6e-6 to 8,000 then has a scale
// among float16's normal numbers.
constexpr float kRoundedUnit = 1.0f / 1024;
constexpr float kMostHalf = 65504;

StripFormat FormatOf(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_0:
      return StripFormat::kNibbles;
    case GgmlType::kQ4_1:
    case GgmlType::kQ4_K:
      return StripFormat::kNibblesWithMinima;
    default:
      return StripFormat::kBytes;
  }
}

float UnitOf(GgmlType type) {
  const bool has_half_scales = type == GgmlType::kQ4_0 ||
                               type == GgmlType::kQ4_1 ||
                               type == GgmlType::kQ8_0;
  return has_half_scales ? 1 : kRoundedUnit;
}

uint16_t HalfAt(const uint8_t* from) {
  uint16_t bits;
  std::memcpy(&bits, from, sizeof(bits));
  return bits;
}

uint16_t InUnit(float value) {
  return FloatToHalf(std::clamp(value / kRoundedUnit, -kMostHalf, kMostHalf));
}

// 32 columns of a row: integers as the strip's format has them.
struct RowBlock {
  uint8_t integers[kBlockColumns];
  uint16_t scale = 0;
  uint16_t minimum = 0;
};

// The low nibbles of 16 bytes, then the high ones.
void SplitNibbles(const uint8_t* from, uint8_t* out) {
  for (int i = 0; i < 16; ++i) {
    out[i] = from[i] & 15;
    out[16 + i] = from[i] >> 4;
  }
}

// Block `index` of a row in Q4_K. Source: github.com/ggml-org/ggml,
// src/ggml-common.h (block_q4_K).
void ReadQ4K(const uint8_t* row, int index, RowBlock* block) {
  const uint8_t* super = row + index / 8 * 144;
  const uint8_t* six = super + 4;  // scales and minima of 6 bits
  const int j = index % 8;
  int scale, minimum;
  if (j < 4) {
    scale = six[j] & 63;
    minimum = six[j + 4] & 63;
  } else {
    scale = (six[j + 4] & 15) | (six[j - 4] >> 6) << 4;
    minimum = (six[j + 4] >> 4) | (six[j] >> 6) << 4;
  }
  block->scale = InUnit(HalfToFloat(HalfAt(super)) * float(scale));
  block->minimum = InUnit(-HalfToFloat(HalfAt(super + 2)) * float(minimum));
  const uint8_t* bytes = super + 16 + j / 2 * 32;
  for (int i = 0; i < kBlockColumns; ++i) {
    block->integers[i] = j % 2 == 0 ? bytes[i] & 15 : bytes[i] >> 4;
  }
}

// The nearest integers of -127 to 127, plus 128.
void Round(const float* x, RowBlock* block) {
  float most = 0;
  for (int i = 0; i < kBlockColumns; ++i)
    most = std::max(most, std::fabs(x[i]));
  block->scale = InUnit(most / 127);
  const float scale = HalfToFloat(block->scale) * kRoundedUnit;
  const float inverse = scale > 0 ? 1 / scale : 0;
  for (int i = 0; i < kBlockColumns; ++i) {
    const float nearest = std::nearbyint(x[i] * inverse);
    block->integers[i] = uint8_t(128 + int(std::clamp(nearest, -127.f, 127.f)));
  }
}

// Puts row `row` of a strip into its block at `to`.
void Put(const RowBlock& block, StripFormat format, int row, uint8_t* to) {
  const bool is_bytes = format == StripFormat::kBytes;
  for (int group = 0; group < kBlockColumns / 4; ++group) {
    const uint8_t* four = block.integers + 4 * group;
    if (is_bytes) {
      std::memcpy(to + 64 * group + 4 * row, four, 4);
      continue;
    }
    uint8_t* at = to + 64 * (group / 2) + 4 * row;
    for (int i = 0; i < 4; ++i) {
      at[i] = uint8_t(at[i] | (group % 2 == 0 ? four[i] : four[i] << 4));
    }
  }
  uint8_t* scales = to + (is_bytes ? 512 : 256) + 2 * row;
  std::memcpy(scales, &block.scale, 2);
  if (format == StripFormat::kNibblesWithMinima)
    std::memcpy(scales + 32, &block.minimum, 2);
}

// The integers of one row of a strip's block.
void TakeRow(const uint8_t* block, bool is_bytes, int row, uint8_t* out) {
  for (int group = 0; group < kBlockColumns / 4; ++group) {
    uint8_t* four = out + 4 * group;
    if (is_bytes) {
      std::memcpy(four, block + 64 * group + 4 * row, 4);
      continue;
    }
    std::memcpy(four, block + 64 * (group / 2) + 4 * row, 4);
    for (int i = 0; i < 4; ++i)
      four[i] = group % 2 == 0 ? four[i] & 15 : uint8_t(four[i] >> 4);
  }
}

int64_t StoredRow(int64_t row, int head_rows) {
  if (head_rows == 0) return row;
  const int64_t within = row % head_rows, half = head_rows / 2;
  return row - within + 2 * (within % half) + within / half;
}

}  // namespace

PackedMatrix::PackedMatrix(const GgufTensor& tensor, int interleaved_head_rows,
                           ThreadTeam& team)
    : rows_(tensor.dims[1]),
      columns_(tensor.dims[0]),
      format_(FormatOf(tensor.type)),
      unit_(UnitOf(tensor.type)),
      bytes_(size_t(strips()) * size_t(blocks()) *
             size_t(StripBlockBytes(format_))) {
  const auto tasks = int((rows_ + kRowsPerTask - 1) / kRowsPerTask);
  team.For(tasks, [&](int task, int) {
    const int64_t begin = int64_t(task) * kRowsPerTask;
    const int64_t end = std::min(rows_, begin + kRowsPerTask);
    for (int64_t row = begin; row < end; ++row) {
      PackRow(tensor, StoredRow(row, interleaved_head_rows), row);
    }
  });
}

void PackedMatrix::PackRow(const GgufTensor& tensor, int64_t stored_row,
                           int64_t row) {
  const int64_t row_bytes = int64_t(tensor.data.size()) / rows_;
  const char* chars = tensor.data.data() + stored_row * row_bytes;
  const auto* from = reinterpret_cast<const uint8_t*>(chars);
  const bool rounds =
      format_ == StripFormat::kBytes && tensor.type != GgmlType::kQ8_0;
  std::vector<float> values;
  if (rounds) {
    values.resize(size_t(blocks()) * kBlockColumns);
    Dequantize(tensor.type, chars, columns_, values.data());
  }
  const int64_t block_bytes = StripBlockBytes(format_);
  uint8_t* to = bytes_.data() + row / kStripRows * blocks() * block_bytes;
  for (int b = 0; b < blocks(); ++b) {
    RowBlock block;
    if (rounds) {
      Round(values.data() + b * kBlockColumns, &block);
    } else if (tensor.type == GgmlType::kQ4_K) {
      ReadQ4K(from, b, &block);
    } else if (tensor.type == GgmlType::kQ8_0) {
      block.scale = HalfAt(from + 34 * b);
      for (int i = 0; i < kBlockColumns; ++i)
        block.integers[i] = from[34 * b + 2 + i] ^ 0x80;
    } else {
      const bool has_minimum = tensor.type == GgmlType::kQ4_1;
      const uint8_t* in = from + (has_minimum ? 20 : 18) * b;
      block.scale = HalfAt(in);
      if (has_minimum) block.minimum = HalfAt(in + 2);
      SplitNibbles(in + (has_minimum ? 4 : 2), block.integers);
    }
    Put(block, format_, int(row % kStripRows), to);
    to += block_bytes;
  }
}

void PackedMatrix::DequantizeRow(int64_t row, float* out) const {
  const bool is_bytes = format_ == StripFormat::kBytes;
  const bool has_minima = format_ == StripFormat::kNibblesWithMinima;
  const int offset = is_bytes ? 128 : has_minima ? 0 : 8;
  const int64_t block_bytes = StripBlockBytes(format_);
  const int in_strip = int(row % kStripRows);
  const uint8_t* block =
      bytes_.data() + row / kStripRows * blocks() * block_bytes;
  for (int64_t begin = 0; begin < columns_; begin += kBlockColumns) {
    uint8_t integers[kBlockColumns];
    TakeRow(block, is_bytes, in_strip, integers);
    const uint8_t* scales = block + (is_bytes ? 512 : 256) + 2 * in_strip;
    const float scale = HalfToFloat(HalfAt(scales)) * unit_;
    const float minimum =
        has_minima ? HalfToFloat(HalfAt(scales + 32)) * unit_ : 0;
    const int64_t size = std::min<int64_t>(kBlockColumns, columns_ - begin);
    for (int64_t i = 0; i < size; ++i)
      out[begin + i] = float(int(integers[i]) - offset) * scale + minimum;
    block += block_bytes;
  }
}

StripProduct PackedMatrix::Strip(int index) const {
  return {.strip = bytes_.data() +
                   int64_t(index) * blocks() * StripBlockBytes(format_),
          .format = format_,
          .unit = unit_,
          .blocks = blocks()};
}

int QuantizedRows::TileRows(int tile) const {
  return std::min(kTileRows, rows_ - tile * kTileRows);
}

size_t QuantizedRows::TileBegin(int tile) const {
  return size_t(tile) * kTileRows * size_t(blocks_) * kRowBlockBytes;
}

void QuantizedRows::Reset(int rows, int columns) {
  rows_ = rows;
  columns_ = columns;
  blocks_ = (columns + kBlockColumns - 1) / kBlockColumns;
  const size_t wanted = size_t(rows) * size_t(blocks_) * kRowBlockBytes;
  if (bytes_.size() < wanted) bytes_.resize(wanted);
}

void QuantizedRows::Set(int row, const float* x) {
  const int tile = row / kTileRows;
  BestKernels().quantize_row(x, columns_, TileRows(tile), row % kTileRows,
                             bytes_.data() + TileBegin(tile));
}

void QuantizedRows::TakeTile(int tile, StripProduct* product) const {
  product->tile = bytes_.data() + TileBegin(tile);
  product->rows = TileRows(tile);
}

namespace {

// Strip `index` of a product, for all rows of x. A strip that the matrix does
// not fill goes through a buffer.
void MultiplyStrip(const QuantizedRows& x, const PackedProduct& product,
                   int index, const Kernels& kernels) {
  StripProduct strip = product.matrix->Strip(index);
  const int64_t first = int64_t(index) * kStripRows;
  const int64_t count =
      std::min<int64_t>(kStripRows, product.matrix->rows() - first);
  alignas(64) float buffer[kTileRows * kStripRows];
  for (int tile = 0; tile < x.tiles(); ++tile) {
    x.TakeTile(tile, &strip);
    float* y = product.y + tile * kTileRows * product.stride + first;
    const bool whole = count == kStripRows;
    strip.y = whole ? y : buffer;
    strip.stride = whole ? product.stride : kStripRows;
    kernels.multiply(strip);
    if (whole) continue;
    for (int r = 0; r < strip.rows; ++r) {
      std::copy_n(buffer + r * kStripRows, count, y + r * product.stride);
    }
  }
}

}  // namespace

void Multiply(const QuantizedRows& x, const PackedProduct* products, int count,
              ThreadTeam& team) {
  int strips = 0;
  for (int i = 0; i < count; ++i) strips += products[i].matrix->strips();
  // Small enough that threads end together, large enough to be worth a claim.
  const int most = x.rows() >= 64 ? 1 : 8;
  const int per_task = std::clamp(strips / (6 * team.threads()), 1, most);
  const Kernels& kernels = BestKernels();
  team.For((strips + per_task - 1) / per_task, [&](int task, int) {
    int index = task * per_task;
    const int end = std::min(strips, index + per_task);
    const PackedProduct* product = products;
    int before = 0;
    for (; index < end; ++index) {
      while (index - before >= product->matrix->strips()) {
        before += product->matrix->strips();
        ++product;
      }
      MultiplyStrip(x, *product, index - before, kernels);
    }
  });
}

}  // namespace gist

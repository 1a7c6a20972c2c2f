// Kernels written once over a vector type. An instruction set's source defines
// Vector, kLanes and the functions below in an anonymous namespace, then
// includes this file. It uses no inline function of a library: a copy compiled
// for one processor must not be linked into code for another.
//
//   Vector Zero(), Set(float), Load(const float*), LoadHalves(const uint16_t*)
//   void Store(Vector, float*), StoreHalves(Vector, uint16_t*)
//   Vector Add, Sub, Mul, Div, Max, Min(Vector, Vector); Fma(a, b, c) = a * b +
//   c float SumOf(Vector) Vector TwoTo(Vector n): 2^n for whole n; Vector
//   Round(Vector) Vector Hidden(Vector scores, const int32_t* first, const
//   int32_t* end,
//                 int key): minus infinity in lanes with key outside [first,
//                 end)
//   float MostOf(const float*): greatest magnitude of a block, NaN if it has
//   one int32_t RoundBlock(const float* x, float inverse, int8_t* out): the
//   nearest
//                 integers of x * inverse; their sum
//   void MultiplyStrip(const StripProduct&)
//   constexpr int kMicroRows: rows of a small product of two vectors that stay
//                 in registers

void MultiplyStrip(const StripProduct& product);

// Of a block to quantize: a smaller magnitude counts as zero, because 127 over
// it may be infinite.
constexpr float kLeastMagnitude = 1e-30f;
constexpr float kMinusInfinity = -__builtin_huge_valf();

// e^x, relative error below 2e-7; 0 below -87, e^88 above 88. Source: Cody and
// Waite, Software Manual for the Elementary Functions, 1980; Taylor's
// polynomial of degree 6.
inline Vector Exp(Vector x) {
  const Vector low = Set(-87.0f);
  const Vector bounded = Min(Max(x, low), Set(88.0f));
  const Vector n = Round(Mul(bounded, Set(1.44269504f)));
  Vector r = Fma(n, Set(-0.693359375f), bounded);
  r = Fma(n, Set(2.12194440e-4f), r);
  Vector p = Set(1.0f / 720);
  p = Fma(p, r, Set(1.0f / 120));
  p = Fma(p, r, Set(1.0f / 24));
  p = Fma(p, r, Set(1.0f / 6));
  p = Fma(p, r, Set(0.5f));
  p = Fma(p, r, Set(1.0f));
  p = Fma(p, r, Set(1.0f));
  return ZeroBelow(Mul(p, TwoTo(n)), x, low);
}

// Calls visit(begin, vector count) for whole vectors, then one(i) for the rest.
template <typename Visit, typename One>
inline void ForVectors(int size, Visit visit, One one) {
  int i = 0;
  for (; i + kLanes <= size; i += kLanes) visit(i);
  for (; i < size; ++i) one(i);
}

void QuantizeRow(const float* x, int columns, int rows, int row,
                 uint8_t* tile) {
  for (int begin = 0; begin < columns; begin += kBlockColumns) {
    const int size =
        columns - begin < kBlockColumns ? columns - begin : kBlockColumns;
    alignas(64) float padded[kBlockColumns] = {};
    const float* from = x + begin;
    if (size < kBlockColumns) {
      for (int i = 0; i < size; ++i) padded[i] = from[i];
      from = padded;
    }
    alignas(64) int8_t integers[kBlockColumns];
    int32_t sum = 0;
    const float most = MostOf(from);
    float scale = 0;
    if (most >= kLeastMagnitude && most < __builtin_huge_valf()) {
      scale = most / 127;
      sum = RoundBlock(from, 127 / most, integers);
    } else {
      // A NaN or an infinity must not be taken for a number.
      __builtin_memset(integers, 0, sizeof(integers));
      if (!(most < kLeastMagnitude)) scale = __builtin_nanf("");
    }
    for (int group = 0; group < kBlockColumns / 4; ++group) {
      __builtin_memcpy(tile + (group * rows + row) * 4, integers + 4 * group,
                       4);
    }
    uint8_t* after = tile + kBlockColumns * rows + 4 * row;
    const int32_t times8 = -8 * sum, times128 = -128 * sum;
    const float weighted = float(sum) * scale;
    __builtin_memcpy(after, &scale, 4);
    __builtin_memcpy(after + 4 * rows, &times8, 4);
    __builtin_memcpy(after + 8 * rows, &times128, 4);
    __builtin_memcpy(after + 12 * rows, &weighted, 4);
    tile += kRowBlockBytes * rows;
  }
}

float Dot(const float* a, const float* b, int size) {
  Vector sum = Zero();
  float rest = 0;
  ForVectors(
      size, [&](int i) { sum = Fma(Load(a + i), Load(b + i), sum); },
      [&](int i) { rest += a[i] * b[i]; });
  return SumOf(sum) + rest;
}

void RmsNorm(const float* x, const float* weight, int size, float epsilon,
             float* out) {
  const float mean = Dot(x, x, size) / float(size);
  const float factor = 1.0f / __builtin_sqrtf(mean + epsilon);
  const Vector factors = Set(factor);
  ForVectors(
      size,
      [&](int i) {
        Store(Mul(Mul(Load(x + i), factors), Load(weight + i)), out + i);
      },
      [&](int i) { out[i] = x[i] * factor * weight[i]; });
}

inline Vector Silu(Vector x) {
  return Div(x, Add(Set(1.0f), Exp(Sub(Zero(), x))));
}

// x / (1 + e^(-2 u)) = x (1 + tanh u) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3).
inline Vector GeluTanh(Vector x) {
  const Vector cube = Mul(Mul(x, x), x);
  const Vector u =
      Mul(Fma(cube, Set(0.044715f), x), Set(-2 * 0.7978845608028654f));
  return Div(x, Add(Set(1.0f), Exp(u)));
}

template <typename Function>
inline void ActivateBy(Function function, const float* up, int size,
                       float* gate) {
  ForVectors(
      size,
      [&](int i) {
        Store(Mul(function(Load(gate + i)), Load(up + i)), gate + i);
      },
      [&](int i) {
        alignas(64) float lanes[kLanes];
        Store(function(Set(gate[i])), lanes);
        gate[i] = lanes[0] * up[i];
      });
}

void Activate(KernelActivation activation, const float* up, int size,
              float* gate) {
  if (activation == KernelActivation::kSilu) {
    ActivateBy([](Vector x) { return Silu(x); }, up, size, gate);
  } else {
    ActivateBy([](Vector x) { return GeluTanh(x); }, up, size, gate);
  }
}

void AddScaled(const float* x, float scale, int size, float* y) {
  const Vector scales = Set(scale);
  ForVectors(
      size, [&](int i) { Store(Fma(Load(x + i), scales, Load(y + i)), y + i); },
      [&](int i) { y[i] += scale * x[i]; });
}

void AddScaledHalves(const uint16_t* x, float scale, int size, float* y) {
  const Vector scales = Set(scale);
  ForVectors(
      size,
      [&](int i) { Store(Fma(LoadHalves(x + i), scales, Load(y + i)), y + i); },
      [&](int i) { y[i] += scale * FloatOf(x[i]); });
}

float DotHalves(const uint16_t* a, const float* b, int size) {
  Vector sum = Zero();
  float rest = 0;
  ForVectors(
      size, [&](int i) { sum = Fma(LoadHalves(a + i), Load(b + i), sum); },
      [&](int i) { rest += FloatOf(a[i]) * b[i]; });
  return SumOf(sum) + rest;
}

void ToHalves(const float* x, int size, uint16_t* out) {
  ForVectors(
      size, [&](int i) { StoreHalves(Load(x + i), out + i); },
      [&](int i) { out[i] = HalfOf(x[i]); });
}

void ToFloats(const uint16_t* x, int size, float* out) {
  ForVectors(
      size, [&](int i) { Store(LoadHalves(x + i), out + i); },
      [&](int i) { out[i] = FloatOf(x[i]); });
}

// ---- attention ----
// Lanes are queries: scores and weights lie as [keys, queries], so softmax
// takes no sum across lanes. Keys pass in tiles; results of earlier tiles are
// scaled when a greater score appears. Source: FlashAttention
// (arXiv:2205.14135).

constexpr int kKeyTile = 64;
constexpr int kColumns = 2 * kLanes;  // queries of a small product

// c[m, n] = sum over k of a(m, k) * b[k, n], for M rows and two vectors of n.
// a(m, k) = a[m * a_row + k * a_step]. Adds to c if `add`.
template <int M>
inline void SmallProduct(const float* a, int64_t a_row, int64_t a_step,
                         const float* b, int64_t b_row, int depth, float* c,
                         int64_t c_row, bool add) {
  Vector sums[M][2];
  for (int m = 0; m < M; ++m) {
    for (int n = 0; n < 2; ++n) {
      sums[m][n] = add ? Load(c + m * c_row + n * kLanes) : Zero();
    }
  }
  for (int k = 0; k < depth; ++k) {
    const Vector b0 = Load(b + k * b_row), b1 = Load(b + k * b_row + kLanes);
    for (int m = 0; m < M; ++m) {
      const Vector value = Set(a[m * a_row + k * a_step]);
      sums[m][0] = Fma(value, b0, sums[m][0]);
      sums[m][1] = Fma(value, b1, sums[m][1]);
    }
  }
  for (int m = 0; m < M; ++m) {
    for (int n = 0; n < 2; ++n) Store(sums[m][n], c + m * c_row + n * kLanes);
  }
}

// The same for any number of rows.
inline void RowsProduct(const float* a, int64_t a_row, int64_t a_step,
                        const float* b, int64_t b_row, int depth, int rows,
                        float* c, int64_t c_row, bool add) {
  int m = 0;
  for (; m + kMicroRows <= rows; m += kMicroRows) {
    SmallProduct<kMicroRows>(a + m * a_row, a_row, a_step, b, b_row, depth,
                             c + m * c_row, c_row, add);
  }
  for (; m < rows; ++m) {
    SmallProduct<1>(a + m * a_row, a_row, a_step, b, b_row, depth,
                    c + m * c_row, c_row, add);
  }
}

// Keys [begin, begin + count) of a run as float32, turned if the run asks.
inline void LoadKeys(const KeyRun& run, int begin, int count, int head_dim,
                     float* out) {
  for (int i = 0; i < count; ++i) {
    float* key = out + int64_t(i) * head_dim;
    ToFloats(run.keys + int64_t(begin + i) * head_dim, head_dim, key);
    if (run.cosines == nullptr) continue;
    const float* cosines = run.cosines + int64_t(begin + i) * run.pairs;
    const float* sines = run.sines + int64_t(begin + i) * run.pairs;
    float* other = key + run.pairs;
    ForVectors(
        run.pairs,
        [&](int j) {
          const Vector a = Load(key + j), b = Load(other + j);
          const Vector c = Load(cosines + j), s = Load(sines + j);
          Store(Sub(Mul(a, c), Mul(b, s)), key + j);
          Store(Fma(a, s, Mul(b, c)), other + j);
        },
        [&](int j) {
          const float a = key[j], b = other[j];
          key[j] = a * cosines[j] - b * sines[j];
          other[j] = a * sines[j] + b * cosines[j];
        });
  }
}

struct AttentionBuffers {
  float* queries;  // [head_dim, kMostQueries]
  float* keys;     // [kKeyTile, head_dim]
  float* values;   // likewise
  float* scores;   // [kKeyTile, kMostQueries]
  float* out;      // [head_dim, kMostQueries]
  float* most;     // [kMostQueries]
  float* sums;     // likewise
};

inline AttentionBuffers SplitScratch(float* scratch, int head_dim) {
  AttentionBuffers buffers;
  buffers.queries = scratch;
  buffers.keys = buffers.queries + head_dim * kMostQueries;
  buffers.values = buffers.keys + head_dim * kKeyTile;
  buffers.scores = buffers.values + head_dim * kKeyTile;
  buffers.out = buffers.scores + kKeyTile * kMostQueries;
  buffers.most = buffers.out + head_dim * kMostQueries;
  buffers.sums = buffers.most + kMostQueries;
  return buffers;
}

// Takes the tile's scores [keys, queries] into weights, and scales what earlier
// tiles left.
inline void Soften(const AttentionBuffers& buffers, const KeyRun& run,
                   int begin, int keys, int padded, int head_dim) {
  for (int q = 0; q < padded; q += kLanes) {
    float* scores = buffers.scores + q;
    const Vector before = Load(buffers.most + q);
    Vector most = before;
    if (run.end != nullptr) {
      for (int key = 0; key < keys; ++key) {
        float* at = scores + key * kMostQueries;
        const Vector seen =
            Hidden(Load(at), run.first + q, run.end + q, begin + key);
        Store(seen, at);
        most = Max(most, seen);
      }
    } else {
      for (int key = 0; key < keys; ++key) {
        most = Max(most, Load(scores + key * kMostQueries));
      }
    }
    // A query that has seen no key yet: its scores are minus infinity, and so
    // would be their distance from it.
    const Vector base = Max(most, Set(-1e30f));
    Vector sum = Zero();
    for (int key = 0; key < keys; ++key) {
      float* at = scores + key * kMostQueries;
      const Vector weight = Exp(Sub(Load(at), base));
      Store(weight, at);
      sum = Add(sum, weight);
    }
    const Vector factor = Exp(Sub(Max(before, Set(-1e30f)), base));
    Store(most, buffers.most + q);
    Store(Fma(Load(buffers.sums + q), factor, sum), buffers.sums + q);
    for (int d = 0; d < head_dim; ++d) {
      float* at = buffers.out + d * kMostQueries + q;
      Store(Mul(Load(at), factor), at);
    }
  }
}

// May any query see the keys [begin, end) of the run?
inline bool IsSeen(const KeyRun& run, int begin, int end, int queries) {
  if (run.end == nullptr) return true;
  for (int q = 0; q < queries; ++q) {
    if (run.first[q] < end && run.end[q] > begin) return true;
  }
  return false;
}

// At least as many queries as lanes: products of two vectors of queries.
void AttendMany(const HeadAttention& a) {
  const AttentionBuffers buffers = SplitScratch(a.scratch, a.head_dim);
  const int padded = (a.query_count + kColumns - 1) / kColumns * kColumns;
  for (int d = 0; d < a.head_dim; ++d) {
    float* row = buffers.queries + d * kMostQueries;
    for (int q = 0; q < padded; ++q) {
      row[q] =
          q < a.query_count ? a.queries[a.query_offsets[q] + d] * a.scale : 0;
    }
    float* out = buffers.out + d * kMostQueries;
    for (int q = 0; q < padded; q += kLanes) Store(Zero(), out + q);
  }
  for (int q = 0; q < padded; ++q) {
    buffers.most[q] = kMinusInfinity;
    buffers.sums[q] = 0;
  }
  for (int r = 0; r < a.run_count; ++r) {
    const KeyRun& run = a.runs[r];
    for (int begin = 0; begin < run.count; begin += kKeyTile) {
      const int keys =
          run.count - begin < kKeyTile ? run.count - begin : kKeyTile;
      if (!IsSeen(run, begin, begin + keys, a.query_count)) continue;
      LoadKeys(run, begin, keys, a.head_dim, buffers.keys);
      ToFloats(run.values + int64_t(begin) * a.head_dim, keys * a.head_dim,
               buffers.values);
      for (int q = 0; q < padded; q += kColumns) {
        RowsProduct(buffers.keys, a.head_dim, 1, buffers.queries + q,
                    kMostQueries, a.head_dim, keys, buffers.scores + q,
                    kMostQueries, false);
      }
      Soften(buffers, run, begin, keys, padded, a.head_dim);
      for (int q = 0; q < padded; q += kColumns) {
        RowsProduct(buffers.values, 1, a.head_dim, buffers.scores + q,
                    kMostQueries, keys, a.head_dim, buffers.out + q,
                    kMostQueries, true);
      }
    }
  }
  for (int q = 0; q < a.query_count; ++q) {
    const float sum = buffers.sums[q];
    const float factor = sum > 0 ? 1 / sum : 0;
    float* out = a.out + a.out_offsets[q];
    for (int d = 0; d < a.head_dim; ++d) {
      out[d] = buffers.out[d * kMostQueries + q] * factor;
    }
  }
}

// Few queries: lanes are dimensions. Q queries at a time read a key once.
template <int Q>
inline void AttendQueries(const HeadAttention& a, int first_query,
                          const AttentionBuffers& buffers) {
  float* queries = buffers.queries;  // [Q, head_dim]
  float* out = buffers.out;          // likewise
  float* scores = buffers.scores;    // [Q, kKeyTile]
  float most[Q], sums[Q];
  for (int q = 0; q < Q; ++q) {
    const float* from = a.queries + a.query_offsets[first_query + q];
    for (int d = 0; d < a.head_dim; ++d) {
      queries[q * a.head_dim + d] = from[d] * a.scale;
      out[q * a.head_dim + d] = 0;
    }
    most[q] = -1e30f;
    sums[q] = 0;
  }
  for (int r = 0; r < a.run_count; ++r) {
    const KeyRun& run = a.runs[r];
    for (int begin = 0; begin < run.count; begin += kKeyTile) {
      const int keys =
          run.count - begin < kKeyTile ? run.count - begin : kKeyTile;
      float tile_most[Q];
      for (int q = 0; q < Q; ++q) tile_most[q] = most[q];
      const bool turns = run.cosines != nullptr;
      if (turns) LoadKeys(run, begin, keys, a.head_dim, buffers.keys);
      for (int key = 0; key < keys; ++key) {
        const uint16_t* halves = run.keys + int64_t(begin + key) * a.head_dim;
        const float* floats = buffers.keys + int64_t(key) * a.head_dim;
        Vector products[Q];
        for (int q = 0; q < Q; ++q) products[q] = Zero();
        for (int d = 0; d < a.head_dim; d += kLanes) {
          const Vector k = turns ? Load(floats + d) : LoadHalves(halves + d);
          for (int q = 0; q < Q; ++q) {
            products[q] =
                Fma(k, Load(queries + q * a.head_dim + d), products[q]);
          }
        }
        for (int q = 0; q < Q; ++q) {
          const int query = first_query + q;
          const bool seen =
              run.end == nullptr ||
              (begin + key >= run.first[query] && begin + key < run.end[query]);
          const float score = seen ? SumOf(products[q]) : kMinusInfinity;
          scores[q * kKeyTile + key] = score;
          if (score > tile_most[q]) tile_most[q] = score;
        }
      }
      for (int q = 0; q < Q; ++q) {
        float* at = scores + q * kKeyTile;
        const int padded = (keys + kLanes - 1) / kLanes * kLanes;
        for (int key = keys; key < padded; ++key) at[key] = kMinusInfinity;
        const Vector base = Set(tile_most[q]);
        Vector sum = Zero();
        for (int key = 0; key < padded; key += kLanes) {
          const Vector weight = Exp(Sub(Load(at + key), base));
          Store(weight, at + key);
          sum = Add(sum, weight);
        }
        if (tile_most[q] > most[q]) {
          alignas(64) float lanes[kLanes];
          Store(Exp(Set(most[q] - tile_most[q])), lanes);
          sums[q] *= lanes[0];
          const Vector factor = Set(lanes[0]);
          float* scaled = out + q * a.head_dim;
          for (int d = 0; d < a.head_dim; d += kLanes) {
            Store(Mul(Load(scaled + d), factor), scaled + d);
          }
          most[q] = tile_most[q];
        }
        sums[q] += SumOf(sum);
      }
      for (int d = 0; d < a.head_dim; d += kLanes) {
        Vector o[Q];
        for (int q = 0; q < Q; ++q) o[q] = Load(out + q * a.head_dim + d);
        const uint16_t* values = run.values + int64_t(begin) * a.head_dim + d;
        for (int key = 0; key < keys; ++key) {
          const Vector v = LoadHalves(values + int64_t(key) * a.head_dim);
          for (int q = 0; q < Q; ++q) {
            o[q] = Fma(v, Set(scores[q * kKeyTile + key]), o[q]);
          }
        }
        for (int q = 0; q < Q; ++q) Store(o[q], out + q * a.head_dim + d);
      }
    }
  }
  for (int q = 0; q < Q; ++q) {
    const float factor = sums[q] > 0 ? 1 / sums[q] : 0;
    float* to = a.out + a.out_offsets[first_query + q];
    for (int d = 0; d < a.head_dim; ++d)
      to[d] = out[q * a.head_dim + d] * factor;
  }
}

void AttendFew(const HeadAttention& a) {
  const AttentionBuffers buffers = SplitScratch(a.scratch, a.head_dim);
  int q = 0;
  for (; q + 4 <= a.query_count; q += 4) AttendQueries<4>(a, q, buffers);
  switch (a.query_count - q) {
    case 3:
      return AttendQueries<3>(a, q, buffers);
    case 2:
      return AttendQueries<2>(a, q, buffers);
    case 1:
      return AttendQueries<1>(a, q, buffers);
  }
}

void Attend(const HeadAttention& a) {
  const bool few = a.query_count <= 8 && a.head_dim % kLanes == 0;
  few ? AttendFew(a) : AttendMany(a);
}

constexpr Kernels Table(InstructionSet set) {
  return {.set = set,
          .quantize_row = QuantizeRow,
          .multiply = MultiplyStrip,
          .rms_norm = RmsNorm,
          .activate = Activate,
          .add_scaled = AddScaled,
          .dot = Dot,
          .add_scaled_halves = AddScaledHalves,
          .dot_halves = DotHalves,
          .to_halves = ToHalves,
          .to_floats = ToFloats,
          .attend = Attend};
}

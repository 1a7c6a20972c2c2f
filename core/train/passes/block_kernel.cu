// Attention of gists to their blocks: one thread block for a block of gists and
// a KV head, which reads the block's keys and values once, half as they lie in
// the pool, and keeps scores in registers.
// Source: FlashAttention (arXiv:2205.14135), without gradients to the text.
#include "core/train/passes/block_kernel.h"

#ifdef __CUDACC__  // else a test, which brings what stands for these
#include <cuda_fp16.h>
#include <cuda_runtime.h>
extern __shared__ float shared_floats[];
#endif

namespace gist {
namespace {

constexpr int kWarpThreads = 32;
constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kWarpThreads;
constexpr int kRows = 2 * kWarps;        // query rows at a time, two a warp
constexpr int kKeys = 2 * kWarpThreads;  // keys at a time, two a thread
constexpr unsigned kAll = 0xffffffffu;
static_assert(kMostBlockRows <= kKeys);  // a block's own keys come at once

__device__ float SumOf(float x) {
  for (int step = kWarpThreads / 2; step > 0; step /= 2)
    x += __shfl_xor_sync(kAll, x, step);
  return x;
}

__device__ float MaxOf(float x) {
  for (int step = kWarpThreads / 2; step > 0; step /= 2)
    x = fmaxf(x, __shfl_xor_sync(kAll, x, step));
  return x;
}

// Heads of up to DIM values, laid out as if they had DIM: each half of a head
// (RoPE turns value i with value i + head_dim / 2) is filled up with zeros. A
// thread holds values queue_class, queue_class + 32, ...: both of each pair.
template <int DIM>
struct Pass {
  static constexpr int kValues = DIM / kWarpThreads;
  static constexpr int kPairs = kValues / 2;
  static constexpr int kStride = DIM + 1;  // no two lanes in one bank

  // Rows of one warp, in registers.
  struct Rows {
    float at[2][kValues] = {};
  };

  const BlockKernelArgs& args;
  const int block, kv_head, queue_class, warp;
  const int first_row, rows, group, half;
  float scale;
  // Shared by the thread block.
  float* keys;     // [kKeys, kStride]
  float* values;   // likewise
  float* queries;  // [kRows, DIM], turned to the keys at hand
  float* weights;  // [kRows, kKeys]

  __device__ Pass(const BlockKernelArgs& a, float* shared)
      : args(a),
        block(blockIdx.x),
        kv_head(blockIdx.y),
        queue_class(threadIdx.x % kWarpThreads),
        warp(threadIdx.x / kWarpThreads),
        first_row(a.block_rows[blockIdx.x]),
        rows(a.block_rows[blockIdx.x + 1] - first_row),
        group(a.heads / a.kv_heads),
        half(a.head_dim / 2),
        scale(rsqrtf(float(a.head_dim))),
        keys(shared),
        values(keys + kKeys * kStride),
        queries(values + kKeys * kStride),
        weights(queries + kRows * DIM) {}
  static constexpr int kFloats = 2 * kKeys * kStride + kRows * (DIM + kKeys);

  // Query row `row` of the block: gist row % rows, of head row / rows of the
  // group. Where it lies in [rows, heads, head_dim].
  __device__ bool Has(int row) const { return row < group * rows; }
  __device__ int HeadOf(int row) const {
    return (first_row + row % rows) * args.heads + kv_head * group + row / rows;
  }
  // Value `v` of a thread: where it lies in a head; -1: only padding.
  __device__ int PlaceOf(int v) const {
    const int i = queue_class + kWarpThreads * (v % kPairs);
    return i >= half ? -1 : i + (v < kPairs ? 0 : half);
  }
  // A place in a head -> where this lays it out.
  __device__ int Padded(int place) const {
    return place < half ? place : place - half + DIM / 2;
  }
  __device__ int FirstRow(int rows_begin) const {
    return rows_begin + 2 * warp;
  }

  __device__ Rows Load(const float* all, int begin, float factor) const {
    Rows loaded;
    for (int r = 0; r < 2; ++r) {
      const int row = FirstRow(begin) + r;
      for (int v = 0; v < kValues; ++v) {
        const int place = PlaceOf(v);
        if (Has(row) && place >= 0)
          loaded.at[r][v] =
              factor * all[int64_t(HeadOf(row)) * args.head_dim + place];
      }
    }
    return loaded;
  }
  __device__ void Store(const Rows& from, int begin, float* all) const {
    for (int r = 0; r < 2; ++r) {
      const int row = FirstRow(begin) + r;
      for (int v = 0; v < kValues; ++v) {
        const int place = PlaceOf(v);
        if (Has(row) && place >= 0)
          all[int64_t(HeadOf(row)) * args.head_dim + place] = from.at[r][v];
      }
    }
  }
  __device__ void Share(const Rows& from, float* shared) const {
    for (int r = 0; r < 2; ++r) {
      for (int v = 0; v < kValues; ++v)
        shared[(2 * warp + r) * DIM + queue_class + kWarpThreads * v] = from.at[r][v];
    }
  }

  __device__ void AngleAt(int position, int i, float* cosine,
                          float* sine) const {
    sincosf(float(position) * args.frequencies[i], sine, cosine);
  }
  // Rows turned as if their positions were counted from `start`, or back.
  __device__ Rows Turned(const Rows& from, int begin, int start,
                         float direction) const {
    Rows turned;
    for (int r = 0; r < 2; ++r) {
      const int row = FirstRow(begin) + r;
      if (!Has(row)) continue;
      const int position = args.positions[first_row + row % rows] - start;
      for (int v = 0; v < kPairs; ++v) {
        const int i = PlaceOf(v);
        if (i < 0) continue;
        float cosine, sine;
        AngleAt(position, i, &cosine, &sine);
        sine *= direction;
        const float a = from.at[r][v], b = from.at[r][v + kPairs];
        turned.at[r][v] = a * cosine - b * sine;
        turned.at[r][v + kPairs] = a * sine + b * cosine;
      }
    }
    return turned;
  }

  // Keys and values that the block sees come in spans: the prefix (-1), its
  // tiles, its own (Tiles()).
  __device__ int Tiles() const {
    return args.block_tiles[block + 1] - args.block_tiles[block];
  }
  __device__ int Tile(int span) const { return args.block_tiles[block] + span; }
  __device__ int TokensOf(int span) const {
    if (span < 0) return args.prefix_tokens;
    return span == Tiles() ? rows : args.tile_tokens[Tile(span)];
  }
  __device__ int StartOf(int span) const {
    return span < 0 || span == Tiles() ? 0 : args.tile_start[Tile(span)];
  }

  __device__ void Clear(float* shared, int count) const {
    for (int i = threadIdx.x; i < count; i += kThreads) shared[i] = 0;
  }
  // Keys [begin, begin + kKeys) of a span into shared memory, zeros behind its
  // end.
  __device__ void LoadKeys(int span, int begin) const {
    const int count = min(kKeys, TokensOf(span) - begin);
    __syncthreads();  // the ones before are used up
    if (count < kKeys || args.head_dim < DIM) {
      Clear(keys, 2 * kKeys * kStride);
      __syncthreads();
    }
    if (span < 0) {
      LoadPrefix(begin, count);
    } else if (span == Tiles()) {
      LoadOwn(count);
    } else {
      LoadTile(Tile(span), begin, count);
    }
    __syncthreads();
  }
  __device__ void LoadPrefix(int begin, int count) const {
    for (int i = threadIdx.x; i < count * args.head_dim; i += kThreads) {
      const int key = i / args.head_dim, place = i % args.head_dim;
      const int64_t from =
          (int64_t(begin + key) * args.kv_heads + kv_head) * args.head_dim +
          place;
      keys[key * kStride + Padded(place)] = args.prefix_keys[from];
      values[key * kStride + Padded(place)] = args.prefix_values[from];
    }
  }
  __device__ int64_t OwnRow(int gist) const {
    return (int64_t(first_row + gist) * args.kv_heads + kv_head) *
           args.head_dim;
  }
  __device__ void LoadOwn(int count) const {
    for (int i = threadIdx.x; i < count * half; i += kThreads) {
      const int gist = i / half, place = i % half;
      const float* const key = args.key + OwnRow(gist);
      const float* const value = args.value + OwnRow(gist);
      float cosine, sine;
      AngleAt(args.positions[first_row + gist], place, &cosine, &sine);
      const float a = key[place], b = key[place + half];
      float* const key_to = keys + gist * kStride;
      float* const value_to = values + gist * kStride;
      key_to[place] = a * cosine - b * sine;
      key_to[place + DIM / 2] = a * sine + b * cosine;
      value_to[place] = value[place];
      value_to[place + DIM / 2] = value[place + half];
    }
  }
  __device__ void LoadTile(int tile, int begin, int count) const {
    const int64_t matrix = int64_t(args.segment_tokens) * args.head_dim;
    const auto* const segment =
        reinterpret_cast<const __half*>(args.tile_kv[tile]);
    const __half* const key =
        segment + (int64_t(args.layer) * 2 * args.kv_heads + kv_head) * matrix +
        int64_t(args.tile_begin[tile] + begin) * args.head_dim;
    const __half* const value = key + args.kv_heads * matrix;
    constexpr int kEight =
        8;  // halves in 16 bytes, never across a head's middle
    for (int i = threadIdx.x * kEight; i < count * args.head_dim;
         i += kThreads * kEight) {
      const int to = i / args.head_dim * kStride + Padded(i % args.head_dim);
      Widen(key + i, keys + to);
      Widen(value + i, values + to);
    }
  }
  __device__ static void Widen(const __half* from, float* to) {
    const uint4 eight = *reinterpret_cast<const uint4*>(from);
    const __half* const halves = reinterpret_cast<const __half*>(&eight);
    for (int i = 0; i < 8; ++i) to[i] = __half2float(halves[i]);
  }

  // [2 rows of the warp] times [the thread's two keys], over DIM.
  __device__ void Products(const float* shared_rows, const float* columns,
                           float products[2][2]) const {
    const float* const row = shared_rows + 2 * warp * DIM;
    const float* const column = columns + queue_class * kStride;
    products[0][0] = products[0][1] = products[1][0] = products[1][1] = 0;
    for (int i = 0; i < DIM; ++i) {
      const float a = row[i], b = row[DIM + i];
      const float c = column[i], d = column[kWarpThreads * kStride + i];
      products[0][0] += a * c;
      products[0][1] += a * d;
      products[1][0] += b * c;
      products[1][1] += b * d;
    }
  }
  // A gist sees its block's gists up to itself.
  __device__ bool Sees(int row, int span, int key) const {
    if (!Has(row) || key >= TokensOf(span)) return false;
    return span != Tiles() || key <= row % rows;
  }
  // Adds weights of the warp's rows, in `weights`, times the keys' vectors.
  __device__ void AddWeighted(const float* vectors, Rows* sums) const {
    __syncwarp();
    const float* const weight = weights + 2 * warp * kKeys;
    for (int key = 0; key < kKeys; ++key) {
      const float a = weight[key], b = weight[kKeys + key];
      for (int v = 0; v < kValues; ++v) {
        const float x = vectors[key * kStride + queue_class + kWarpThreads * v];
        sums->at[0][v] += a * x;
        sums->at[1][v] += b * x;
      }
    }
    __syncwarp();
  }
  // Where the thread's key `k` for the warp's row `r` lies in those.
  __device__ int WeightAt(int r, int k) const {
    return (2 * warp + r) * kKeys + queue_class + kWarpThreads * k;
  }
};

template <int DIM>
__device__ void Forward(const BlockKernelArgs& args, float* shared) {
  const Pass<DIM> pass(args, shared);
  using Rows = typename Pass<DIM>::Rows;
  for (int rows = 0; rows < pass.group * pass.rows; rows += kRows) {
    const Rows query = pass.Load(args.query, rows, pass.scale);
    Rows out;
    float most[2] = {-INFINITY, -INFINITY}, sum[2] = {};
    for (int span = -1; span <= pass.Tiles(); ++span) {
      __syncthreads();
      pass.Share(pass.Turned(query, rows, pass.StartOf(span), 1), pass.queries);
      for (int begin = 0; begin < pass.TokensOf(span); begin += kKeys) {
        pass.LoadKeys(span, begin);
        float scores[2][2];
        pass.Products(pass.queries, pass.keys, scores);
        for (int r = 0; r < 2; ++r) {
          for (int k = 0; k < 2; ++k) {
            const int key = begin + pass.queue_class + kWarpThreads * k;
            if (!pass.Sees(pass.FirstRow(rows) + r, span, key))
              scores[r][k] = -INFINITY;
          }
          const float top =
              fmaxf(most[r], MaxOf(fmaxf(scores[r][0], scores[r][1])));
          // Nothing seen so far: any finite number gives zeros.
          const float base = top == -INFINITY ? 0 : top;
          const float fade = expf(most[r] - base);
          float added = 0;
          for (int k = 0; k < 2; ++k) {
            const float weight = expf(scores[r][k] - base);
            pass.weights[pass.WeightAt(r, k)] = weight;
            added += weight;
          }
          most[r] = top;
          sum[r] = sum[r] * fade + SumOf(added);
          for (float& x : out.at[r]) x *= fade;
        }
        pass.AddWeighted(pass.values, &out);
      }
    }
    for (int r = 0; r < 2; ++r) {
      for (float& x : out.at[r]) x /= sum[r];
      const int row = pass.FirstRow(rows) + r;
      if (pass.Has(row) && pass.queue_class == 0)
        args.log_sum[pass.HeadOf(row)] = most[r] + logf(sum[r]);
    }
    pass.Store(out, rows, args.out);
  }
}

// Behind Pass's part of shared memory.
template <int DIM>
struct OwnGradients {
  float* out;      // [kRows, DIM], of the rows at hand
  float* weights;  // [kRows, kKeys], likewise; their scores' are pass.weights
  float* key;      // [most_rows, DIM], sums
  float* value;    // likewise

  __device__ OwnGradients(float* shared, int most_rows)
      : out(shared + Pass<DIM>::kFloats),
        weights(out + kRows * DIM),
        key(weights + kRows * kKeys),
        value(key + most_rows * DIM) {}
  static int Floats(int most_rows) {
    return kRows * (DIM + kKeys) + 2 * most_rows * DIM;
  }
};

// Over the rows at hand: each own key and value's share.
template <int DIM>
__device__ void AddOwn(const Pass<DIM>& pass, const OwnGradients<DIM>& own) {
  __syncthreads();
  for (int i = threadIdx.x; i < pass.rows * DIM; i += kThreads) {
    const int gist = i / DIM, place = i % DIM;
    float key = 0, value = 0;
    for (int row = 0; row < kRows; ++row) {
      key += pass.weights[row * kKeys + gist] * pass.queries[row * DIM + place];
      value += own.weights[row * kKeys + gist] * own.out[row * DIM + place];
    }
    own.key[i] += key;
    own.value[i] += value;
  }
}

// To where they lie, keys turned back.
template <int DIM>
__device__ void StoreOwn(const Pass<DIM>& pass, const OwnGradients<DIM>& own) {
  const BlockKernelArgs& args = pass.args;
  __syncthreads();
  for (int i = threadIdx.x; i < pass.rows * pass.half; i += kThreads) {
    const int gist = i / pass.half, place = i % pass.half;
    float cosine, sine;
    pass.AngleAt(args.positions[pass.first_row + gist], place, &cosine, &sine);
    const float a = own.key[gist * DIM + place];
    const float b = own.key[gist * DIM + DIM / 2 + place];
    const int64_t to = pass.OwnRow(gist) + place;
    args.key_gradient[to] = a * cosine + b * sine;
    args.key_gradient[to + pass.half] = b * cosine - a * sine;
    args.value_gradient[to] = own.value[gist * DIM + place];
    args.value_gradient[to + pass.half] =
        own.value[gist * DIM + DIM / 2 + place];
  }
}

template <int DIM>
__device__ void Backward(const BlockKernelArgs& args, float* shared) {
  const Pass<DIM> pass(args, shared);
  const OwnGradients<DIM> own(shared, args.most_rows);
  using Rows = typename Pass<DIM>::Rows;
  pass.Clear(own.key, 2 * args.most_rows * DIM);
  for (int rows = 0; rows < pass.group * pass.rows; rows += kRows) {
    const Rows query = pass.Load(args.query, rows, pass.scale);
    const Rows gradient = pass.Load(args.out_gradient, rows, 1);
    const Rows out = pass.Load(args.out, rows, 1);
    Rows total;
    float dot[2], log_sum[2];
    for (int r = 0; r < 2; ++r) {
      float sum = 0;
      for (int v = 0; v < Pass<DIM>::kValues; ++v)
        sum += gradient.at[r][v] * out.at[r][v];
      dot[r] = SumOf(sum);
      const int row = pass.FirstRow(rows) + r;
      log_sum[r] = pass.Has(row) ? args.log_sum[pass.HeadOf(row)] : 0;
    }
    for (int span = -1; span <= pass.Tiles(); ++span) {
      __syncthreads();
      if (span < 0) pass.Share(gradient, own.out);
      const int start = pass.StartOf(span);
      pass.Share(pass.Turned(query, rows, start, 1), pass.queries);
      Rows turned;
      for (int begin = 0; begin < pass.TokensOf(span); begin += kKeys) {
        pass.LoadKeys(span, begin);
        float scores[2][2], products[2][2];
        pass.Products(pass.queries, pass.keys, scores);
        pass.Products(own.out, pass.values, products);
        for (int r = 0; r < 2; ++r) {
          for (int k = 0; k < 2; ++k) {
            const int key = begin + pass.queue_class + kWarpThreads * k;
            const bool sees = pass.Sees(pass.FirstRow(rows) + r, span, key);
            const float weight = sees ? expf(scores[r][k] - log_sum[r]) : 0;
            const float score = weight * (products[r][k] - dot[r]);
            pass.weights[pass.WeightAt(r, k)] = score;
            if (span == pass.Tiles()) own.weights[pass.WeightAt(r, k)] = weight;
          }
        }
        pass.AddWeighted(pass.keys, &turned);
      }
      const Rows back = pass.Turned(turned, rows, start, -1);
      for (int r = 0; r < 2; ++r) {
        for (int v = 0; v < Pass<DIM>::kValues; ++v)
          total.at[r][v] += pass.scale * back.at[r][v];
      }
    }
    AddOwn(pass, own);
    pass.Store(total, rows, args.query_gradient);
  }
  StoreOwn(pass, own);
}

template <int DIM>
__global__ void __launch_bounds__(kThreads)
    ForwardKernel(const BlockKernelArgs args) {
  Forward<DIM>(args, shared_floats);
}

template <int DIM>
__global__ void __launch_bounds__(kThreads)
    BackwardKernel(const BlockKernelArgs args) {
  Backward<DIM>(args, shared_floats);
}

// `start(kernel, args, floats of shared memory)` with the kernel for the heads.
template <typename Launch>
const char* StartForward(const BlockKernelArgs& args, Launch start) {
  return args.head_dim <= 64
             ? start(ForwardKernel<64>, args, Pass<64>::kFloats)
             : start(ForwardKernel<128>, args, Pass<128>::kFloats);
}

template <typename Launch>
const char* StartBackward(const BlockKernelArgs& args, Launch start) {
  const int rows = args.most_rows;
  return args.head_dim <= 64
             ? start(BackwardKernel<64>, args,
                     Pass<64>::kFloats + OwnGradients<64>::Floats(rows))
             : start(BackwardKernel<128>, args,
                     Pass<128>::kFloats + OwnGradients<128>::Floats(rows));
}

#ifdef __CUDACC__

// Starts `kernel` where its data lies.
const char* Start(void (*kernel)(BlockKernelArgs), const BlockKernelArgs& args,
                  int floats) {
  if (args.blocks == 0) return nullptr;
  const int bytes = floats * int(sizeof(float));
  cudaPointerAttributes where{};
  int before = 0;
  cudaError_t error = cudaPointerGetAttributes(&where, args.query);
  if (error == cudaSuccess) error = cudaGetDevice(&before);
  if (error == cudaSuccess) error = cudaSetDevice(where.device);
  if (error == cudaSuccess) {
    error = cudaFuncSetAttribute(
        kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  }
  if (error == cudaSuccess) {
    const dim3 grid(unsigned(args.blocks), unsigned(args.kv_heads));
    kernel<<<grid, kThreads, size_t(bytes)>>>(args);
    error = cudaGetLastError();
    cudaSetDevice(before);
  }
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

#endif  // __CUDACC__

}  // namespace
}  // namespace gist

#ifdef __CUDACC__

#define GIST_EXPORT extern "C" __attribute__((visibility("default")))

GIST_EXPORT const char* gist_block_attention(
    const gist::BlockKernelArgs& args) {
  return gist::StartForward(args, gist::Start);
}

GIST_EXPORT const char* gist_block_attention_backward(
    const gist::BlockKernelArgs& args) {
  return gist::StartBackward(args, gist::Start);
}

#endif  // __CUDACC__

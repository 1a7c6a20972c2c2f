// Blobs: encoded, and decoded with every check. Bytes are the blob's.
#include "core/base/identity.h"
#include "core/base/random.h"
#include "fmt/format.h"
#include "storage/kv_codec.h"
#include "tests/bench/micro.h"

namespace gist::bench {
namespace {

constexpr int kLayers = 30, kKvHeads = 3, kHeadDim = 64;

CompressedKv RandomKv(int slots, KvStorage storage) {
  GistKv dense{.layers = kLayers,
               .kv_heads = kKvHeads,
               .gist_tokens = slots,
               .head_dim = kHeadDim};
  Rng random(1);
  for (size_t i = 0; i < dense.Elements(); ++i) {
    dense.keys.push_back(float(random.Uniform(-4, 4)));
    dense.values.push_back(float(random.Uniform(-1, 1)));
  }
  return WantValue(InStorage(FromDense(dense), storage));
}

SampleContext MakeContext(CompressedKv kv, Representation form, int number) {
  SampleContext made;
  for (int i = 0; made.text.size() < 4000; ++i)
    made.text += fmt::format("Line {} of document {}. ", i, number);
  SetSizes(kv, form);
  made.record.document_id = DocumentId("", made.text);
  made.record.model_fingerprint = Sha256Hex("model");
  made.record.context_id =
      ContextId(made.record.document_id, made.record.model_fingerprint);
  made.record.document_bytes = int64_t(made.text.size());
  made.record.document_tokens = 1000;
  made.record.representations = {std::move(form)};
  made.kv = std::move(kv);
  return made;
}

void Encode(benchmark::State& state, const SampleContext& context) {
  size_t bytes = 0;
  for (auto _ : state) {
    bytes += WantValue(EncodeKvBlob(context.record, {&context.kv, 1})).size();
  }
  state.SetBytesProcessed(int64_t(bytes));
}

void Decode(benchmark::State& state, const SampleContext& context) {
  const std::string blob =
      WantValue(EncodeKvBlob(context.record, {&context.kv, 1}));
  for (auto _ : state)
    benchmark::DoNotOptimize(WantValue(DecodeKvBlob(blob)).kv.data());
  state.SetBytesProcessed(int64_t(state.iterations() * blob.size()));
}

void EncodeGists(benchmark::State& state) {
  Encode(state, MakeGistContext(int(state.range(0))));
}
BENCHMARK(EncodeGists)->Arg(10)->Arg(100)->Unit(benchmark::kMicrosecond);

void DecodeGists(benchmark::State& state) {
  Decode(state, MakeGistContext(int(state.range(0))));
}
BENCHMARK(DecodeGists)->Arg(10)->Arg(100)->Unit(benchmark::kMicrosecond);

void EncodeFull(benchmark::State& state) {
  Encode(state, MakeFullContext(int(state.range(0))));
}
BENCHMARK(EncodeFull)->Arg(1000)->Unit(benchmark::kMillisecond);

void DecodeFull(benchmark::State& state) {
  Decode(state, MakeFullContext(int(state.range(0))));
}
BENCHMARK(DecodeFull)->Arg(1000)->Unit(benchmark::kMillisecond);

}  // namespace

SampleContext MakeGistContext(int slots, int number) {
  Representation form{
      .rung = Rung::kGist, .gist_tokens = slots, .storage = KvStorage::kF16};
  form.method_version = MethodVersion(form.rung);
  form.adapter_fingerprint = Sha256Hex("adapter");
  return MakeContext(RandomKv(slots, form.storage), std::move(form), number);
}

SampleContext MakeFullContext(int slots, int number) {
  Representation form{
      .rung = Rung::kFull, .ratio = 1, .storage = KvStorage::kI8};
  form.method_version = MethodVersion(form.rung);
  CompressedKv kv = RandomKv(slots, form.storage);
  for (size_t slot = 0; slot < kv.TotalSlots(); ++slot)
    kv.positions.push_back(uint32_t(slot % size_t(slots)));
  SampleContext made = MakeContext(std::move(kv), std::move(form), number);
  made.record.document_tokens = slots;
  return made;
}

}  // namespace gist::bench

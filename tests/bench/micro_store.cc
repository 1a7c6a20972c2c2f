// The store on this machine's temporary folder, with ten gists a context. The
// argument is the number of contexts that it holds.
#include <map>
#include <memory>
#include <vector>

#include "tests/bench/micro.h"
#include "tests/support/temp_dir.h"

namespace gist::bench {
namespace {

constexpr int kGists = 10;
constexpr int kPage = 100;

struct FilledStore {
  explicit FilledStore(int count)
      : store(WantValue(OpenGistStore(folder.path()))) {
    SampleContext context = MakeGistContext(kGists);
    for (int i = 0; i < count; ++i) {
      const SampleContext names = MakeGistContext(1, i);
      context.record.document_id = names.record.document_id;
      context.record.context_id = names.record.context_id;
      context.record.document_bytes = int64_t(names.text.size());
      WantOk(store->Put(context.record, names.text, context.kv));
      records.push_back(context.record);
    }
  }
  // Another one at each call.
  const ContextRecord& Next() {
    place = (place + 7919) % records.size();
    return records[place];
  }

  TempDir folder;
  std::unique_ptr<GistStore> store;
  std::vector<ContextRecord> records;
  size_t place = 0;
};

std::map<int64_t, std::unique_ptr<FilledStore>>& Stores() {
  static std::map<int64_t, std::unique_ptr<FilledStore>> stores;
  return stores;
}

FilledStore& StoreOf(int64_t count) {
  auto& store = Stores()[count];
  if (store == nullptr) store = std::make_unique<FilledStore>(int(count));
  return *store;
}

void GetRecord(benchmark::State& state) {
  FilledStore& filled = StoreOf(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        WantValue(filled.store->GetRecord(filled.Next().context_id)));
  }
}
BENCHMARK(GetRecord)->Arg(100)->Arg(2000)->Unit(benchmark::kMicrosecond);

void GetGists(benchmark::State& state) {
  FilledStore& filled = StoreOf(state.range(0));
  for (auto _ : state) {
    const ContextRecord& record = filled.Next();
    benchmark::DoNotOptimize(
        WantValue(filled.store->GetKv(record, record.representations.front())));
  }
}
BENCHMARK(GetGists)->Arg(100)->Arg(2000)->Unit(benchmark::kMicrosecond);

void GetText(benchmark::State& state) {
  FilledStore& filled = StoreOf(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        WantValue(filled.store->GetText(filled.Next().document_id)));
  }
}
BENCHMARK(GetText)->Arg(100)->Arg(2000)->Unit(benchmark::kMicrosecond);

void ListPage(benchmark::State& state) {
  FilledStore& filled = StoreOf(state.range(0));
  for (auto _ : state)
    benchmark::DoNotOptimize(WantValue(filled.store->List(kPage, "")));
}
BENCHMARK(ListPage)->Arg(100)->Arg(2000)->Unit(benchmark::kMicrosecond);

void Inventory(benchmark::State& state) {
  FilledStore& filled = StoreOf(state.range(0));
  for (auto _ : state)
    benchmark::DoNotOptimize(WantValue(filled.store->Inventory()));
}
BENCHMARK(Inventory)->Arg(100)->Arg(2000)->Unit(benchmark::kMillisecond);

// Each on disk before the next: wall time is the disk's.
void PutContext(benchmark::State& state) {
  const TempDir folder;
  const auto store = WantValue(OpenGistStore(folder.path()));
  int number = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const SampleContext context = MakeGistContext(kGists, ++number);
    state.ResumeTiming();
    WantOk(store->Put(context.record, context.text, context.kv));
  }
}
BENCHMARK(PutContext)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace

void CloseStores() { Stores().clear(); }

}  // namespace gist::bench

#include "server/telemetry/metrics.h"

#include <type_traits>
#include <utility>

#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"
#include "server/support/errors.h"
#include "server/telemetry/metric_names.h"
#include "server/telemetry/metrics_page.h"

namespace gist {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;
using Buckets = Histogram::BucketBoundaries;

// Seconds: from a look into the store to a long document on a slow CPU.
const Buckets kSeconds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                          0.1,   0.25,   0.5,   1,    2.5,   5,
                          10,    30,     60,    300,  1800};
const Buckets kTokenSeconds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                               0.1,   0.25,   0.5,   1,    2.5,   10};
const Buckets kStoreOpSeconds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                 0.01,   0.025,   0.05,   0.1,   0.5,    2.5};
// Powers of four, from a kibibyte to 16 GiB.
const Buckets kBytes = {0x400,      0x1000,     0x4000,     0x10000,
                        0x40000,    0x100000,   0x400000,   0x1000000,
                        0x4000000,  0x10000000, 0x40000000, 0x100000000,
                        0x400000000};
const Buckets kRatios = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048};

// NameOf(TrainState) of those that CountTraining is told.
constexpr const char* kEndStates[] = {"SUCCEEDED", "FAILED", "CANCELLED",
                                      "INTERRUPTED"};

template <typename Metric>
prometheus::Family<Metric>& AddFamily(prometheus::Registry& registry,
                                      const MetricName& name) {
  const auto build = [&](auto builder) -> auto& {
    return builder.Name(name.name).Help(name.help).Register(registry);
  };
  if constexpr (std::is_same_v<Metric, Counter>) {
    return build(prometheus::BuildCounter());
  } else if constexpr (std::is_same_v<Metric, Gauge>) {
    return build(prometheus::BuildGauge());
  } else {
    return build(prometheus::BuildHistogram());
  }
}

// Of a metric without labels.
Counter& AddCounter(prometheus::Registry& registry, const MetricName& name) {
  return AddFamily<Counter>(registry, name).Add({});
}
Gauge& AddGauge(prometheus::Registry& registry, const MetricName& name) {
  return AddFamily<Gauge>(registry, name).Add({});
}
Histogram& AddHistogram(prometheus::Registry& registry, const MetricName& name,
                        const Buckets& buckets) {
  return AddFamily<Histogram>(registry, name).Add({}, buckets);
}

}  // namespace

struct Metrics::Impl {
  template <typename Metric>
  using Family = prometheus::Family<Metric>&;

  std::shared_ptr<prometheus::Registry> registry =
      std::make_shared<prometheus::Registry>();
  std::shared_ptr<MetricsPage> page = std::make_shared<MetricsPage>(registry);
  prometheus::Registry& all = *registry;

  Family<Counter> requests = AddFamily<Counter>(all, metric::kRequests);
  Family<Histogram> durations = AddFamily<Histogram>(all, metric::kDuration);
  Family<Histogram> queue = AddFamily<Histogram>(all, metric::kQueue);
  Family<Histogram> prefill = AddFamily<Histogram>(all, metric::kPrefill);
  Family<Histogram> first_token =
      AddFamily<Histogram>(all, metric::kFirstToken);
  Family<Histogram> token_gap = AddFamily<Histogram>(all, metric::kTokenGap);
  Family<Counter> rejected = AddFamily<Counter>(all, metric::kRejected);

  Family<Counter> prompt_tokens =
      AddFamily<Counter>(all, metric::kPromptTokens);
  Family<Counter> answer_tokens =
      AddFamily<Counter>(all, metric::kAnswerTokens);
  Family<Histogram> answer_kv = AddFamily<Histogram>(all, metric::kAnswerKv);
  Family<Histogram> full_kv = AddFamily<Histogram>(all, metric::kFullKv);
  Counter& documents = AddCounter(all, metric::kDocuments);
  Counter& document_tokens = AddCounter(all, metric::kDocumentTokens);
  Histogram& ratio = AddHistogram(all, metric::kRatio, kRatios);
  Histogram& gist_bytes = AddHistogram(all, metric::kGistBytes, kBytes);

  Gauge& contexts = AddGauge(all, metric::kContexts);
  Family<Counter> removed_contexts =
      AddFamily<Counter>(all, metric::kRemovedContexts);
  Family<Counter> store_operations =
      AddFamily<Counter>(all, metric::kStoreOperations);
  Family<Histogram> store_seconds =
      AddFamily<Histogram>(all, metric::kStoreSeconds);
  Counter& store_read = AddCounter(all, metric::kStoreRead);
  Counter& store_written = AddCounter(all, metric::kStoreWritten);
  Family<Counter> cache_lookups =
      AddFamily<Counter>(all, metric::kCacheLookups);

  Counter& train_steps = AddCounter(all, metric::kTrainSteps);
  Family<Gauge> train_loss = AddFamily<Gauge>(all, metric::kTrainLoss);
  Gauge& train_speed = AddGauge(all, metric::kTrainSpeed);
  Family<Counter> trainings_ended =
      AddFamily<Counter>(all, metric::kTrainingsEnded);
  Gauge& trainings_queued = AddGauge(all, metric::kTrainingsQueued);
  Gauge& trainings_running = AddGauge(all, metric::kTrainingsRunning);
  Gauge& ready = AddGauge(all, metric::kReady);
  Family<Gauge> build = AddFamily<Gauge>(all, metric::kBuild);
};

// What alerts watch for begins at zero: an increase to the first one is seen.
Metrics::Metrics() : impl_(std::make_unique<Impl>()) {
  for (const ReasonInfo& reason : AllReasons()) {
    if (reason.is_limit) impl_->rejected.Add({{"reason", reason.name}});
  }
  for (const char* const reason : {"expired", "evicted"}) {
    impl_->removed_contexts.Add({{"reason", reason}});
  }
  for (const char* const state : kEndStates) {
    impl_->trainings_ended.Add({{"state", state}});
  }
  for (const char* const op : store::kOps) {
    for (const char* const result : store::kResults) {
      impl_->store_operations.Add({{"op", op}, {"result", result}});
    }
  }
}
Metrics::~Metrics() = default;

std::string Metrics::Render() const {
  return prometheus::TextSerializer().Serialize(impl_->page->Collect());
}

std::shared_ptr<void> Metrics::ReadFrom(Reader read) {
  impl_->page->ReadFrom(std::move(read));
  return {impl_->page.get(),
          [page = impl_->page](void*) { page->ReadFrom(nullptr); }};
}

void Metrics::SetBuild(const BuildInfo& build) {
  impl_->build
      .Add({{"version", GIST_VERSION},
            {"model", build.model},
            {"fingerprint", build.fingerprint},
            {"device", build.device}})
      .Set(1);
}

void Metrics::SetReady(bool ready) { impl_->ready.Set(ready ? 1 : 0); }

void Metrics::CountRequest(std::string_view rpc, std::string_view mode,
                           std::string_view code, double seconds) {
  const std::string name(rpc);
  impl_->requests.Add({{"rpc", name}, {"code", std::string(code)}}).Increment();
  impl_->durations.Add({{"rpc", name}, {"mode", std::string(mode)}}, kSeconds)
      .Observe(seconds);
}

void Metrics::CountRejected(std::string_view reason) {
  impl_->rejected.Add({{"reason", std::string(reason)}}).Increment();
}

void Metrics::CountStages(std::string_view rpc, std::string_view mode,
                          const StageSeconds& seconds) {
  const prometheus::Labels labels = {{"rpc", std::string(rpc)},
                                     {"mode", std::string(mode)}};
  impl_->queue.Add(labels, kSeconds).Observe(seconds.queue);
  impl_->prefill.Add(labels, kSeconds).Observe(seconds.prefill);
  if (!seconds.first_token) return;
  impl_->first_token.Add(labels, kSeconds).Observe(*seconds.first_token);
  Histogram& gaps = impl_->token_gap.Add(labels, kTokenSeconds);
  for (const float gap : seconds.inter_token_seconds) gaps.Observe(gap);
}

void Metrics::CountAnswer(std::string_view mode, const AnswerCounts& counts) {
  const prometheus::Labels labels = {{"mode", std::string(mode)}};
  impl_->prompt_tokens.Add(labels).Increment(double(counts.prompt_tokens));
  impl_->answer_tokens.Add(labels).Increment(double(counts.answer_tokens));
  impl_->answer_kv.Add(labels, kBytes).Observe(double(counts.kv_bytes));
  impl_->full_kv.Add(labels, kBytes)
      .Observe(double(counts.full_context_kv_bytes));
}

void Metrics::CountCompressed(const CompressedCounts& counts) {
  impl_->documents.Increment();
  impl_->document_tokens.Increment(double(counts.document_tokens));
  if (counts.gist_tokens > 0) {
    impl_->ratio.Observe(double(counts.document_tokens) /
                         double(counts.gist_tokens));
  }
  impl_->gist_bytes.Observe(double(counts.kv_bytes));
}

void Metrics::AddContexts(int64_t change) {
  impl_->contexts.Increment(double(change));
}

void Metrics::CountStoreOperation(const StoreOperation& operation) {
  impl_->store_operations
      .Add({{"op", operation.op}, {"result", operation.result}})
      .Increment();
  impl_->store_seconds.Add({{"op", operation.op}}, kStoreOpSeconds)
      .Observe(operation.seconds);
  impl_->store_read.Increment(double(operation.read_bytes));
  impl_->store_written.Increment(double(operation.written_bytes));
}

void Metrics::CountLookups(std::string_view tier, int64_t hits,
                           int64_t misses) {
  const std::string name(tier);
  impl_->cache_lookups.Add({{"tier", name}, {"result", "hit"}})
      .Increment(double(hits));
  impl_->cache_lookups.Add({{"tier", name}, {"result", "miss"}})
      .Increment(double(misses));
}

void Metrics::CountRemoved(std::string_view reason) {
  impl_->removed_contexts.Add({{"reason", std::string(reason)}}).Increment();
  AddContexts(-1);
}

void Metrics::CountTrainStep(double loss, double tokens_per_second) {
  impl_->train_steps.Increment();
  impl_->train_loss.Add({}).Set(loss);
  impl_->train_speed.Set(tokens_per_second);
}

void Metrics::CountTraining(std::string_view state) {
  impl_->trainings_ended.Add({{"state", std::string(state)}}).Increment();
}

void Metrics::SetTrainings(int64_t queued, int64_t running) {
  impl_->trainings_queued.Set(double(queued));
  impl_->trainings_running.Set(double(running));
  if (running == 0) impl_->train_speed.Set(0);
}

}  // namespace gist

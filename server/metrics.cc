#include "server/metrics.h"

#include <utility>

#include "core/base/status.h"
#include "prometheus/counter.h"
#include "prometheus/exposer.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"

namespace gist {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;

// Seconds: from a look into the store to a long document on a slow CPU.
const Histogram::BucketBoundaries kDurationBuckets = {
    0.001, 0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800};

prometheus::Family<Counter>& AddCounters(prometheus::Registry& registry,
                                         const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

Gauge& AddGauge(prometheus::Registry& registry, const char* name,
                const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(
      {});
}

}  // namespace

struct Metrics::Impl {
  std::shared_ptr<prometheus::Registry> registry =
      std::make_shared<prometheus::Registry>();
  prometheus::Family<Counter>& requests =
      AddCounters(*registry, "gist_requests_total",
                  "Calls that ended, by RPC and gRPC status code");
  prometheus::Family<Histogram>& durations =
      prometheus::BuildHistogram()
          .Name("gist_request_duration_seconds")
          .Help("From a call's arrival to its end, by RPC")
          .Register(*registry);
  prometheus::Family<Counter>& prompt_tokens = AddCounters(
      *registry, "gist_prompt_tokens_total",
      "Prefix, gists, document text and question of answers, by mode");
  prometheus::Family<Counter>& answer_tokens = AddCounters(
      *registry, "gist_answer_tokens_total", "Tokens decoded, by mode");
  Counter& documents = AddCounters(*registry, "gist_documents_compressed_total",
                                   "Documents whose gists were computed")
                           .Add({});
  Counter& document_tokens =
      AddCounters(*registry, "gist_document_tokens_total",
                  "Tokens of documents whose gists were computed")
          .Add({});
  Gauge& contexts =
      AddGauge(*registry, "gist_contexts", "Contexts in the store");
  prometheus::Family<Counter>& removed_contexts = AddCounters(
      *registry, "gist_contexts_removed_total",
      "Contexts that nobody deleted by hand, by reason: expired, evicted");
  Counter& train_steps =
      AddCounters(*registry, "gist_train_steps_total", "Optimizer steps")
          .Add({});
  prometheus::Family<Counter>& ended_trainings =
      AddCounters(*registry, "gist_trainings_ended_total",
                  "Trainings that ended or were interrupted, by state");
  Gauge& train_loss = AddGauge(*registry, "gist_train_loss",
                               "Of the latest step, natural logarithm");
  Gauge& train_tokens_per_second =
      AddGauge(*registry, "gist_train_tokens_per_second",
               "Tokens that training goes through, at the latest step");
  Gauge& queued_trainings =
      AddGauge(*registry, "gist_trainings_queued", "Trainings that wait");
  Gauge& running_trainings =
      AddGauge(*registry, "gist_trainings_running", "Trainings that run");
  std::unique_ptr<prometheus::Exposer> exposer;
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

absl::StatusOr<std::string> Metrics::Serve(const std::string& address) {
  try {
    impl_->exposer = std::make_unique<prometheus::Exposer>(address);
    impl_->exposer->RegisterCollectable(impl_->registry);
  } catch (const std::exception& error) {
    return absl::UnavailableError(fmt::format(
        "cannot serve metrics on {}: {}; is the port in use? Choose another "
        "with --admin, or --admin off",
        address, error.what()));
  }
  const auto ports = impl_->exposer->GetListeningPorts();
  const std::string host = address.substr(0, address.rfind(':'));
  return fmt::format("{}:{}", host, ports.empty() ? 0 : ports.front());
}

std::string Metrics::Render() const {
  return prometheus::TextSerializer().Serialize(impl_->registry->Collect());
}

void Metrics::CountRequest(std::string_view rpc, std::string_view code,
                           double seconds) {
  const std::string name(rpc);
  impl_->requests.Add({{"rpc", name}, {"code", std::string(code)}}).Increment();
  impl_->durations.Add({{"rpc", name}}, kDurationBuckets).Observe(seconds);
}

void Metrics::CountAnswer(std::string_view mode, int64_t prompt_tokens,
                          int64_t answer_tokens) {
  const prometheus::Labels labels = {{"mode", std::string(mode)}};
  impl_->prompt_tokens.Add(labels).Increment(double(prompt_tokens));
  impl_->answer_tokens.Add(labels).Increment(double(answer_tokens));
}

void Metrics::CountCompressed(int64_t document_tokens) {
  impl_->documents.Increment();
  impl_->document_tokens.Increment(double(document_tokens));
}

void Metrics::AddContexts(int64_t change) {
  impl_->contexts.Increment(double(change));
}

void Metrics::CountRemoved(std::string_view reason) {
  impl_->removed_contexts.Add({{"reason", std::string(reason)}}).Increment();
  AddContexts(-1);
}

void Metrics::CountTrainStep(double loss, double tokens_per_second) {
  impl_->train_steps.Increment();
  impl_->train_loss.Set(loss);
  impl_->train_tokens_per_second.Set(tokens_per_second);
}

void Metrics::CountTraining(std::string_view state) {
  impl_->ended_trainings.Add({{"state", std::string(state)}}).Increment();
}

void Metrics::SetTrainings(int64_t queued, int64_t running) {
  impl_->queued_trainings.Set(double(queued));
  impl_->running_trainings.Set(double(running));
  if (running == 0) impl_->train_tokens_per_second.Set(0);
}

}  // namespace gist

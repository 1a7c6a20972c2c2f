// Readings as metric families. Internal to metrics.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "server/telemetry/readings.h"

namespace gist {

// What there is nothing to say about is left out, never zero.
std::vector<prometheus::MetricFamily> FamiliesOf(const Readings& readings);

// The whole page: a registry's families, and what is read when it is collected.
class MetricsPage final : public prometheus::Collectable {
 public:
  explicit MetricsPage(std::shared_ptr<prometheus::Collectable> registry)
      : registry_(std::move(registry)) {}

  // Empty: nothing is read. Waits for a reading that goes on.
  void ReadFrom(std::function<Readings()> read);
  // Families of one name become one.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::shared_ptr<prometheus::Collectable> registry_;
  mutable std::mutex mutex_;
  std::function<Readings()> read_;
};

}  // namespace gist

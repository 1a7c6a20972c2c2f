#include "server/telemetry/metrics_page.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "server/telemetry/metric_names.h"

namespace gist {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;

struct Label {
  std::string name, value;
};

class Page {
 public:
  void Add(const MetricName& name, double value,
           std::vector<Label> labels = {}) {
    if (families_.empty() || families_.back().name != name.name) {
      MetricFamily family;
      family.name = name.name;
      family.help = name.help;
      family.type = std::string_view(name.type) == "counter"
                        ? prometheus::MetricType::Counter
                        : prometheus::MetricType::Gauge;
      families_.push_back(std::move(family));
    }
    ClientMetric metric;
    for (Label& label : labels) {
      metric.label.push_back({std::move(label.name), std::move(label.value)});
    }
    MetricFamily& family = families_.back();
    if (family.type == prometheus::MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    family.metric.push_back(std::move(metric));
  }
  void Add(const MetricName& name, const std::optional<int64_t>& value) {
    if (value) Add(name, double(*value));
  }
  std::vector<MetricFamily> Take() { return std::move(families_); }

 private:
  std::vector<MetricFamily> families_;  // those of one name together
};

void AddLoad(const Readings& readings, Page& page) {
  constexpr std::array<const char*, Job::kQueueClasses> kLaneNames = {
      "ask", "compress", "adapter"};
  for (size_t i = 0; i < kLaneNames.size(); ++i) {
    page.Add(metric::kRunning, readings.load.running[i],
             {{"lane", kLaneNames[i]}});
  }
  for (size_t i = 0; i < kLaneNames.size(); ++i) {
    page.Add(metric::kWaiting, readings.load.waiting[i],
             {{"lane", kLaneNames[i]}});
  }
  page.Add(metric::kMaxRequests, readings.max_requests);
}

void AddDevice(const std::string& device, const DeviceMemory& memory,
               Page& page) {
  const std::pair<const char*, int64_t> parts[] = {
      {"weights", memory.weights_bytes},
      {"kv", memory.kv_bytes},
      {"workspace", memory.workspace_bytes},
      {"reserved", memory.reserved_bytes},
      {"other", memory.other_bytes()}};
  for (const auto& [name, bytes] : parts) {
    page.Add(metric::kDeviceMemory, double(bytes),
             {{"device", device}, {"component", name}});
  }
  page.Add(metric::kDeviceUsed, double(memory.used_bytes),
           {{"device", device}});
  page.Add(metric::kDeviceSize, double(memory.total_bytes),
           {{"device", device}});
}

}  // namespace

std::vector<MetricFamily> FamiliesOf(const Readings& readings) {
  Page page;
  AddLoad(readings, page);
  for (const bool hit : {true, false}) {
    page.Add(metric::kCacheLookups,
             double(hit ? readings.cache_hits : readings.cache_misses),
             {{"tier", "sequence"}, {"result", hit ? "hit" : "miss"}});
  }
  page.Add(metric::kCacheBytes, double(readings.cache_bytes));
  page.Add(metric::kCacheLimit, double(readings.cache_limit_bytes));
  for (const PartBytes& part : readings.data) {
    page.Add(metric::kDataBytes, double(part.bytes), {{"part", part.part}});
  }
  page.Add(metric::kDiskFree, readings.disk_free_bytes);
  page.Add(metric::kDiskSize, readings.disk_size_bytes);
  page.Add(metric::kResident, readings.resident_bytes);
  page.Add(metric::kPeak, readings.peak_bytes);
  page.Add(metric::kHeap, readings.heap_bytes);
  page.Add(metric::kMemoryLimit, readings.memory_limit_bytes);
  page.Add(metric::kAdapterLoaded, readings.adapter_loaded ? 1 : 0);
  if (readings.device_memory) {
    AddDevice(readings.device, *readings.device_memory, page);
  }
  return page.Take();
}

void MetricsPage::ReadFrom(std::function<Readings()> read) {
  const std::scoped_lock lock(mutex_);
  read_ = std::move(read);
}

std::vector<MetricFamily> MetricsPage::Collect() const {
  std::vector<MetricFamily> families = registry_->Collect();
  const std::scoped_lock lock(mutex_);
  if (!read_) return families;
  for (MetricFamily& family : FamiliesOf(read_())) {
    const auto same =
        std::ranges::find(families, family.name, &MetricFamily::name);
    if (same == families.end()) {
      families.push_back(std::move(family));
    } else {
      std::ranges::move(family.metric, std::back_inserter(same->metric));
    }
  }
  return families;
}

}  // namespace gist

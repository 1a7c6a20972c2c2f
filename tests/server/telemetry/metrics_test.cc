#include "server/telemetry/metrics.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "server/contexts/instrumented_store.h"
#include "server/readings.h"
#include "server/support/process_memory.h"
#include "server/telemetry/call_record.h"
#include "server/telemetry/metric_names.h"
#include "tests/server/harness.h"
#include "tests/storage/samples.h"

namespace gist {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Series {
  std::string name;  // of the family
  std::set<std::string> labels;
};

struct ParsedPage {
  std::map<std::string, std::string> types, help;
  std::vector<Series> series;
};

// The name of the family that a sample's name belongs to.
std::string FamilyOf(std::string sample, const ParsedPage& page) {
  for (const std::string tail : {"_bucket", "_sum", "_count"}) {
    if (page.types.contains(sample) || !sample.ends_with(tail)) continue;
    const std::string name = sample.substr(0, sample.size() - tail.size());
    if (page.types.contains(name)) return name;
  }
  return sample;
}

// Of the text format; no label's value holds a comma or a brace here.
ParsedPage Parse(const std::string& text) {
  ParsedPage page;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash, kind, name, rest;
    if (line.starts_with('#')) {
      words >> hash >> kind >> name >> std::ws;
      std::getline(words, rest);
      (kind == "TYPE" ? page.types : page.help)[name] = rest;
      continue;
    }
    const size_t end = line.find_first_of("{ ");
    Series series{FamilyOf(line.substr(0, end), page), {}};
    std::string inside;
    if (line[end] == '{') {
      inside = line.substr(end + 1, line.find('}') - end - 1);
    }
    std::istringstream pairs(inside);
    for (std::string pair; std::getline(pairs, pair, ',');) {
      const std::string label = pair.substr(0, pair.find('='));
      if (label != "le") series.labels.insert(label);
    }
    page.series.push_back(std::move(series));
  }
  return page;
}

std::set<std::string> Words(const std::string& text) {
  std::istringstream words(text);
  return {std::istream_iterator<std::string>(words), {}};
}

Readings SomeReadings() {
  Readings readings;
  readings.load.running = {1, 2, 0};
  readings.load.waiting = {3, 0, 0};
  readings.max_requests = 64;
  readings.cache_hits = 5;
  readings.resident_bytes = 100;
  readings.peak_bytes = 200;
  readings.heap_bytes = 50;
  readings.memory_limit_bytes = 1000;
  readings.disk_free_bytes = 10;
  readings.disk_size_bytes = 20;
  readings.data = {{"store", 7}};
  readings.device = "cuda:0";
  readings.device_memory = DeviceMemory{.total_bytes = 100,
                                        .used_bytes = 60,
                                        .weights_bytes = 20,
                                        .kv_bytes = 10,
                                        .workspace_bytes = 5,
                                        .reserved_bytes = 5};
  return readings;
}

// One of each.
void CountAll(Metrics& metrics) {
  const float gaps[] = {0.01f};
  metrics.SetBuild({"a model", "abc", "cuda:0"});
  metrics.CountRequest("Ask", "gist", "OK", 0.1);
  metrics.CountStages("Ask", "gist",
                      {.queue = 0.1,
                       .prefill = 0.2,
                       .first_token = 0.3,
                       .inter_token_seconds = gaps});
  metrics.CountAnswer("gist", {.prompt_tokens = 9,
                               .answer_tokens = 2,
                               .kv_bytes = 4096,
                               .full_context_kv_bytes = 8192});
  metrics.CountCompressed(
      {.document_tokens = 40, .gist_tokens = 10, .kv_bytes = 4096});
  metrics.CountLookups("store", 1, 2);
  metrics.CountStoreOperation({.op = "put", .result = "ok", .seconds = 0.1});
  metrics.CountTrainStep(1.5, 1000);
}

TEST(MetricsTest, ThePageIsWhatTheListSays) {
  Metrics metrics;
  const auto reading = metrics.ReadFrom(SomeReadings);
  CountAll(metrics);
  const ParsedPage page = Parse(metrics.Render());
  std::map<std::string, MetricName> left;
  for (const MetricName& name : metric::kAll) left[name.name] = name;
  EXPECT_EQ(left.size(), metric::kAll.size()) << "a name comes twice";
  for (const auto& [name, type] : page.types) {
    ASSERT_TRUE(left.contains(name)) << name << " is not in metric_names.h";
    EXPECT_EQ(type, left[name].type) << name;
    EXPECT_EQ(page.help.at(name), left[name].help) << name;
    left.erase(name);
  }
  for (const auto& [name, unused] : left) {
    ADD_FAILURE() << name << " is on no page, though all was counted";
  }
  ASSERT_GT(page.series.size(), 100u);
  for (const Series& series : page.series) {
    const auto& all = metric::kAll;
    const auto name = std::ranges::find_if(
        all, [&](const MetricName& m) { return series.name == m.name; });
    ASSERT_NE(name, all.end()) << series.name;
    EXPECT_EQ(series.labels, Words(name->labels)) << series.name;
  }
}

// A failure prints the line that docs/metrics.md wants.
TEST(MetricsTest, TheDocumentIsTheList) {
  std::ifstream file("docs/metrics.md");
  ASSERT_TRUE(file) << "run from the repository's root";
  std::set<std::string> rows;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("| `gist_")) rows.insert(line);
  }
  std::set<std::string> wanted;
  for (const MetricName& name : metric::kAll) {
    std::string labels;
    std::istringstream words(name.labels);
    for (std::string label; words >> label;) {
      labels += (labels.empty() ? "`" : ", `") + label + "`";
    }
    wanted.insert(fmt::format("| `{}` | {} | {} | {} |", name.name, name.type,
                              labels, name.help));
  }
  EXPECT_EQ(rows, wanted);
}

TEST(MetricsTest, WhatAlertsWatchForBeginsAtZero) {
  const std::string page = Metrics().Render();
  for (const char* const line :
       {"gist_requests_rejected_total{reason=\"QUEUE_FULL\"} 0\n",
        "gist_trainings_ended_total{state=\"FAILED\"} 0\n",
        "gist_store_operations_total{op=\"get_gists\",result=\"corrupt\"} 0\n",
        "gist_ready 0\n"}) {
    EXPECT_THAT(page, HasSubstr(line));
  }
  EXPECT_THAT(page, Not(HasSubstr("\ngist_train_loss")));  // none yet
}

TEST(MetricsTest, SaysWhetherAnAdapterIsInUse) {
  Metrics metrics;
  Readings readings = SomeReadings();
  const auto reading = metrics.ReadFrom([&] { return readings; });
  EXPECT_THAT(metrics.Render(), HasSubstr("\ngist_adapter_loaded 0\n"));
  readings.adapter_loaded = true;
  EXPECT_THAT(metrics.Render(), HasSubstr("\ngist_adapter_loaded 1\n"));
}

TEST(MetricsTest, DeviceMemoryIsAbsentOnACpu) {
  Metrics metrics;
  Readings readings = SomeReadings();
  const auto reading = metrics.ReadFrom([&] { return readings; });
  const std::string page = metrics.Render();
  EXPECT_THAT(page, HasSubstr("gist_device_memory_bytes{device=\"cuda:0\","
                              "component=\"other\"} 20\n"));
  readings.device_memory.reset();
  EXPECT_THAT(metrics.Render(), Not(HasSubstr("gist_device")));
}

TEST(MetricsTest, WhatIsNotToldIsAbsent) {
  Metrics metrics;
  const auto reading = metrics.ReadFrom([] { return Readings(); });
  EXPECT_THAT(metrics.Render(), Not(HasSubstr("gist_process")));
  EXPECT_THAT(metrics.Render(), Not(HasSubstr("gist_disk")));
}

TEST(MetricsTest, NothingIsReadOnceTheReadingIsGone) {
  Metrics metrics;
  auto reading = metrics.ReadFrom(SomeReadings);
  EXPECT_THAT(metrics.Render(), HasSubstr("gist_requests_limit 64\n"));
  reading.reset();
  EXPECT_THAT(metrics.Render(), Not(HasSubstr("gist_requests_limit")));
}

TEST(MetricsTest, AStoreSaysWhatWasAskedOfIt) {
  Metrics metrics;
  const TempDir dir;
  const auto store = CountStore(OpenGistStore(dir / "data").value(), metrics);
  const ContextRecord record = SampleRecord();
  ASSERT_THAT(store->Put(record, kSampleText, SampleGists()), IsOk());
  EXPECT_THAT(store->GetRecord(record.context_id), IsOk());
  EXPECT_THAT(store->GetKv(record, SampleGistForm()), IsOk());
  EXPECT_EQ(store->GetText(record.document_id).value(), kSampleText);
  EXPECT_EQ(store->HasText("none").value(), false);
  EXPECT_THAT(store->List(10, ""), IsOk());
  EXPECT_TRUE(absl::IsNotFound(store->GetChunkIndex("none").status()));
  EXPECT_TRUE(absl::IsNotFound(store->PutChunkIndex("none", "bytes")));
  EXPECT_THAT(store->Delete(record.context_id), IsOk());
  const std::string page = metrics.Render();
  for (const char* const op : {"put", "get_record", "get_gists", "get_text",
                               "has_text", "list", "delete"}) {
    EXPECT_THAT(page,
                HasSubstr(fmt::format("gist_store_operations_total{{op=\"{}\","
                                      "result=\"ok\"}} 1\n",
                                      op)));
  }
  const size_t gists = size_t(SampleGists().Bytes());
  const size_t text = std::string_view(kSampleText).size();
  for (const std::string& line :
       {std::string("gist_store_operations_total{op=\"get_chunk_index\","
                    "result=\"not_found\"} 1\n"),
        fmt::format("gist_store_written_bytes_total {}\n", gists + text),
        fmt::format("gist_store_read_bytes_total {}\n", gists + text)}) {
    EXPECT_THAT(page, HasSubstr(line));
  }
}

TEST(ProcessMemoryTest, ThePeakOutlivesItsReset) {
  constexpr int64_t kMuch = 64 << 20;
  const int64_t before = ResidentBytes().value();
  {
    const std::vector<char> much(kMuch, 1);
    ASSERT_EQ(much.back(), 1);
  }
  const int64_t peak = PeakResidentBytes().value();
  EXPECT_GT(peak, before + kMuch / 2);
  const PeakMemory reset;
  EXPECT_GE(PeakResidentBytes().value(), peak);
  EXPECT_LT(reset.BytesOverStart().value(), kMuch / 2);
}

TEST(ProcessMemoryTest, TheHeapIsWhatIsHeld) {
  constexpr int64_t kMuch = 8 << 20;
  const auto before = HeapBytes();
  if (!before) GTEST_SKIP() << "another malloc is in its place";
  auto much = std::make_unique<std::vector<char>>(kMuch, 1);
  EXPECT_GE(*HeapBytes(), *before + kMuch);
  much.reset();
  EXPECT_LT(*HeapBytes(), *before + kMuch / 2);
}

class ReadingsTest : public PipelineTest {};

TEST_F(ReadingsTest, AServerTellsWhatItHolds) {
  HarnessOptions options;
  options.engine.device = "cuda:0";
  options.limits.max_cached_kv_bytes = 1 << 20;
  Start(std::move(options));
  const std::string id = server().IdOf(DocumentWith("ABC123"));
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(
        server().Ask(
            {.context_ids = {id}, .question = "What?", .mode = AskMode::kFull}),
        IsOk());
  }
  const Readings readings = ReadServer(server().pipeline, folder());
  EXPECT_EQ(readings.max_requests, SchedulerOptions().max_jobs);
  EXPECT_EQ(readings.cache_hits, 1);    // the second question's text
  EXPECT_EQ(readings.cache_misses, 2);  // the document, the first question's
  EXPECT_GT(readings.cache_bytes, 0);
  EXPECT_GT(readings.resident_bytes.value(), 1 << 20);
  EXPECT_GE(readings.peak_bytes.value(), readings.resident_bytes.value());
  EXPECT_GT(readings.memory_limit_bytes.value(),
            readings.resident_bytes.value());
  EXPECT_GT(readings.disk_size_bytes.value(), readings.disk_free_bytes.value());
  ASSERT_EQ(readings.data.size(), 4u);
  EXPECT_EQ(readings.data.back().part, "store");
  EXPECT_GT(readings.data.back().bytes, 1000);
  const DeviceMemory memory = readings.device_memory.value();
  EXPECT_GT(memory.kv_bytes, 0);
  EXPECT_EQ(memory.other_bytes(), 2'000'000'000);
}

TEST_F(ReadingsTest, TheLoadIsZeroOnceAllIsDone) {
  Start();
  server().IdOf(DocumentWith("ABC123"));
  const auto is_zero = [&] {
    const SchedulerLoad load = server().scheduler.Load();
    return std::ranges::count(load.running, 0) == Job::kQueueClasses &&
           std::ranges::count(load.waiting, 0) == Job::kQueueClasses;
  };
  // A job is gone a moment after its caller hears of it.
  for (int i = 0; i < 1000 && !is_zero(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(is_zero());
}

}  // namespace
}  // namespace gist

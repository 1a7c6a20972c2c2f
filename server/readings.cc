#include "server/readings.h"

#include <array>
#include <filesystem>
#include <system_error>

#include "server/serving/pipeline.h"
#include "server/support/process_memory.h"

namespace gist {
namespace {

namespace fs = std::filesystem;

// Folders of the data folder that are not the database's.
constexpr std::array kFolders = {"training", "datasets", "adapters"};

// Files that go while they are listed count nothing.
int64_t FileBytes(const fs::path& folder) {
  int64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end;
       !error && it != end; it.increment(error)) {
    std::error_code gone;
    if (!it->is_regular_file(gone)) continue;
    const auto size = it->file_size(gone);
    if (!gone) bytes += int64_t(size);
  }
  return bytes;
}

std::vector<PartBytes> DataBytes(const std::string& data_dir) {
  int64_t store = FileBytes(data_dir);
  std::vector<PartBytes> parts;
  for (const char* const folder : kFolders) {
    parts.push_back({folder, FileBytes(fs::path(data_dir) / folder)});
    store -= parts.back().bytes;
  }
  parts.push_back({"store", store < 0 ? 0 : store});
  return parts;
}

}  // namespace

Readings ReadServer(const Pipeline& pipeline, const std::string& data_dir) {
  Readings readings;
  readings.load = pipeline.scheduler().Load();
  readings.max_requests = pipeline.scheduler().options().max_jobs;
  readings.cache_hits = pipeline.cache().hits();
  readings.cache_misses = pipeline.cache().misses();
  readings.cache_bytes = pipeline.cache().bytes();
  readings.cache_limit_bytes = pipeline.cache().max_bytes();
  readings.resident_bytes = ResidentBytes();
  readings.peak_bytes = PeakResidentBytes();
  readings.heap_bytes = HeapBytes();
  readings.memory_limit_bytes = MemoryLimitBytes();
  std::error_code error;
  const fs::space_info space = fs::space(data_dir, error);
  if (!error) {
    readings.disk_free_bytes = int64_t(space.available);
    readings.disk_size_bytes = int64_t(space.capacity);
  }
  readings.data = DataBytes(data_dir);
  readings.adapter_loaded = pipeline.engine().adapter().is_loaded();
  readings.device = pipeline.engine().model().device;
  readings.device_memory = pipeline.engine().device_memory();
  return readings;
}

}  // namespace gist

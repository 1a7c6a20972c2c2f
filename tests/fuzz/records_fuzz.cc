// Any bytes as a file of samples: what parses can be written and parses to the
// same line; a line of LongBench parses or is an error.
#include <cstdint>
#include <string>
#include <string_view>

#include "core/data/record_file.h"
#include "core/scoring/longbench.h"
#include "tests/fuzz/check.h"

namespace gist {
namespace {

void CheckRecords(std::string_view text) {
  const auto records = ParseRecords(text, "file");
  if (!records.ok()) return;
  FuzzCheck(!records->empty(), "a file that parses holds a record");
  for (const Record& record : *records) {
    const std::string line = ToJsonLine(record);
    const auto again = ParseRecord(line);
    FuzzCheck(again.ok(), "what was written parses");
    FuzzCheck(ToJsonLine(*again) == line, "and is the same");
  }
}

void CheckLongBench(std::string_view line) {
  const auto record = ParseLongBenchRecord(line);
  if (!record.ok()) return;
  const auto score = LongBenchScore(*record, record->input);
  FuzzCheck(!score.ok() || (*score >= 0 && *score <= 1), "a score is a share");
}

}  // namespace
}  // namespace gist

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  gist::CheckRecords(text);
  gist::CheckLongBench(text);
  return 0;
}

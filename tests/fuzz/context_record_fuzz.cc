// What parses as a context's record can be written, and parses to the same;
// likewise its retention. The first byte says which the rest is.
#include <cstdint>
#include <string>

#include "core/base/checksum.h"
#include "storage/context_record.h"
#include "storage/retention.h"
#include "tests/fuzz/check.h"

namespace gist {
namespace {

void CheckRecord(std::string_view text) {
  const auto record = RecordFromJson(text);
  if (!record.ok()) return;
  FuzzCheck(RecordProblem(*record).empty(), "what parses is valid");
  FuzzCheck(IsContextId(record->context_id), "its id is one");
  const auto again = RecordFromJson(RecordToJson(*record));
  FuzzCheck(again.ok() && *again == *record, "it parses to the same again");
}

// With a true checksum: else next to nothing would come past it.
void CheckRetention(std::string_view text) {
  UnsealRetention("ctx", text).status().IgnoreError();
  const auto retention = UnsealRetention("ctx", Seal("ctx", text));
  if (!retention.ok()) return;
  FuzzCheck(retention->expire_unix_ms >= 0, "times are not negative");
  const auto again = UnsealRetention("ctx", SealRetention("ctx", *retention));
  FuzzCheck(again.ok() && *again == *retention, "it comes back");
}

}  // namespace
}  // namespace gist

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1,
                              size - 1);
  if (data[0] % 2 == 0) {
    gist::CheckRecord(text);
  } else {
    gist::CheckRetention(text);
  }
  return 0;
}

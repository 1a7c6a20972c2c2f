#include "storage/context_record.h"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <set>
#include <utility>

#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/base/utf8.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kContextPrefix = "ctx_";
constexpr size_t kContextDigits = 32;
constexpr size_t kHashDigits = 64;

// The one list of fields, for both directions.
template <typename Record, typename Visit>
void VisitDocument(Record& record, Visit visit) {
  visit("context_id", record.context_id);
  visit("document_id", record.document_id);
  visit("model_fingerprint", record.model_fingerprint);
  visit("document_bytes", record.document_bytes);
  visit("document_tokens", record.document_tokens);
  visit("created_unix_ms", record.created_unix_ms);
}

// All but rung, storage, method_version and adapter_fingerprint.
template <typename Form, typename Visit>
void VisitForm(Form& form, Visit visit) {
  visit(form.rung == Rung::kGist ? "gist_tokens" : "ratio",
        form.rung == Rung::kGist ? form.gist_tokens : form.ratio);
  visit("kv_slots", form.kv_slots);
  visit("kv_bytes", form.kv_bytes);
  visit("created_unix_ms", form.created_unix_ms);
  visit("build_seconds", form.build_seconds);
  visit("imported", form.imported);
}

// The name of the type that `json` had to have; empty: it was that, and `out`
// is set.
std::string_view Take(const Json& json, std::string& out) {
  if (!json.is_string()) return "a string";
  out = json.get_ref<const std::string&>();
  return "";
}

std::string_view Take(const Json& json, bool& out) {
  if (!json.is_boolean()) return "true or false";
  out = json.get<bool>();
  return "";
}

std::string_view Take(const Json& json, double& out) {
  if (!json.is_number()) return "a number";
  out = json.get<double>();
  return "";
}

template <std::integral Int>
std::string_view Take(const Json& json, Int& out) {
  const bool fits =
      json.is_number_unsigned()
          ? std::in_range<Int>(json.get<uint64_t>())
          : json.is_number_integer() && std::in_range<Int>(json.get<int64_t>());
  if (!fits) return sizeof(Int) == 8 ? "a 64-bit integer" : "a 32-bit integer";
  out = json.get<Int>();
  return "";
}

// Takes fields of one object and keeps the first problem.
class Fields {
 public:
  Fields(const Json& json, std::string& problem)
      : json_(json), problem_(problem) {}

  template <typename Value>
  void operator()(const char* name, Value& value) {
    const auto found = json_.find(name);
    const std::string_view wanted =
        found == json_.end() ? "a value" : Take(*found, value);
    if (wanted.empty() || !problem_.empty()) return;
    problem_ = fmt::format(
        "{} is {}, want {}", name,
        found == json_.end() ? "missing" : found->type_name(), wanted);
  }
  template <typename Value>
  void Optional(const char* name, Value& value) {
    if (json_.contains(name)) (*this)(name, value);
  }

 private:
  const Json& json_;
  std::string& problem_;
};

bool IsHex(std::string_view text, size_t digits) {
  return text.size() == digits && IsLowerHex(text);
}

std::string HashProblem(const char* name, const std::string& hash) {
  if (IsHex(hash, kHashDigits)) return "";
  return fmt::format("{} is {:?}, want {} lower-case hex digits", name, hash,
                     kHashDigits);
}

std::string IdProblem(const ContextRecord& record) {
  std::string problem = HashProblem("document_id", record.document_id);
  if (problem.empty())
    problem = HashProblem("model_fingerprint", record.model_fingerprint);
  if (!problem.empty()) return problem;
  const std::string id =
      ContextId(record.document_id, record.model_fingerprint);
  if (record.context_id == id || HasOldId(record)) return "";
  return fmt::format(
      "context_id is {:?}, want {}, which follows from document and model",
      record.context_id, id);
}

std::string CountProblem(const char* name, int64_t count) {
  return count >= 1 ? "" : fmt::format("{} is {}, want 1 or more", name, count);
}

std::string FormProblem(const Representation& form) {
  const bool is_gist = form.rung == Rung::kGist;
  std::string problem = is_gist ? CountProblem("gist_tokens", form.gist_tokens)
                                : CountProblem("ratio", form.ratio);
  if (problem.empty()) problem = CountProblem("kv_slots", form.kv_slots);
  if (problem.empty()) problem = CountProblem("kv_bytes", form.kv_bytes);
  if (problem.empty())
    problem = CountProblem("method_version", form.method_version);
  if (problem.empty() && (is_gist || !form.adapter_fingerprint.empty()))
    problem = HashProblem("adapter_fingerprint", form.adapter_fingerprint);
  if (!problem.empty()) return problem;
  if (form.storage != KvStorage::kF16 && form.storage != KvStorage::kI8) {
    return fmt::format("storage is {}, want f16 or i8",
                       KvStorageName(form.storage));
  }
  if (form.created_unix_ms < 0) {
    return fmt::format("created_unix_ms is {}, want 0 or more",
                       form.created_unix_ms);
  }
  if (std::isfinite(form.build_seconds) && form.build_seconds >= 0) return "";
  return fmt::format("build_seconds is {}, want 0 or more", form.build_seconds);
}

std::string FormsProblem(const ContextRecord& record) {
  const size_t count = record.representations.size();
  if (count > kMaxRepresentations) {
    return fmt::format("{} representations, want {} at most", count,
                       kMaxRepresentations);
  }
  std::set<std::string> keys;
  for (const Representation& form : record.representations) {
    std::string problem = FormProblem(form);
    if (!problem.empty()) return problem;
    std::string key = RepresentationKey(form);
    if (!keys.insert(key).second)
      return fmt::format("representation {} is there twice", key);
  }
  return "";
}

Json FormToJson(const Representation& form) {
  Json json = {{"rung", RungName(form.rung)},
               {"storage", KvStorageName(form.storage)}};
  VisitForm(form, [&json](const char* name, const auto& value) {
    json[name] = value;
  });
  if (form.method_version != 1) json["method_version"] = form.method_version;
  if (!form.adapter_fingerprint.empty())
    json["adapter_fingerprint"] = form.adapter_fingerprint;
  return json;
}

// A name that this program does not know is a newer gistd's.
absl::Status UnknownName(const char* field, const std::string& name) {
  return absl::FailedPreconditionError(fmt::format(
      "context record: {} {:?} is not known here: update gistd", field, name));
}

absl::StatusOr<Representation> FormFromJson(const Json& json,
                                            std::string& problem) {
  Representation form;
  if (!json.is_object()) {
    problem = "a representation is no JSON object";
    return form;
  }
  std::string rung_name, storage_name;
  Fields fields(json, problem);
  fields("rung", rung_name);
  fields("storage", storage_name);
  if (!problem.empty()) return form;
  const auto rung = ParseRung(rung_name);
  const auto storage = ParseKvStorage(storage_name);
  if (!rung) return UnknownName("rung", rung_name);
  if (!storage) return UnknownName("storage", storage_name);
  form.rung = *rung;
  form.storage = *storage;
  VisitForm(form, fields);
  fields.Optional("method_version", form.method_version);
  fields.Optional("adapter_fingerprint", form.adapter_fingerprint);
  return form;
}

// Version 1: a record was one compression into gists.
Representation FormOfVersion1(const ContextRecord& record, Fields& fields) {
  Representation form{.rung = Rung::kGist, .storage = KvStorage::kF16};
  fields("adapter_fingerprint", form.adapter_fingerprint);
  fields("gist_tokens", form.gist_tokens);
  fields("kv_bytes", form.kv_bytes);
  fields("compress_seconds", form.build_seconds);
  fields("imported", form.imported);
  form.kv_slots = form.gist_tokens;
  form.created_unix_ms = record.created_unix_ms;
  return form;
}

// Of equally new ones the last; null: none is wanted.
template <typename Wanted>
const Representation* NewestOf(const std::vector<Representation>& forms,
                               Wanted wanted) {
  const Representation* newest = nullptr;
  for (const Representation& form : forms) {
    if (!wanted(form)) continue;
    if (newest == nullptr || form.created_unix_ms >= newest->created_unix_ms)
      newest = &form;
  }
  return newest;
}

}  // namespace

int64_t ContextRecord::KvBytes() const {
  int64_t bytes = 0;
  for (const Representation& form : representations) bytes += form.kv_bytes;
  return bytes;
}

const Representation* ContextRecord::Newest(Rung rung, int gist_tokens,
                                            std::string_view adapter) const {
  const auto fits = [&](const Representation& form) {
    return form.rung == rung &&
           (gist_tokens == 0 || form.gist_tokens == gist_tokens);
  };
  const Representation* const own =
      NewestOf(representations, [&](const Representation& form) {
        return fits(form) && form.adapter_fingerprint == adapter;
      });
  return own != nullptr ? own : NewestOf(representations, fits);
}

const Representation* ContextRecord::Newest() const {
  return NewestOf(representations, [](const Representation&) { return true; });
}

const Representation* ContextRecord::Find(const Representation& wanted) const {
  const auto found = std::ranges::find(
      representations, RepresentationKey(wanted), RepresentationKey);
  return found == representations.end() ? nullptr : &*found;
}

ContextRecord ContextRecord::With(const Representation& representation) const {
  ContextRecord copy = *this;
  copy.representations = {representation};
  return copy;
}

bool IsContextId(std::string_view id) {
  return id.starts_with(kContextPrefix) &&
         IsHex(id.substr(kContextPrefix.size()), kContextDigits);
}

bool HasOldId(const ContextRecord& record) {
  if (record.representations.size() != 1) return false;
  const Representation& form = record.representations.front();
  return form.rung == Rung::kGist &&
         record.context_id ==
             OldContextId(record.document_id, record.model_fingerprint,
                          form.adapter_fingerprint, form.gist_tokens);
}

std::string RecordProblem(const ContextRecord& record) {
  std::string problem = CountProblem("document_bytes", record.document_bytes);
  if (problem.empty())
    problem = CountProblem("document_tokens", record.document_tokens);
  if (problem.empty() && record.created_unix_ms < 0) {
    problem = fmt::format("created_unix_ms is {}, want 0 or more",
                          record.created_unix_ms);
  }
  if (problem.empty()) problem = FormsProblem(record);
  return problem.empty() ? IdProblem(record) : problem;
}

std::string TextProblem(const ContextRecord& record, std::string_view text) {
  if (!std::cmp_equal(text.size(), record.document_bytes)) {
    return fmt::format("the text has {} B, want {} B as document_bytes says",
                       text.size(), record.document_bytes);
  }
  const size_t invalid = FirstInvalidUtf8(text);
  if (invalid == text.size()) return "";
  return fmt::format("the text is no UTF-8 from byte {} on", invalid);
}

std::string RecordToJson(const ContextRecord& record) {
  Json json;
  VisitDocument(record, [&json](const char* name, const auto& value) {
    json[name] = value;
  });
  // Absent where there are no tenants.
  if (!record.tenant.empty()) json["tenant"] = record.tenant;
  Json& forms = json["representations"] = Json::array();
  for (const Representation& form : record.representations)
    forms.push_back(FormToJson(form));
  return json.dump();
}

absl::StatusOr<ContextRecord> RecordFromJson(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return absl::DataLossError("the context record is no JSON object");
  }
  ContextRecord record;
  std::string problem;
  Fields fields(json, problem);
  VisitDocument(record, fields);
  fields.Optional("tenant", record.tenant);
  const auto forms = json.find("representations");
  if (forms == json.end()) {
    record.representations.push_back(FormOfVersion1(record, fields));
  } else if (!forms->is_array() || forms->size() > kMaxRepresentations) {
    problem = fmt::format("representations are no list of {} at most",
                          kMaxRepresentations);
  } else {
    for (const Json& form : *forms) {
      GIST_ASSIGN_OR_RETURN(Representation read, FormFromJson(form, problem));
      record.representations.push_back(std::move(read));
    }
  }
  if (problem.empty()) problem = RecordProblem(record);
  if (problem.empty()) return record;
  return absl::DataLossError(fmt::format("context record: {}", problem));
}

}  // namespace gist

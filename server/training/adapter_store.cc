#include "server/training/adapter_store.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <utility>

#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/base/unix_time.h"
#include "nlohmann/json.hpp"
#include "server/support/errors.h"
#include "server/support/file_io.h"
#include "server/support/names.h"

namespace gist {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr size_t kMaxHistory = 100;

absl::Status NoSuchAdapter(std::string_view title) {
  return Error(Reason::kAdapterNotFound,
               fmt::format("no adapter is called {:?}; ListAdapters names all",
                           Shown(title)));
}

// A positive number that fits.
std::optional<int> ParseVersion(std::string_view text) {
  int version = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, version);
  if (error != std::errc() || rest != end || version < 1) return std::nullopt;
  return version;
}

std::string Description(const AdapterVersion& version) {
  Json json = {{"name", version.name},
               {"version", version.version},
               {"job_id", version.job_id},
               {"recipe", version.recipe},
               {"created_unix_ms", version.created_unix_ms}};
  if (version.dev_accuracy) json["dev_accuracy"] = *version.dev_accuracy;
  json["files"] = version.files;
  return WithSum(json.dump());
}

absl::StatusOr<AdapterVersion> ReadDescription(const std::string& path) {
  GIST_ASSIGN_OR_RETURN(const std::string text, ReadStateFile(path));
  GIST_RETURN_IF_ERROR(CheckSum(path, text));
  try {
    const Json json = Json::parse(text);
    AdapterVersion version = {
        .name = json.at("name"),
        .version = json.at("version"),
        .job_id = json.at("job_id"),
        .recipe = json.at("recipe"),
        .dev_accuracy = std::nullopt,
        .created_unix_ms = json.at("created_unix_ms"),
        .files = json.value("files", std::map<std::string, std::string>())};
    if (json.contains("dev_accuracy")) {
      version.dev_accuracy = json["dev_accuracy"].get<double>();
    }
    return version;
  } catch (const std::exception& error) {
    return absl::DataLossError(
        fmt::format("{} is damaged: {}", path, error.what()));
  }
}

// SHA-256 of each file in `folder`, by name.
absl::StatusOr<std::map<std::string, std::string>> SumsOf(
    const std::string& folder) {
  std::map<std::string, std::string> sums;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    GIST_ASSIGN_OR_RETURN(const std::string bytes,
                          ReadStateFile(it->path().string()));
    sums[it->path().filename().string()] = Sha256Hex(bytes);
  }
  return sums;
}

}  // namespace

absl::StatusOr<std::string> AdapterStore::VerifiedFolderOf(
    const AdapterVersion& version) const {
  const std::string folder = FolderOf(version);
  for (const auto& [name, sha256] : version.files) {
    const std::string path = folder + "/" + name;
    const auto bytes = ReadStateFile(path);
    if (!bytes.ok() && !absl::IsNotFound(bytes.status())) return bytes.status();
    const std::string sum = bytes.ok() ? Sha256Hex(*bytes) : "(no file)";
    if (sum == sha256) continue;
    return absl::DataLossError(fmt::format(
        "{} is damaged: its SHA-256 is {}, want {}; use another version, or "
        "restore a backup",
        path, sum, sha256));
  }
  return folder;
}

std::string AdapterStore::FolderOf(const AdapterVersion& version) const {
  return fmt::format("{}/{}/{}", folder_, version.name, version.Title());
}

std::string AdapterStore::ModelOf(const AdapterVersion& version) const {
  const auto text = ReadStateFile(FolderOf(version) + "/adapter_config.json");
  if (!text.ok()) return "";
  const Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  const auto model = Json::json_pointer("/gist/base_model_sha256");
  const bool is_said =
      json.is_object() && json.contains(model) && json.at(model).is_string();
  return is_said ? json.at(model).get<std::string>() : "";
}

absl::StatusOr<AdapterVersion> AdapterStore::Add(
    AdapterVersion about,
    const std::function<absl::Status(const std::string& folder)>& write) {
  GIST_RETURN_IF_ERROR(CheckPlainName("name", about.name));
  const std::scoped_lock lock(adding_);
  GIST_ASSIGN_OR_RETURN(const auto versions, VersionsOf(about.name));
  for (const AdapterVersion& version : versions) {
    if (version.job_id == about.job_id) return version;
  }
  about.version = versions.empty() ? 1 : versions.back().version + 1;
  about.created_unix_ms = UnixMillis();
  const std::string folder = FolderOf(about);
  // "." is in no plain name: nothing that was added is overwritten.
  const std::string partial = fmt::format("{}/{}.partial", folder_, about.name);
  std::error_code ignored;
  fs::remove_all(partial, ignored);
  GIST_RETURN_IF_ERROR(EnsureFolder(fmt::format("{}/{}", folder_, about.name)));
  absl::Status status = write(partial);
  if (status.ok()) {
    auto sums = SumsOf(partial);
    status = sums.status();
    if (sums.ok()) about.files = *std::move(sums);
  }
  // The description first: a version is there when its folder is.
  if (status.ok()) {
    status = WriteStateFile(folder + ".json", Description(about));
  }
  if (status.ok()) status = PublishFolder(partial, folder);
  if (status.ok()) return about;
  fs::remove_all(partial, ignored);
  return status;
}

absl::StatusOr<std::vector<AdapterVersion>> AdapterStore::VersionsOf(
    std::string_view name) const {
  std::vector<AdapterVersion> versions;
  std::error_code error;
  const fs::path folder = fs::path(folder_) / name;
  for (fs::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    if (!it->is_directory(error)) continue;
    GIST_ASSIGN_OR_RETURN(AdapterVersion version,
                          ReadDescription(it->path().string() + ".json"));
    versions.push_back(std::move(version));
  }
  std::ranges::sort(versions, {}, &AdapterVersion::version);
  return versions;
}

absl::StatusOr<AdapterVersion> AdapterStore::Find(
    std::string_view title) const {
  const size_t at = title.find('@');
  const std::string_view name = title.substr(0, at);
  if (!IsPlainName(name)) return NoSuchAdapter(title);
  GIST_ASSIGN_OR_RETURN(const auto versions, VersionsOf(name));
  if (versions.empty()) return NoSuchAdapter(title);
  if (at == title.npos) return versions.back();
  const auto wanted = ParseVersion(title.substr(at + 1));
  for (const AdapterVersion& version : versions) {
    if (version.version == wanted) return version;
  }
  return NoSuchAdapter(title);
}

absl::StatusOr<std::vector<AdapterVersion>> AdapterStore::List() const {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end;
       it.increment(error)) {
    std::string name = it->path().filename().string();
    if (IsPlainName(name)) names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  std::vector<AdapterVersion> all;
  for (const std::string& name : names) {
    GIST_ASSIGN_OR_RETURN(auto versions, VersionsOf(name));
    std::ranges::move(versions, std::back_inserter(all));
  }
  return all;
}

absl::StatusOr<std::vector<std::string>> AdapterStore::History() const {
  const std::string path = folder_ + "/current.json";
  const auto text = ReadStateFile(path);
  if (absl::IsNotFound(text.status())) return std::vector<std::string>();
  GIST_RETURN_IF_ERROR(text.status());
  GIST_RETURN_IF_ERROR(CheckSum(path, *text));
  try {
    return Json::parse(*text).at("history").get<std::vector<std::string>>();
  } catch (const std::exception& error) {
    return absl::DataLossError(
        fmt::format("{} is damaged: {}; delete it to start from the configured "
                    "adapter",
                    path, error.what()));
  }
}

absl::Status AdapterStore::SetHistory(const std::vector<std::string>& titles) {
  GIST_RETURN_IF_ERROR(EnsureFolder(folder_));
  const size_t size = std::min(titles.size(), kMaxHistory);
  const std::vector<std::string> kept(titles.end() - std::ptrdiff_t(size),
                                      titles.end());
  return WriteStateFile(folder_ + "/current.json",
                        WithSum(Json{{"history", kept}}.dump()));
}

}  // namespace gist

#include "server/training/dataset_store.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/base/unix_time.h"
#include "core/data/record_file.h"
#include "nlohmann/json.hpp"
#include "server/support/errors.h"
#include "server/support/file_io.h"
#include "server/support/names.h"

namespace gist {
namespace {

namespace fs = std::filesystem;

constexpr char kPrefix[] = "ds_";
constexpr size_t kIdDigits = 32;

absl::Status CheckId(std::string_view id) {
  const bool is_id = IsPlainName(id) && id.starts_with(kPrefix);
  if (is_id) return absl::OkStatus();
  return Error(Reason::kDatasetNotFound,
               fmt::format("no dataset has the id {:?}; ListDatasets names all",
                           Shown(id)));
}

std::string IdOf(std::string_view json_lines) {
  return kPrefix + Sha256Hex(json_lines).substr(0, kIdDigits);
}

}  // namespace

DatasetStore::DatasetStore(std::string folder, DatasetLimits limits)
    : folder_(std::move(folder)), limits_(limits) {}

std::string DatasetStore::FolderOf(std::string_view tenant) const {
  return tenant.empty() ? folder_
                        : fmt::format("{}/tenants/{}", folder_, tenant);
}

std::string DatasetStore::PathOf(std::string_view tenant,
                                 std::string_view dataset_id,
                                 const char* suffix) const {
  return fmt::format("{}/{}{}", FolderOf(tenant), dataset_id, suffix);
}

absl::StatusOr<Dataset> DatasetStore::Add(std::string_view json_lines,
                                          std::string_view tenant) {
  if (int64_t(json_lines.size()) > limits_.max_bytes) {
    return Error(
        Reason::kDatasetTooLarge,
        fmt::format("the dataset has {} bytes, the limit is {}; split it and "
                    "train with several",
                    json_lines.size(), limits_.max_bytes));
  }
  GIST_ASSIGN_OR_RETURN(const auto records,
                        ParseRecords(json_lines, "dataset"));
  Dataset dataset;
  dataset.dataset_id = IdOf(json_lines);
  if (auto known = Get(dataset.dataset_id, tenant); known.ok()) return known;
  GIST_ASSIGN_OR_RETURN(const auto all, List(tenant));
  if (int(all.size()) >= limits_.max_datasets) {
    return Error(
        Reason::kTooManyDatasets,
        fmt::format("there are {} datasets, the limit is {}; delete some",
                    all.size(), limits_.max_datasets));
  }
  dataset.bytes = int64_t(json_lines.size());
  dataset.records = int64_t(records.size());
  dataset.created_unix_ms = UnixMillis();
  const nlohmann::ordered_json about = {
      {"dataset_id", dataset.dataset_id},
      {"bytes", dataset.bytes},
      {"records", dataset.records},
      {"created_unix_ms", dataset.created_unix_ms}};
  GIST_RETURN_IF_ERROR(EnsureFolder(FolderOf(tenant)));
  GIST_RETURN_IF_ERROR(
      WriteStateFile(PathOf(tenant, dataset.dataset_id, ".jsonl"), json_lines));
  // Last: a dataset is there when its description is.
  GIST_RETURN_IF_ERROR(WriteStateFile(
      PathOf(tenant, dataset.dataset_id, ".json"), WithSum(about.dump())));
  return dataset;
}

absl::StatusOr<Dataset> DatasetStore::Get(std::string_view dataset_id,
                                          std::string_view tenant) const {
  GIST_RETURN_IF_ERROR(CheckId(dataset_id));
  const auto text = ReadStateFile(PathOf(tenant, dataset_id, ".json"));
  if (absl::IsNotFound(text.status())) {
    return Error(
        Reason::kDatasetNotFound,
        fmt::format("no dataset has the id {:?}; ListDatasets names all",
                    Shown(dataset_id)));
  }
  GIST_RETURN_IF_ERROR(text.status());
  GIST_RETURN_IF_ERROR(CheckSum(PathOf(tenant, dataset_id, ".json"), *text));
  return Fence("dataset", [&]() -> absl::StatusOr<Dataset> {
    const auto about = nlohmann::json::parse(*text);
    return Dataset{std::string(dataset_id), about.at("bytes"),
                   about.at("records"), about.at("created_unix_ms")};
  });
}

absl::StatusOr<std::vector<Record>> DatasetStore::Load(
    std::string_view dataset_id, std::string_view tenant) const {
  GIST_RETURN_IF_ERROR(Get(dataset_id, tenant).status());
  GIST_ASSIGN_OR_RETURN(const std::string text,
                        ReadStateFile(PathOf(tenant, dataset_id, ".jsonl")));
  if (IdOf(text) != dataset_id) {
    return absl::DataLossError(
        fmt::format("dataset {} is damaged: its bytes are those of {}; delete "
                    "it and upload it again",
                    dataset_id, IdOf(text)));
  }
  return ParseRecords(text, dataset_id);
}

absl::StatusOr<std::vector<Dataset>> DatasetStore::List(
    std::string_view tenant) const {
  std::vector<Dataset> datasets;
  std::error_code error;
  for (fs::directory_iterator it(FolderOf(tenant), error), end;
       !error && it != end; it.increment(error)) {
    if (it->path().extension() != ".json") continue;
    auto dataset = Get(it->path().stem().string(), tenant);
    if (absl::IsNotFound(dataset.status())) continue;  // deleted just now
    GIST_RETURN_IF_ERROR(dataset.status());
    datasets.push_back(*std::move(dataset));
  }
  std::ranges::sort(datasets, {}, &Dataset::dataset_id);
  return datasets;
}

absl::Status DatasetStore::Delete(std::string_view dataset_id,
                                  std::string_view tenant) {
  const absl::Status found = Get(dataset_id, tenant).status();
  if (!found.ok() && !absl::IsDataLoss(found)) return found;
  std::error_code error;
  for (const char* suffix : {".json", ".jsonl"}) {
    fs::remove(PathOf(tenant, dataset_id, suffix), error);
    if (error) {
      return absl::UnavailableError(
          fmt::format("cannot delete {}: {}", dataset_id, error.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace gist

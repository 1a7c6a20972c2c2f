#include "server/contexts/backup.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/base/unix_time.h"
#include "nlohmann/json.hpp"
#include "server/support/errors.h"
#include "server/support/file_io.h"

namespace gist {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::string_view kPrefix = "backup-";
constexpr char kListFile[] = "backup.json";
constexpr char kPartial[] = ".partial";
constexpr int kFormat = 1;
// Of the data folder, beside the database.
constexpr const char* kSideFolders[] = {"adapters", "datasets", "training"};
constexpr int kPageSize = 1000;

// The number in "backup-000007"; nothing: another name.
std::optional<int> NumberOf(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  int number = 0;
  const char* const end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data(), end, number);
  if (error != std::errc() || rest != end || number < 1) return std::nullopt;
  return number;
}

// The highest in use; damaged backups count.
int LastNumber(const std::string& folder) {
  int last = 0;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    const auto number = NumberOf(it->path().filename().string());
    last = std::max(last, number.value_or(0));
  }
  return last;
}

struct ListedFile {
  std::string path;  // below the backup's folder
  int64_t bytes = 0;
  std::string sha256;
};

struct FileList {
  int64_t created_unix_ms = 0;
  std::vector<ListedFile> files;
};

std::string ToText(const FileList& list) {
  Json json = {{"format", kFormat},
               {"created_unix_ms", list.created_unix_ms},
               {"files", Json::array()}};
  for (const ListedFile& file : list.files) {
    json["files"].push_back(
        {{"path", file.path}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  }
  return json.dump(1) + "\n";
}

// Would be written outside of the folder that is restored.
bool LeadsOut(const fs::path& path) {
  return path.empty() || path.is_absolute() ||
         std::ranges::any_of(path,
                             [](const auto& part) { return part == ".."; });
}

absl::StatusOr<FileList> ReadList(const std::string& folder) {
  const std::string path = folder + "/" + kListFile;
  const auto text = ReadStateFile(path);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(
        fmt::format("{} is no backup: it has no {}; name the folder "
                    "backup-NNNNNN itself",
                    folder, kListFile));
  }
  GIST_RETURN_IF_ERROR(text.status());
  try {
    const Json json = Json::parse(*text);
    if (json.at("format").get<int>() > kFormat) {
      return absl::FailedPreconditionError(
          fmt::format("{} has format {}, supported is {}: update gistd", path,
                      json.at("format").get<int>(), kFormat));
    }
    FileList list{json.at("created_unix_ms"), {}};
    for (const Json& file : json.at("files")) {
      list.files.push_back(
          {file.at("path"), file.at("bytes"), file.at("sha256")});
      if (LeadsOut(list.files.back().path)) {
        return absl::DataLossError(
            fmt::format("{} names the file {:?}, want one below its folder",
                        path, list.files.back().path));
      }
    }
    return list;
  } catch (const std::exception& error) {
    return absl::DataLossError(
        fmt::format("{} is damaged: {}", path, error.what()));
  }
}

absl::Status DiskError(std::string_view what, const std::error_code& error) {
  const std::string message = fmt::format("{}: {}", what, error.message());
  if (error == std::errc::no_space_on_device)
    return absl::ResourceExhaustedError(message);
  return absl::UnavailableError(message);
}

// Flushed. What was deleted meanwhile is left out.
absl::Status CopyFile(const fs::path& from, const fs::path& to) {
  const auto bytes = ReadStateFile(from.string());
  if (absl::IsNotFound(bytes.status())) return absl::OkStatus();
  GIST_RETURN_IF_ERROR(bytes.status());
  GIST_RETURN_IF_ERROR(EnsureFolder(to.parent_path().string()));
  return WriteStateFile(to.string(), *bytes);
}

// What is being written in `from` meanwhile appears there as a whole, its
// description before an adapter's folder and after a dataset's lines: whoever
// sees one may have missed the other.
absl::Status CopyTree(const fs::path& from, const fs::path& to) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(from, error), end;
       !error && it != end; it.increment(error)) {
    const fs::path& path = it->path();
    if (path.extension() == kPartial) {
      it.disable_recursion_pending();
      continue;
    }
    const fs::path target = to / fs::relative(path, from);
    if (it->is_directory()) {
      GIST_RETURN_IF_ERROR(
          CopyFile(path.string() + ".json", target.string() + ".json"));
      continue;
    }
    GIST_RETURN_IF_ERROR(CopyFile(path, target));
    if (path.extension() != ".json") continue;
    fs::path lines = path, copied_lines = target;
    GIST_RETURN_IF_ERROR(CopyFile(lines.replace_extension(".jsonl"),
                                  copied_lines.replace_extension(".jsonl")));
  }
  if (!error || error == std::errc::no_such_file_or_directory)
    return absl::OkStatus();
  return DiskError(fmt::format("cannot read {}", from.string()), error);
}

absl::StatusOr<FileList> ListFiles(const fs::path& folder) {
  FileList list{UnixMillis(), {}};
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end;
       !error && it != end; it.increment(error)) {
    if (!it->is_regular_file()) continue;
    GIST_ASSIGN_OR_RETURN(const std::string bytes,
                          ReadStateFile(it->path().string()));
    list.files.push_back({fs::relative(it->path(), folder).string(),
                          int64_t(bytes.size()), Sha256Hex(bytes)});
  }
  if (error) return DiskError("cannot read the backup", error);
  std::ranges::sort(list.files, {}, &ListedFile::path);
  return list;
}

Backup Describe(std::string name, const FileList& list) {
  Backup backup{.name = std::move(name),
                .created_unix_ms = list.created_unix_ms,
                .bytes = 0,
                .files = int64_t(list.files.size())};
  for (const ListedFile& file : list.files) backup.bytes += file.bytes;
  return backup;
}

absl::Status CheckEmpty(const std::string& folder) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name == "lost+found") continue;
    return absl::FailedPreconditionError(fmt::format(
        "{} holds {:?}: a backup is restored into a new or empty folder; "
        "choose another --data-dir",
        folder, name));
  }
  return absl::OkStatus();
}

absl::Status CopyVerified(const ListedFile& file, const fs::path& from,
                          const fs::path& to) {
  const std::string source = (from / file.path).string();
  const auto bytes = ReadStateFile(source);
  if (absl::IsNotFound(bytes.status())) {
    return absl::DataLossError(
        fmt::format("{} is missing: restore another backup", source));
  }
  GIST_RETURN_IF_ERROR(bytes.status());
  const std::string sha256 = Sha256Hex(*bytes);
  if (sha256 != file.sha256 || int64_t(bytes->size()) != file.bytes) {
    return absl::DataLossError(fmt::format(
        "{} has {} bytes of SHA-256 {}, want {} of {}: it is damaged; restore "
        "another backup",
        source, bytes->size(), sha256, file.bytes, file.sha256));
  }
  const fs::path target = to / file.path;
  GIST_RETURN_IF_ERROR(EnsureFolder(target.parent_path().string()));
  return WriteStateFile(target.string(), *bytes);
}

// A database is one once it has CURRENT: that file comes last.
absl::Status CopyAll(const FileList& list, const fs::path& from,
                     const fs::path& to) {
  for (const bool last : {false, true}) {
    for (const ListedFile& file : list.files) {
      if ((file.path == "CURRENT") != last) continue;
      GIST_RETURN_IF_ERROR(CopyVerified(file, from, to));
    }
  }
  return absl::OkStatus();
}

// Reads all there is of a context.
absl::Status Verify(const GistStore& store, const ContextRecord& record) {
  for (const Representation& form : record.representations)
    GIST_RETURN_IF_ERROR(store.GetKv(record, form).status());
  GIST_ASSIGN_OR_RETURN(const StoredContext stored,
                        store.Find(record.context_id));
  if (stored.text_bytes > 0)
    GIST_RETURN_IF_ERROR(store.GetText(record.document_id).status());
  if (stored.index_bytes > 0)
    GIST_RETURN_IF_ERROR(store.GetChunkIndex(record.document_id).status());
  return absl::OkStatus();
}

absl::StatusOr<int64_t> VerifyAll(const std::string& folder) {
  GIST_ASSIGN_OR_RETURN(const auto store, OpenGistStore(folder));
  int64_t contexts = 0;
  std::string token;
  do {
    GIST_ASSIGN_OR_RETURN(const ContextPage page,
                          store->List(kPageSize, token));
    for (const ContextRecord& record : page.records)
      GIST_RETURN_IF_ERROR(Verify(*store, record));
    contexts += int64_t(page.records.size());
    token = page.next_page_token;
  } while (!token.empty());
  return contexts;
}

void Empty(const std::string& folder) {
  std::error_code ignored;
  for (fs::directory_iterator it(folder, ignored), end; it != end;
       it.increment(ignored)) {
    if (it->path().filename() != "lost+found")
      fs::remove_all(it->path(), ignored);
  }
}

}  // namespace

absl::StatusOr<Backup> BackupFolder::Create() {
  const std::unique_lock lock(creating_, std::try_to_lock);
  if (!lock) {
    return Error(Reason::kBackupRunning,
                 "another backup is being written; try again once it is done");
  }
  GIST_RETURN_IF_ERROR(EnsureFolder(options_.folder));
  const std::string name =
      fmt::format("{}{:06}", kPrefix, LastNumber(options_.folder) + 1);
  const std::string folder = fmt::format("{}/{}", options_.folder, name);
  const std::string partial = folder + kPartial;
  std::error_code ignored;
  fs::remove_all(partial, ignored);  // of one that was cut short
  auto backup = Write(partial);
  if (backup.ok()) {
    const absl::Status published = PublishFolder(partial, folder);
    if (!published.ok()) backup = published;
  }
  if (!backup.ok()) {
    fs::remove_all(partial, ignored);
    return Within("backup", backup.status());
  }
  backup->name = name;
  GIST_RETURN_IF_ERROR(DeleteOld());
  return backup;
}

absl::StatusOr<Backup> BackupFolder::Write(const std::string& folder) {
  GIST_RETURN_IF_ERROR(store_.CopyTo(folder));
  for (const char* side : kSideFolders) {
    GIST_RETURN_IF_ERROR(CopyTree(fs::path(options_.data_folder) / side,
                                  fs::path(folder) / side));
  }
  GIST_ASSIGN_OR_RETURN(const FileList list, ListFiles(folder));
  GIST_RETURN_IF_ERROR(
      WriteStateFile(fmt::format("{}/{}", folder, kListFile), ToText(list)));
  return Describe("", list);
}

absl::StatusOr<std::vector<Backup>> BackupFolder::List() const {
  std::vector<Backup> backups;
  std::error_code error;
  for (fs::directory_iterator it(options_.folder, error), end;
       !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!NumberOf(name)) continue;
    const auto list = ReadList(it->path().string());
    // Being deleted, or damaged: nothing that could be restored.
    if (absl::IsNotFound(list.status()) || absl::IsDataLoss(list.status()))
      continue;
    GIST_RETURN_IF_ERROR(list.status());
    backups.push_back(Describe(name, *list));
  }
  std::ranges::sort(backups, std::greater(), [](const Backup& backup) {
    return *NumberOf(backup.name);
  });
  return backups;
}

absl::Status BackupFolder::DeleteOld() const {
  GIST_ASSIGN_OR_RETURN(const auto backups, List());
  for (size_t i = size_t(options_.max_backups); i < backups.size(); ++i) {
    const fs::path folder = fs::path(options_.folder) / backups[i].name;
    std::error_code error;
    fs::remove(folder / kListFile, error);  // first: a part is no backup
    if (!error) fs::remove_all(folder, error);
    if (error)
      return DiskError(fmt::format("cannot delete {}", folder.string()), error);
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> RestoreBackup(const std::string& from,
                                      const std::string& to) {
  GIST_ASSIGN_OR_RETURN(const FileList list, ReadList(from));
  GIST_RETURN_IF_ERROR(CheckEmpty(to));
  GIST_RETURN_IF_ERROR(EnsureFolder(to));
  const absl::Status copied = CopyAll(list, from, to);
  auto contexts = copied.ok() ? VerifyAll(to) : absl::StatusOr<int64_t>(copied);
  if (!contexts.ok()) Empty(to);
  return contexts;
}

}  // namespace gist

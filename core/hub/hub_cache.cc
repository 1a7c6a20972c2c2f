#include "core/hub/hub_cache.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "core/base/status.h"
#include "core/hub/hub_api.h"

namespace gist {
namespace {

namespace fs = std::filesystem;

std::string FolderName(const std::string& owner, const std::string& name) {
  return fmt::format("models--{}--{}", owner, name);
}

absl::Status DiskError(const std::string& what, const std::error_code& error) {
  return absl::ErrnoToStatus(error.value(), what);
}

absl::Status MakeParents(const std::string& path) {
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  if (!error) return absl::OkStatus();
  return DiskError(fmt::format("cannot make the folder of {}", path), error);
}

}  // namespace

HubCache::HubCache(const std::string& cache, const std::string& owner,
                   const std::string& name, const std::string& revision)
    : folder_(fmt::format("{}/{}", cache, FolderName(owner, name))),
      locks_(fmt::format("{}/.locks/{}", cache, FolderName(owner, name))),
      revision_(revision) {}

std::string HubCache::Commit() const {
  if (IsCommit(revision_)) return revision_;
  std::string commit;
  std::ifstream(fmt::format("{}/refs/{}", folder_, revision_)) >> commit;
  return IsFileToken(commit) ? commit : "";
}

absl::Status HubCache::SetCommit(const std::string& commit) const {
  if (IsCommit(revision_)) return absl::OkStatus();
  const std::string path = fmt::format("{}/refs/{}", folder_, revision_);
  GIST_RETURN_IF_ERROR(MakeParents(path));
  const std::string draft = fmt::format("{}.{}", path, getpid());
  std::ofstream file(draft);
  file << commit;
  file.close();
  std::error_code error;
  if (file) fs::rename(draft, path, error);
  if (file && !error) return absl::OkStatus();
  return absl::UnavailableError(fmt::format("cannot write {}", path));
}

std::string HubCache::Snapshot(const std::string& commit) const {
  return fmt::format("{}/snapshots/{}", folder_, commit);
}

std::string HubCache::Path(const std::string& commit,
                           const std::string& file) const {
  return fmt::format("{}/{}", Snapshot(commit), file);
}

bool HubCache::Has(const std::string& commit, const std::string& file) const {
  std::error_code error;
  return fs::is_regular_file(Path(commit, file), error);
}

bool HubCache::IsKnownAbsent(const std::string& commit,
                             const std::string& file) const {
  std::error_code error;
  return fs::exists(fmt::format("{}/.no_exist/{}/{}", folder_, commit, file),
                    error);
}

void HubCache::NoteAbsent(const std::string& commit,
                          const std::string& file) const {
  const std::string path =
      fmt::format("{}/.no_exist/{}/{}", folder_, commit, file);
  if (MakeParents(path).ok()) std::ofstream(path).flush();
}

std::string HubCache::Blob(const std::string& etag) const {
  return fmt::format("{}/blobs/{}", folder_, etag);
}

std::string HubCache::Lock(const std::string& etag) const {
  return fmt::format("{}/{}.lock", locks_, etag);
}

absl::Status HubCache::MakeFolders() const { return MakeParents(Blob("x")); }

absl::Status HubCache::Link(const std::string& commit, const std::string& file,
                            const std::string& etag) const {
  const std::string path = Path(commit, file);
  GIST_RETURN_IF_ERROR(MakeParents(path));
  std::string up = "../../";
  for (const char c : file) {
    if (c == '/') up += "../";
  }
  std::error_code error;
  const std::string draft = fmt::format("{}.{}", path, getpid());
  fs::remove(draft, error);
  fs::create_symlink(fmt::format("{}blobs/{}", up, etag), draft, error);
  fs::rename(error ? Blob(etag) : draft, path, error);
  if (!error) return absl::OkStatus();
  return DiskError(fmt::format("cannot make the link {}", path), error);
}

}  // namespace gist

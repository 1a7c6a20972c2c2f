#include "core/hub/hub.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <utility>
#include <vector>

#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/format/mapped_file.h"
#include "core/hf/folder_files.h"
#include "core/hub/fetch.h"
#include "core/hub/file_lock.h"
#include "core/hub/hub_api.h"
#include "core/hub/hub_cache.h"

namespace gist {
namespace {

namespace fs = std::filesystem;

// "a-00001-of-00003.gguf" to all three names; others to themselves.
std::vector<std::string> ShardsOf(const std::string& file) {
  constexpr std::string_view kForm = "-00001-of-00003.gguf";
  if (file.size() <= kForm.size()) return {file};
  const std::string stem = file.substr(0, file.size() - kForm.size());
  const std::string_view tail = std::string_view(file).substr(stem.size());
  int shards = 0;
  const auto [rest, error] =
      std::from_chars(tail.data() + 10, tail.data() + 15, shards);
  if (error != std::errc() || rest != tail.data() + 15 || shards < 1 ||
      tail != fmt::format("-00001-of-{:05}.gguf", shards)) {
    return {file};
  }
  std::vector<std::string> names;
  for (int i = 1; i <= shards; ++i)
    names.push_back(fmt::format("{}-{:05}-of-{:05}.gguf", stem, i, shards));
  return names;
}

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

int64_t FileBytes(const std::string& path) {
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  return error ? -1 : int64_t(bytes);
}

// Does the file have the digest that `etag` is, if it is one?
absl::StatusOr<bool> HasDigest(const std::string& path,
                               const std::string& etag) {
  if (!IsLowerHex(etag) || (etag.size() != 64 && etag.size() != 40))
    return true;
  const auto digest = etag.size() == 64 ? Sha256Hex : GitBlobHex;
  if (FileBytes(path) == 0) return digest("") == etag;
  GIST_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  return digest(file.bytes()) == etag;
}

// Brings one model into the cache.
class Bringer {
 public:
  Bringer(const HubOptions& options, const HubName& name)
      : options_(options),
        name_(name),
        api_(options, name),
        cache_(options.cache, name.owner, name.name, name.revision) {}

  absl::StatusOr<std::string> Run() {
    const std::string cached = cache_.Commit();
    if (IsWhole(cached, /*strictly=*/true)) return ResultOf(cached);
    if (options_.offline) {
      if (IsWhole(cached, /*strictly=*/false)) return ResultOf(cached);
      return absl::FailedPreconditionError(fmt::format(
          "HF_HUB_OFFLINE is set, and the cache {} lacks {}; fetch it once "
          "without HF_HUB_OFFLINE",
          options_.cache, Missing(cached)));
    }
    const auto listing = api_.List();
    if (absl::IsUnavailable(listing.status()) &&
        IsWhole(cached, /*strictly=*/false)) {
      return ResultOf(cached);
    }
    GIST_RETURN_IF_ERROR(listing.status());
    GIST_RETURN_IF_ERROR(cache_.MakeFolders());
    GIST_RETURN_IF_ERROR(name_.file.empty() ? BringFolder(*listing)
                                            : BringFile(*listing));
    GIST_RETURN_IF_ERROR(cache_.SetCommit(listing->commit));
    return ResultOf(listing->commit);
  }

 private:
  std::string ResultOf(const std::string& commit) const {
    return name_.file.empty() ? cache_.Snapshot(commit)
                              : cache_.Path(commit, name_.file);
  }

  // `strictly`: optional files are there or known to be absent.
  bool IsWhole(const std::string& commit, bool strictly) const {
    if (commit.empty()) return false;
    const auto has = [&](const std::string& file) {
      return cache_.Has(commit, file);
    };
    if (!name_.file.empty())
      return std::ranges::all_of(ShardsOf(name_.file), has);
    if (!HfFolderFiles(cache_.Snapshot(commit)).ok()) return false;
    return !strictly ||
           std::ranges::all_of(kHfOptionalFiles, [&](std::string_view file) {
             return has(std::string(file)) ||
                    cache_.IsKnownAbsent(commit, std::string(file));
           });
  }

  std::string Missing(const std::string& commit) const {
    if (commit.empty()) return "the repository " + name_.Named();
    if (name_.file.empty()) {
      return fmt::format(
          "a file ({})",
          Message(HfFolderFiles(cache_.Snapshot(commit)).status()));
    }
    for (const std::string& file : ShardsOf(name_.file)) {
      if (!cache_.Has(commit, file)) return "the file " + file;
    }
    return name_.file;
  }

  absl::Status BringFile(const HubListing& listing) {
    for (const std::string& file : ShardsOf(name_.file)) {
      if (!Contains(listing.files, file)) return NoSuchFile(file, listing);
    }
    for (const std::string& file : ShardsOf(name_.file))
      GIST_RETURN_IF_ERROR(Bring(listing.commit, file));
    return absl::OkStatus();
  }

  absl::Status BringFolder(const HubListing& listing) {
    const bool is_sharded = !Contains(listing.files, kHfWeightsFile);
    const char* const weights = is_sharded ? kHfIndexFile : kHfWeightsFile;
    for (const char* wanted : {kHfConfigFile, kHfTokenizerFile, weights}) {
      if (!Contains(listing.files, wanted)) return NoSuchFile(wanted, listing);
    }
    for (const char* wanted : {kHfConfigFile, kHfTokenizerFile})
      GIST_RETURN_IF_ERROR(Bring(listing.commit, wanted));
    for (const std::string_view name : kHfOptionalFiles) {
      const std::string file(name);
      if (!Contains(listing.files, file)) {
        cache_.NoteAbsent(listing.commit, file);
        continue;
      }
      GIST_RETURN_IF_ERROR(Bring(listing.commit, file));
    }
    GIST_RETURN_IF_ERROR(Bring(listing.commit, weights));
    if (!is_sharded) return absl::OkStatus();
    GIST_ASSIGN_OR_RETURN(
        const MappedFile index,
        MappedFile::Open(cache_.Path(listing.commit, kHfIndexFile)));
    GIST_ASSIGN_OR_RETURN(const auto shards,
                          HfShardNames(index.bytes(), kHfIndexFile));
    for (const std::string& shard : shards)
      GIST_RETURN_IF_ERROR(Bring(listing.commit, shard));
    return absl::OkStatus();
  }

  absl::Status NoSuchFile(std::string_view file,
                          const HubListing& listing) const {
    std::string ggufs;
    for (const std::string& other : listing.files) {
      if (other.ends_with(".gguf") && ggufs.size() < 500)
        ggufs += fmt::format("{}{}", ggufs.empty() ? "" : ", ", other);
    }
    return absl::NotFoundError(fmt::format(
        "{} has no file {}; {}", name_.Named(), file,
        ggufs.empty() ? "want a repository with GGUF files, or with "
                        "config.json, tokenizer.json and safetensors"
                      : fmt::format("name one of its GGUF files as "
                                    "hf:{}:FILE: {}",
                                    name_.Named(), ggufs)));
  }

  // One file into the snapshot.
  absl::Status Bring(const std::string& commit, const std::string& file) {
    if (cache_.Has(commit, file)) return absl::OkStatus();
    GIST_ASSIGN_OR_RETURN(const HubFile about, api_.Describe(commit, file));
    const auto tell = [&](HubStep step, int64_t done) {
      if (options_.progress) options_.progress({step, file, done, about.bytes});
    };
    GIST_ASSIGN_OR_RETURN(
        const FileLock lock,
        FileLock::Take(
            cache_.Lock(about.etag), [&] { tell(HubStep::kWaits, 0); },
            options_.stop));
    if (FileBytes(cache_.Blob(about.etag)) != about.bytes) {
      GIST_RETURN_IF_ERROR(FetchBlob(commit, file, about, tell));
      tell(HubStep::kFetched, about.bytes);
    }
    return cache_.Link(commit, file, about.etag);
  }

  template <typename Tell>
  absl::Status FetchBlob(const std::string& commit, const std::string& file,
                         const HubFile& about, const Tell& tell) {
    const std::string blob = cache_.Blob(about.etag);
    const std::string part = blob + ".incomplete";
    GIST_RETURN_IF_ERROR(CheckRoom(part, about.bytes));
    // Once more from the start: what an earlier run left may be damaged.
    for (const bool is_last : {FileBytes(part) <= 0, true}) {
      const absl::Status fetched = FetchResumably(
          {.url = api_.Url(commit, file),
           .token = options_.token,
           .path = part,
           .bytes = about.bytes,
           .connect_seconds = options_.connect_seconds,
           .stall_seconds = options_.stall_seconds,
           .attempts = options_.attempts,
           .backoff_seconds = options_.backoff_seconds},
          [&](int64_t done, int64_t) { tell(HubStep::kFetches, done); },
          options_.stop);
      std::error_code error;
      if (absl::IsDataLoss(fetched)) fs::remove(part, error);
      GIST_RETURN_IF_ERROR(ExplainHubError(fetched, file, options_, name_));
      GIST_ASSIGN_OR_RETURN(const bool is_right, HasDigest(part, about.etag));
      if (is_right) {
        fs::rename(part, blob, error);
        if (!error) return absl::OkStatus();
        return absl::ErrnoToStatus(error.value(), "cannot name " + blob);
      }
      fs::remove(part, error);
      if (is_last) break;
    }
    return absl::DataLossError(fmt::format(
        "{}: the {} bytes do not have the digest {} that the hub announced; "
        "nothing was kept, try again",
        api_.Url(commit, file), about.bytes, about.etag));
  }

  absl::Status CheckRoom(const std::string& part, int64_t bytes) const {
    struct statvfs disk;
    if (statvfs(options_.cache.c_str(), &disk) != 0) return absl::OkStatus();
    const int64_t room = int64_t(disk.f_bavail) * int64_t(disk.f_frsize);
    const int64_t wanted = bytes - std::max<int64_t>(FileBytes(part), 0);
    if (wanted <= room) return absl::OkStatus();
    return absl::ResourceExhaustedError(fmt::format(
        "{} has {} bytes free, want {}: free some, or set HF_HUB_CACHE to a "
        "folder on another disk",
        options_.cache, room, wanted));
  }

  const HubOptions& options_;
  const HubName& name_;
  const HubApi api_;
  const HubCache cache_;
};

}  // namespace

absl::Status CheckHubName(std::string_view model) {
  return model.starts_with(kHubPrefix) ? ParseHubName(model).status()
                                       : absl::OkStatus();
}

absl::StatusOr<std::string> LocalModel(const std::string& model,
                                       const HubOptions& options) {
  if (!model.starts_with(kHubPrefix)) return model;
  GIST_ASSIGN_OR_RETURN(const HubName name, ParseHubName(model));
  auto path = Bringer(options, name).Run();
  if (!path.ok()) return Within(model, path.status());
  return path;
}

}  // namespace gist

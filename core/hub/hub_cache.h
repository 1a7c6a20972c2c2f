// One repository in huggingface_hub's cache. For this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gist {

// The layout, below the cache folder:
//   models--OWNER--NAME/blobs/ETAG                   contents
//   models--OWNER--NAME/blobs/ETAG.incomplete        begun
//   models--OWNER--NAME/snapshots/COMMIT/FILE        links to blobs
//   models--OWNER--NAME/refs/REVISION                COMMIT, of a branch or tag
//   models--OWNER--NAME/.no_exist/COMMIT/FILE        asked for, not there
//   .locks/models--OWNER--NAME/ETAG.lock
// Source: huggingface.co/docs/huggingface_hub/guides/manage-cache.
class HubCache {
 public:
  HubCache(const std::string& cache, const std::string& owner,
           const std::string& name, const std::string& revision);

  // The revision's commit when it was last asked for; empty: never. A revision
  // that is a commit is its own.
  std::string Commit() const;
  absl::Status SetCommit(const std::string& commit) const;

  std::string Snapshot(const std::string& commit) const;
  std::string Path(const std::string& commit, const std::string& file) const;
  bool Has(const std::string& commit, const std::string& file) const;
  // Does the repository lack `file`, as far as the cache knows?
  bool IsKnownAbsent(const std::string& commit, const std::string& file) const;
  void NoteAbsent(const std::string& commit, const std::string& file) const;

  std::string Blob(const std::string& etag) const;
  std::string Lock(const std::string& etag) const;
  // Makes the folders of blobs. Errors are those of the disk.
  absl::Status MakeFolders() const;
  // Puts the blob into the snapshot: a link, or the file itself where the file
  // system has no links.
  absl::Status Link(const std::string& commit, const std::string& file,
                    const std::string& etag) const;

 private:
  const std::string folder_, locks_, revision_;
};

}  // namespace gist

// Files of a repository, as its hub describes them. For this folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/hub/hub.h"

namespace gist {

// Is `text` fit to be one part of a path: 1 to 128 letters, digits, '.', '_',
// '-', not starting with '.'?
bool IsFileToken(std::string_view text);

// Is `revision` a whole commit, 40 digits of lower hex? Others may move.
bool IsCommit(std::string_view revision);

struct HubName {
  std::string owner, name;
  std::string revision = "main";  // a branch, a tag or a commit
  std::string file = {};          // empty: the folder
  std::string Repository() const { return owner + "/" + name; }
  // "OWNER/NAME", and "@REVISION" behind it unless that is "main".
  std::string Named() const;
};
// kInvalidArgument: not of the forms of hub.h.
absl::StatusOr<HubName> ParseHubName(std::string_view model);

struct HubListing {
  std::string commit;
  std::vector<std::string> files;  // sorted
};

struct HubFile {
  std::string etag;  // SHA-256 or Git's SHA-1 in hex, or any name
  int64_t bytes = 0;
};

// Errors are those of LocalModel.
class HubApi {
 public:
  HubApi(const HubOptions& options, const HubName& name)
      : options_(options), name_(name) {}

  absl::StatusOr<HubListing> List() const;
  absl::StatusOr<HubFile> Describe(const std::string& commit,
                                   const std::string& file) const;
  std::string Url(const std::string& commit, const std::string& file) const;

 private:
  const HubOptions& options_;
  const HubName& name_;
};

// The error of a reply of 400 and more about `what` of `repository`; other
// errors as they are.
absl::Status ExplainHubError(const absl::Status& status, std::string_view what,
                             const HubOptions& options, const HubName& name);

}  // namespace gist

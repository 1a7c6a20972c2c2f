// Models by their name on a hub: hf:OWNER/NAME[@REVISION][:FILE].
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace gist {

enum class HubStep {
  kWaits,    // another process fetches the file
  kFetches,  // told at least once a second
  kFetched,  // and checked
};

struct HubProgress {
  HubStep step = HubStep::kFetches;
  std::string_view file;  // its name in the repository
  int64_t done = 0;       // bytes, those of an earlier run included
  int64_t total = 0;
};

struct HubOptions {
  std::string endpoint = "https://huggingface.co";
  std::string token;  // empty: none
  // Laid out as huggingface_hub does: models--OWNER--NAME/{blobs,refs,
  // snapshots}, .locks. Processes of both share it.
  std::string cache;
  bool offline = false;
  int connect_seconds = 20;
  int stall_seconds = 60;
  int attempts = 5;  // ResumableFetch says what these two mean
  double backoff_seconds = 1;
  std::function<void(const HubProgress&)> progress;
  std::stop_token stop;

  // By HF_ENDPOINT, HF_TOKEN, HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME and
  // HF_HUB_OFFLINE, as huggingface_hub reads them. kFailedPrecondition: no
  // variable leads to a cache folder. kInvalidArgument: a token that no header
  // can carry.
  static absl::StatusOr<HubOptions> FromEnvironment();
};

inline constexpr std::string_view kHubPrefix = "hf:";

// kInvalidArgument: begins with kHubPrefix, but has neither form of LocalModel.
absl::Status CheckHubName(std::string_view model);

// The path of a model's file or folder on this machine. Anything that does not
// begin with kHubPrefix is such a path and returned as it is.
//
// hf:OWNER/NAME:FILE is a GGUF file of the repository, with all its shards if
// FILE is the first of several. hf:OWNER/NAME is a folder of config.json,
// tokenizer.json, safetensors and what else core/hf/folder_files.h lists.
// REVISION is a branch, a tag or a commit; without it "main".
//
// A model that the cache holds whole is used without asking the hub, even if
// its branch has moved since. Else the revision is fetched. Files in the cache
// stay. An interrupted file is continued. Size and digest are checked: SHA-256,
// or Git's SHA-1 of small files. Errors begin with `model` and say the next
// step: kInvalidArgument (the name), kNotFound (repository or file),
// kPermissionDenied (401, 403), kUnavailable (network, 429, 5xx), kDataLoss
// (sizes or digests differ), kFailedPrecondition (offline, and not in the
// cache; redirects without end), kResourceExhausted (disk), kCancelled.
absl::StatusOr<std::string> LocalModel(const std::string& model,
                                       const HubOptions& options);

}  // namespace gist

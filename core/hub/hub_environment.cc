#include <algorithm>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "core/base/status.h"
#include "core/hub/hub.h"

namespace gist {
namespace {

std::string Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string WithHome(const std::string& path) {
  return path.starts_with("~/") ? Variable("HOME") + path.substr(1) : path;
}

absl::StatusOr<std::string> CacheFolder() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const std::string path = Variable(name); !path.empty())
      return WithHome(path);
  }
  if (const std::string home = Variable("HF_HOME"); !home.empty())
    return WithHome(home) + "/hub";
  if (const std::string cache = Variable("XDG_CACHE_HOME"); !cache.empty())
    return WithHome(cache) + "/huggingface/hub";
  if (const std::string home = Variable("HOME"); !home.empty())
    return home + "/.cache/huggingface/hub";
  return absl::FailedPreconditionError(
      "no folder to keep models from the hub: set HF_HOME or HF_HUB_CACHE");
}

}  // namespace

absl::StatusOr<HubOptions> HubOptions::FromEnvironment() {
  HubOptions options;
  GIST_ASSIGN_OR_RETURN(options.cache, CacheFolder());
  if (std::string endpoint = Variable("HF_ENDPOINT"); !endpoint.empty()) {
    while (endpoint.ends_with('/')) endpoint.pop_back();
    options.endpoint = endpoint;
  }
  options.token = std::string(absl::StripAsciiWhitespace(Variable("HF_TOKEN")));
  if (!std::ranges::all_of(options.token,
                           [](char c) { return c > ' ' && c < 0x7f; })) {
    return absl::InvalidArgumentError(
        "HF_TOKEN holds a space or a control character, want one word");
  }
  const std::string offline = absl::AsciiStrToUpper(Variable("HF_HUB_OFFLINE"));
  options.offline = offline == "1" || offline == "ON" || offline == "YES" ||
                    offline == "TRUE";
  return options;
}

}  // namespace gist

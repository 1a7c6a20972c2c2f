#include "core/hub/hub_api.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_replace.h"
#include "core/base/identity.h"
#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/format/json_file.h"
#include "core/hub/http.h"

namespace gist {
namespace {

constexpr int kMostHops = 5;

bool IsFilePath(std::string_view path) {
  while (true) {
    const size_t slash = path.find('/');
    if (!IsFileToken(path.substr(0, slash))) return false;
    if (slash == path.npos) return true;
    path.remove_prefix(slash + 1);
  }
}

// "http://host:port" of a URL.
std::string_view OriginOf(std::string_view url) {
  const size_t host = url.find("://");
  if (host == url.npos) return "";
  return url.substr(0, url.find_first_of("/?#", host + 3));
}

// Asks again where the server or the network asks for it.
absl::StatusOr<HttpReply> Ask(const HttpRequest& request,
                              const HubOptions& options) {
  double wait = options.backoff_seconds;
  for (int attempt = 1;; ++attempt) {
    auto reply = PerformHttp(request, {}, {}, options.stop);
    const absl::Status status = !reply.ok() ? reply.status()
                                : reply->status >= 400
                                    ? HttpError(*reply, request.url)
                                    : absl::OkStatus();
    if (status.ok()) return reply;
    if (!absl::IsUnavailable(status) || attempt >= options.attempts)
      return status;
    for (double left = wait; left > 0 && !options.stop.stop_requested();
         left -= 0.02) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    wait *= 2;
  }
}

// Without W/ and quotes.
std::string Bare(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"')
    etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

std::string FirstOf(const HttpReply& reply, const char* name,
                    const char* other) {
  const std::string value = reply.Header(name);
  return value.empty() ? reply.Header(other) : value;
}

absl::StatusOr<HubFile> ReadHeaders(const HttpReply& reply,
                                    const std::string& url) {
  HubFile file{.etag = Bare(FirstOf(reply, "x-linked-etag", "etag")),
               .bytes = 0};
  const std::string size = FirstOf(reply, "x-linked-size", "content-length");
  const char* const end = size.data() + size.size();
  const auto [rest, error] = std::from_chars(size.data(), end, file.bytes);
  if (error == std::errc() && rest == end && file.bytes >= 0 &&
      IsFileToken(file.etag)) {
    return file;
  }
  return absl::DataLossError(fmt::format(
      "{}: found ETag {} and size {}, want both; is HF_ENDPOINT a hub?", url,
      Quoted(file.etag), Quoted(size)));
}

}  // namespace

bool IsFileToken(std::string_view text) {
  return !text.empty() && text.size() <= 128 && text.front() != '.' &&
         std::ranges::all_of(text, [](unsigned char c) {
           return std::isalnum(c) || c == '.' || c == '_' || c == '-';
         });
}

bool IsCommit(std::string_view revision) {
  return revision.size() == 40 && IsLowerHex(revision);
}

std::string HubName::Named() const {
  return revision == "main" ? Repository()
                            : fmt::format("{}@{}", Repository(), revision);
}

absl::StatusOr<HubName> ParseHubName(std::string_view model) {
  const absl::Status wrong = absl::InvalidArgumentError(fmt::format(
      "{}: want hf:OWNER/NAME[@REVISION], or hf:OWNER/NAME[@REVISION]:FILE "
      "with a GGUF file of the repository",
      Quoted(model)));
  if (!model.starts_with(kHubPrefix)) return wrong;
  model.remove_prefix(kHubPrefix.size());
  const size_t colon = model.find(':');
  std::string_view repository = model.substr(0, colon);
  const size_t at = repository.find('@');
  const std::string_view revision =
      at == repository.npos ? "main" : repository.substr(at + 1);
  repository = repository.substr(0, at);
  const size_t slash = repository.find('/');
  if (slash == repository.npos) return wrong;
  HubName name{.owner = std::string(repository.substr(0, slash)),
               .name = std::string(repository.substr(slash + 1)),
               .revision = std::string(revision)};
  if (!IsFileToken(name.owner) || !IsFileToken(name.name) ||
      !IsFilePath(name.revision)) {
    return wrong;
  }
  if (colon == model.npos) return name;
  name.file = model.substr(colon + 1);
  if (!IsFilePath(name.file) || !name.file.ends_with(".gguf")) return wrong;
  return name;
}

std::string HubApi::Url(const std::string& commit,
                        const std::string& file) const {
  return fmt::format("{}/{}/resolve/{}/{}", options_.endpoint,
                     name_.Repository(), commit, file);
}

absl::StatusOr<HubListing> HubApi::List() const {
  const std::string url = fmt::format(
      "{}/api/models/{}/revision/{}", options_.endpoint, name_.Repository(),
      absl::StrReplaceAll(name_.revision, {{"/", "%2F"}}));
  const auto reply = Ask({.url = url,
                          .token = options_.token,
                          .if_range = {},
                          .connect_seconds = options_.connect_seconds,
                          .stall_seconds = options_.stall_seconds},
                         options_);
  if (!reply.ok()) {
    const std::string what = name_.revision == "main"
                                 ? "the repository"
                                 : "revision " + name_.revision;
    return ExplainHubError(reply.status(), what, options_, name_);
  }
  GIST_ASSIGN_OR_RETURN(const auto json, ParseJson(reply->body, url));
  HubListing listing;
  if (const auto& commit = FieldOf(json, "sha"); commit.is_string())
    listing.commit = commit;
  if (!IsFileToken(listing.commit)) {
    return absl::DataLossError(fmt::format(
        "{}: no commit in the field sha; is HF_ENDPOINT a hub?", url));
  }
  if (IsCommit(name_.revision) && listing.commit != name_.revision) {
    return absl::DataLossError(fmt::format(
        "{}: found commit {}, want the one that was asked for; is HF_ENDPOINT "
        "a hub?",
        url, listing.commit));
  }
  for (const auto& sibling : FieldOf(json, "siblings")) {
    if (!sibling.is_object()) continue;
    const auto& file = FieldOf(sibling, "rfilename");
    if (file.is_string() && IsFilePath(file.get_ref<const std::string&>()))
      listing.files.push_back(file);
  }
  std::ranges::sort(listing.files);
  return listing;
}

absl::StatusOr<HubFile> HubApi::Describe(const std::string& commit,
                                         const std::string& file) const {
  HttpRequest request{.url = Url(commit, file),
                      .head = true,
                      .follow_redirects = false,
                      .token = options_.token,
                      .if_range = {},
                      .connect_seconds = options_.connect_seconds,
                      .stall_seconds = options_.stall_seconds};
  const std::string origin(OriginOf(request.url));
  for (int hop = 0; hop < kMostHops; ++hop) {
    const auto reply = Ask(request, options_);
    if (!reply.ok()) {
      return ExplainHubError(reply.status(), file, options_, name_);
    }
    // A redirect within the hub: the repository was renamed. One elsewhere
    // leads to the bytes; the hub itself has told their size and digest.
    const bool stays = OriginOf(reply->redirect) == origin;
    const bool tells = !reply->Header("x-linked-etag").empty();
    if (reply->redirect.empty() || tells) {
      return ReadHeaders(*reply, request.url);
    }
    request.url = reply->redirect;
    if (!stays) request.token.clear();
  }
  return absl::FailedPreconditionError(fmt::format(
      "{}: over {} redirects, want the file itself behind them; is HF_ENDPOINT "
      "a hub?",
      Url(commit, file), kMostHops));
}

absl::Status ExplainHubError(const absl::Status& status, std::string_view what,
                             const HubOptions& options, const HubName& name) {
  const std::string repository = name.Repository();
  const std::string_view found = Message(status);
  if (absl::IsNotFound(status)) {
    return absl::NotFoundError(
        fmt::format("{}: {} of {} is not on {}; check the spelling", found,
                    what, repository, options.endpoint));
  }
  if (!absl::IsPermissionDenied(status)) return status;
  return absl::PermissionDeniedError(fmt::format(
      "{}: {}; check the spelling of {}, accept its terms on {} if it has "
      "some, {}",
      found,
      options.token.empty()
          ? "the hub shows no private or gated repository without a token"
          : "the token of HF_TOKEN may not read it",
      repository, options.endpoint,
      options.token.empty() ? "and set HF_TOKEN" : "or set another HF_TOKEN"));
}

}  // namespace gist

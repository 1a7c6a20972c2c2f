#include "core/hub/http.h"

#include <curl/curl.h>

#include <cctype>
#include <memory>
#include <utility>

#include "core/base/clock.h"
#include "core/base/status.h"

namespace gist {
namespace {

constexpr long kMostRedirects = 10;
constexpr size_t kMostBodyBytes = size_t{64} << 20;
constexpr size_t kMostErrorBytes = 64 << 10;
constexpr size_t kMostHeaderBytes = 256 << 10;  // redirects and trailers too

struct Transfer {
  CURL* curl = nullptr;
  const HttpRequest* request = nullptr;
  const HttpSink* sink = nullptr;
  const HttpTick* tick = nullptr;
  std::stop_token stop;
  HttpReply reply = {};
  absl::Status refused = {};  // by the sink or by a limit
  size_t header_bytes = 0;
  const Clock::time_point begun = Clock::now();
  // The body's bytes since `since`.
  Clock::time_point since = begun;
  int64_t bytes = 0;
  bool has_body = false;
};

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())))
    text.remove_suffix(1);
  while (!text.empty() &&
         std::isspace(static_cast<unsigned char>(text.front())))
    text.remove_prefix(1);
  return text;
}

size_t TakeHeader(char* data, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(data, size * count);
  transfer.header_bytes += line.size();
  if (transfer.header_bytes > kMostHeaderBytes) {
    transfer.refused = absl::DataLossError(
        fmt::format("over {} bytes of headers", kMostHeaderBytes));
    return 0;
  }
  if (line.starts_with("HTTP/")) transfer.reply.headers.clear();
  const size_t colon = line.find(':');
  if (colon == line.npos) return line.size();
  std::string name(line.substr(0, colon));
  for (char& c : name) c = char(std::tolower(static_cast<unsigned char>(c)));
  transfer.reply.headers[name] = Trimmed(line.substr(colon + 1));
  return line.size();
}

absl::Status TakeBody(Transfer& transfer, std::string_view bytes) {
  HttpReply& reply = transfer.reply;
  curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &reply.status);
  if (reply.status >= 400) {
    reply.body += bytes.substr(0, kMostErrorBytes - reply.body.size());
    return reply.body.size() < kMostErrorBytes
               ? absl::OkStatus()
               : absl::DataLossError("an error's body is long enough");
  }
  if (*transfer.sink) return (*transfer.sink)(reply, bytes);
  if (bytes.size() > kMostBodyBytes - reply.body.size()) {
    return absl::DataLossError(
        fmt::format("a reply of over {} bytes", kMostBodyBytes));
  }
  reply.body += bytes;
  return absl::OkStatus();
}

size_t Write(char* data, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.refused = TakeBody(transfer, {data, size * count});
  if (!std::exchange(transfer.has_body, true)) transfer.since = Clock::now();
  transfer.bytes += int64_t(size * count);
  return transfer.refused.ok() ? size * count : 0;
}

// kUnavailable: the transfer makes no progress, or takes too long.
absl::Status CheckPace(Transfer& transfer) {
  const HttpRequest& request = *transfer.request;
  if (!*transfer.sink && SecondsSince(transfer.begun) > request.kept_seconds) {
    return absl::UnavailableError(fmt::format(
        "no whole reply within {} s; try again", request.kept_seconds));
  }
  const int64_t wanted = int64_t{kLeastBytesPerSecond} * request.stall_seconds;
  if (transfer.bytes >= wanted) {
    transfer.since = Clock::now();
    transfer.bytes = 0;
  }
  if (SecondsSince(transfer.since) <= request.stall_seconds)
    return absl::OkStatus();
  return absl::UnavailableError(
      fmt::format("stalled: {} bytes within {} s, want at least {}; try again",
                  transfer.bytes, request.stall_seconds, wanted));
}

// Anything but 0 ends the transfer.
int Tick(void* user, curl_off_t total, curl_off_t, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (*transfer.tick) (*transfer.tick)(total);
  if (transfer.stop.stop_requested()) return 1;
  if (transfer.refused.ok()) transfer.refused = CheckPace(transfer);
  return transfer.refused.ok() ? 0 : 1;
}

using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

void SetRange(CURL* curl, const HttpRequest& request, Headers& headers) {
  if (request.begin == 0) return;
  curl_easy_setopt(curl, CURLOPT_RANGE,
                   fmt::format("{}-", request.begin).c_str());
  if (request.if_range.empty()) return;
  headers.reset(
      curl_slist_append(headers.release(),
                        fmt::format("If-Range: {}", request.if_range).c_str()));
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
}

void SetRequest(CURL* curl, const HttpRequest& request, Headers& headers) {
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION,
                   request.follow_redirects ? 1L : 0L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kMostRedirects);
  curl_easy_setopt(curl, CURLOPT_NOBODY, request.head ? 1L : 0L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, long(request.connect_seconds));
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "gistd");
  if (!request.token.empty()) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, request.token.c_str());
    curl_easy_setopt(curl, CURLOPT_UNRESTRICTED_AUTH, 0L);
  }
  SetRange(curl, request, headers);
}

void SetCallbacks(CURL* curl, Transfer* transfer, char* message) {
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, TakeHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, Write);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, Tick);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
}

absl::Status TransferError(CURLcode code, const char* message,
                           const Transfer& transfer) {
  if (transfer.stop.stop_requested())
    return absl::CancelledError("interrupted");
  if (!transfer.refused.ok()) return transfer.refused;
  const std::string what = *message != 0 ? message : curl_easy_strerror(code);
  switch (code) {
    case CURLE_TOO_MANY_REDIRECTS:
      return absl::FailedPreconditionError(
          fmt::format("over {} redirects, want the file itself behind them; "
                      "check the address",
                      kMostRedirects));
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
      return absl::InvalidArgumentError(
          fmt::format("{}; wanted is an http or https URL", what));
    default:
      return absl::UnavailableError(fmt::format("{}; try again", what));
  }
}

}  // namespace

std::string HttpReply::Header(const std::string& lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? "" : found->second;
}

absl::StatusOr<HttpReply> PerformHttp(const HttpRequest& request,
                                      const HttpSink& sink,
                                      const HttpTick& tick,
                                      std::stop_token stop) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(
      started == CURLE_OK ? curl_easy_init() : nullptr, &curl_easy_cleanup);
  if (curl == nullptr) return absl::InternalError("libcurl does not start");
  Transfer transfer{.curl = curl.get(),
                    .request = &request,
                    .sink = &sink,
                    .tick = &tick,
                    .stop = std::move(stop)};
  Headers headers(nullptr, &curl_slist_free_all);
  char message[CURL_ERROR_SIZE] = "";
  SetRequest(curl.get(), request, headers);
  SetCallbacks(curl.get(), &transfer, message);
  const CURLcode code = curl_easy_perform(curl.get());
  HttpReply& reply = transfer.reply;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &reply.status);
  // An error's status says enough, however its body ends.
  const bool is_told = reply.status >= 400 && !transfer.stop.stop_requested();
  if (code != CURLE_OK && !is_told)
    return Within(request.url, TransferError(code, message, transfer));
  const char* redirect = nullptr;
  curl_easy_getinfo(curl.get(), CURLINFO_REDIRECT_URL, &redirect);
  if (redirect != nullptr) reply.redirect = redirect;
  return std::move(reply);
}

absl::Status HttpError(const HttpReply& reply, std::string_view url) {
  const long status = reply.status;
  const std::string what = fmt::format("{}: HTTP status {}", url, status);
  if (status == 404 || status == 410) return absl::NotFoundError(what);
  if (status == 401 || status == 403) return absl::PermissionDeniedError(what);
  if (status == 429 || status >= 500)
    return absl::UnavailableError(fmt::format("{}; try again", what));
  return absl::FailedPreconditionError(what);
}

}  // namespace gist

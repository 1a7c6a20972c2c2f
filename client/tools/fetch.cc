#include "client/tools/fetch.h"

#include <curl/curl.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "client/terminal/terminal.h"
#include "core/base/status.h"
#include "fmt/format.h"

namespace gist::client {
namespace {

constexpr long kMostRedirects = 10;

struct Transfer {
  std::FILE* file = nullptr;
  int64_t bytes = 0;
  int64_t max_bytes = 0;
  bool too_large = false;
  std::stop_token stop;
  ProgressBar bar{"fetching", Unit::kBytes};
};

size_t Write(char* data, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const size_t bytes = size * count;
  transfer.bytes += int64_t(bytes);
  transfer.too_large = transfer.bytes > transfer.max_bytes;
  if (transfer.too_large) return 0;
  return std::fwrite(data, 1, bytes, transfer.file);
}

// Anything but 0 ends the transfer.
int Progress(void* user, curl_off_t total, curl_off_t, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.bar.Update(transfer.bytes, total);
  return transfer.stop.stop_requested() ? 1 : 0;
}

void SetOptions(CURL* curl, const std::string& url, const FetchLimits& limits,
                Transfer* transfer, char* message) {
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kMostRedirects);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);  // 404 is no file
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, long(limits.connect_seconds));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, long(limits.stall_seconds));
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "gist-data");
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, Write);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, Progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
}

absl::Status StatusOf(CURLcode code, long http_status, const char* message,
                      const std::string& url, const Transfer& transfer) {
  if (code == CURLE_OK) return absl::OkStatus();
  const std::string what = fmt::format(
      "{}: {}", url, *message != 0 ? message : curl_easy_strerror(code));
  if (transfer.too_large) {
    return absl::ResourceExhaustedError(
        fmt::format("{}: larger than the {} bytes that are allowed", url,
                    transfer.max_bytes));
  }
  switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
      return absl::CancelledError(fmt::format("{}: interrupted", url));
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
      return absl::InvalidArgumentError(
          fmt::format("{}; wanted is an http or https URL", what));
    case CURLE_WRITE_ERROR:
      return absl::InternalError(fmt::format(
          "{}: the file cannot be written; is the disk full?", url));
    case CURLE_HTTP_RETURNED_ERROR:
      if (http_status >= 400 && http_status < 500) {
        return absl::NotFoundError(what);
      }
      [[fallthrough]];
    default:
      return absl::UnavailableError(fmt::format("{}; try again", what));
  }
}

absl::Status FetchInto(std::FILE* file, const std::string& url,
                       const FetchLimits& limits, std::stop_token stop) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(
      started == CURLE_OK ? curl_easy_init() : nullptr, &curl_easy_cleanup);
  if (curl == nullptr) return absl::InternalError("libcurl does not start");
  Transfer transfer;
  transfer.file = file;
  transfer.max_bytes = limits.max_bytes;
  transfer.stop = std::move(stop);
  char message[CURL_ERROR_SIZE] = "";
  SetOptions(curl.get(), url, limits, &transfer, message);
  const CURLcode code = curl_easy_perform(curl.get());
  long http_status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &http_status);
  return StatusOf(code, http_status, message, url, transfer);
}

}  // namespace

absl::Status Fetch(const std::string& url, const std::string& path,
                   const FetchLimits& limits, std::stop_token stop) {
  std::FILE* const file = std::fopen(path.c_str(), "wbx");
  if (file == nullptr) {
    return absl::ErrnoToStatus(errno, fmt::format("cannot write {}", path));
  }
  absl::Status status = FetchInto(file, url, limits, std::move(stop));
  if (std::fclose(file) != 0 && status.ok()) {
    status = absl::ErrnoToStatus(errno, fmt::format("cannot write {}", path));
  }
  if (!status.ok()) std::remove(path.c_str());
  return status;
}

}  // namespace gist::client

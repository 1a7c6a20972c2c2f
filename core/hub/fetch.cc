#include "core/hub/fetch.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <thread>
#include <utility>

#include "core/base/clock.h"
#include "core/base/status.h"
#include "core/hub/http.h"

namespace gist {
namespace {

constexpr double kMostWaitSeconds = 60;

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

absl::StatusOr<File> OpenFile(const std::string& path, const char* mode) {
  File file(std::fopen(path.c_str(), mode), &std::fclose);
  if (file != nullptr) return file;
  return absl::ErrnoToStatus(errno, fmt::format("cannot write {}", path));
}

absl::Status WriteTo(std::FILE* file, const std::string& path,
                     std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size())
    return absl::OkStatus();
  const std::string what = fmt::format("{}: the file cannot be written", path);
  if (errno == ENOSPC || errno == EDQUOT) {
    return absl::ResourceExhaustedError(
        fmt::format("{}: the disk is full; free some space", what));
  }
  return absl::ErrnoToStatus(errno, what);
}

absl::Status Close(File file, const std::string& path) {
  if (std::fclose(file.release()) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, fmt::format("cannot write {}", path));
}

absl::Status FetchInto(std::FILE* file, const std::string& url,
                       const std::string& path, const FetchLimits& limits,
                       const FetchProgress& progress, std::stop_token stop) {
  int64_t bytes = 0;
  const auto sink = [&](const HttpReply&, std::string_view part) {
    bytes += int64_t(part.size());
    if (bytes > limits.max_bytes) {
      return absl::ResourceExhaustedError(fmt::format(
          "larger than the {} bytes that are allowed", limits.max_bytes));
    }
    return WriteTo(file, path, part);
  };
  const auto tick = [&](int64_t total) {
    if (progress) progress(bytes, total);
  };
  GIST_ASSIGN_OR_RETURN(const HttpReply reply,
                        PerformHttp({.url = url,
                                     .token = {},
                                     .if_range = {},
                                     .connect_seconds = limits.connect_seconds,
                                     .stall_seconds = limits.stall_seconds},
                                    sink, tick, std::move(stop)));
  return reply.status < 400 ? absl::OkStatus() : HttpError(reply, url);
}

int64_t SizeOf(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : int64_t(size);
}

// Seconds that the server asks for; 0: it does not, or for another form.
double RetryAfter(const HttpReply& reply) {
  const std::string text = reply.Header("retry-after");
  int seconds = 0;
  const char* const end = text.data() + text.size();
  if (std::from_chars(text.data(), end, seconds).ptr != end) return 0;
  return std::clamp(double(seconds), 0.0, kMostWaitSeconds);
}

void WaitUnlessStopped(double seconds, const std::stop_token& stop) {
  const auto end =
      Clock::now() + std::chrono::milliseconds(int64_t(seconds * 1000));
  while (!stop.stop_requested() && Clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

// The attempts at one file.
class Resumption {
 public:
  Resumption(const ResumableFetch& fetch, const FetchProgress& progress,
             std::stop_token stop)
      : fetch_(fetch), progress_(progress), stop_(std::move(stop)) {}

  absl::Status Run() {
    GIST_RETURN_IF_ERROR(OpenFile(fetch_.path, "ab").status());
    absl::Status status;
    double wait = fetch_.backoff_seconds;
    auto begun = Clock::now();
    for (int failed = 0;;) {
      if (SizeOf(fetch_.path) == fetch_.bytes) return absl::OkStatus();
      const int64_t most_before = std::max(most_, SizeOf(fetch_.path));
      asked_wait_ = 0;
      status = Attempt();
      if (status.ok() && SizeOf(fetch_.path) == fetch_.bytes) return status;
      if (status.ok()) status = EndedEarly();
      if (!absl::IsUnavailable(status)) return status;
      const double gained = double(most_ - most_before);
      if (gained > kLeastBytesPerSecond * SecondsSince(begun)) {
        failed = 0;
        wait = fetch_.backoff_seconds;
      } else if (++failed >= fetch_.attempts) {
        break;
      }
      begun = Clock::now();
      WaitUnlessStopped(asked_wait_ > 0 ? asked_wait_ : wait, stop_);
      if (stop_.stop_requested()) return absl::CancelledError("interrupted");
      wait = std::min(2 * wait, kMostWaitSeconds);
    }
    return absl::UnavailableError(fmt::format(
        "{} (after {} attempts without progress; {} of {} bytes are kept and "
        "continued)",
        Message(status), fetch_.attempts, SizeOf(fetch_.path), fetch_.bytes));
  }

 private:
  absl::Status EndedEarly() const {
    return absl::UnavailableError(
        fmt::format("{}: ended at {} of {} bytes; try again", fetch_.url,
                    SizeOf(fetch_.path), fetch_.bytes));
  }

  absl::Status Attempt() {
    int64_t begin = SizeOf(fetch_.path);
    if (begin > fetch_.bytes) begin = 0;  // of another file
    GIST_ASSIGN_OR_RETURN(File file,
                          OpenFile(fetch_.path, begin > 0 ? "ab" : "wb"));
    done_ = begin;
    most_ = std::max(most_, begin);
    is_first_part_ = true;
    const auto reply = PerformHttp(
        {.url = fetch_.url,
         .token = fetch_.token,
         .begin = begin,
         .if_range = etag_,
         .connect_seconds = fetch_.connect_seconds,
         .stall_seconds = fetch_.stall_seconds},
        [&](const HttpReply& head, std::string_view part) {
          return Take(head, part, begin, file.get());
        },
        [&](int64_t) {
          if (progress_) progress_(done_, fetch_.bytes);
        },
        stop_);
    const absl::Status closed = Close(std::move(file), fetch_.path);
    GIST_RETURN_IF_ERROR(reply.status());
    GIST_RETURN_IF_ERROR(closed);
    asked_wait_ = RetryAfter(*reply);
    if (reply->status == 416) return StartOver("the range is refused");
    if (reply->status >= 400) return HttpError(*reply, fetch_.url);
    return absl::OkStatus();
  }

  absl::Status Take(const HttpReply& head, std::string_view part, int64_t begin,
                    std::FILE* file) {
    if (std::exchange(is_first_part_, false)) {
      GIST_RETURN_IF_ERROR(Begin(head, begin, file));
    }
    if (done_ + int64_t(part.size()) > fetch_.bytes) {
      return absl::DataLossError(fmt::format(
          "more than the {} bytes that were announced", fetch_.bytes));
    }
    GIST_RETURN_IF_ERROR(WriteTo(file, fetch_.path, part));
    done_ += int64_t(part.size());
    most_ = std::max(most_, done_);
    return absl::OkStatus();
  }

  // Judges the reply before its first byte: does it continue the file?
  absl::Status Begin(const HttpReply& head, int64_t begin, std::FILE* file) {
    const std::string range = head.Header("content-range");
    const bool continues = head.status == 206 &&
                           range.starts_with(fmt::format("bytes {}-", begin));
    const std::string etag = head.Header("etag");
    // A weak one does not tell whether bytes are equal.
    etag_ = etag.starts_with("W/") ? "" : etag;
    if (continues || begin == 0) return absl::OkStatus();
    if (ftruncate(fileno(file), 0) != 0)
      return absl::ErrnoToStatus(errno, fetch_.path);
    done_ = 0;
    if (head.status == 200) return absl::OkStatus();
    return absl::UnavailableError(
        fmt::format("asked for bytes from {} on, got {:?}", begin, range));
  }

  absl::Status StartOver(std::string_view why) {
    std::error_code error;
    std::filesystem::resize_file(fetch_.path, 0, error);
    etag_.clear();
    return absl::UnavailableError(fmt::format("{}: {}", fetch_.url, why));
  }

  const ResumableFetch& fetch_;
  const FetchProgress& progress_;
  const std::stop_token stop_;
  std::string etag_;  // of what the file holds
  int64_t done_ = 0;
  int64_t most_ = 0;  // that the file ever held: more is progress
  double asked_wait_ = 0;
  bool is_first_part_ = true;
};

}  // namespace

absl::Status Fetch(const std::string& url, const std::string& path,
                   const FetchLimits& limits, const FetchProgress& progress,
                   std::stop_token stop) {
  GIST_ASSIGN_OR_RETURN(File file, OpenFile(path, "wbx"));
  absl::Status status =
      FetchInto(file.get(), url, path, limits, progress, std::move(stop));
  const absl::Status closed = Close(std::move(file), path);
  if (status.ok()) status = closed;
  if (!status.ok()) std::remove(path.c_str());
  return status;
}

absl::Status FetchResumably(const ResumableFetch& fetch,
                            const FetchProgress& progress,
                            std::stop_token stop) {
  return Resumption(fetch, progress, std::move(stop)).Run();
}

}  // namespace gist

#include "client/eval/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <set>
#include <utility>

#include "client/cli/train_output.h"
#include "client/terminal/files.h"
#include "core/base/status.h"

namespace gist::client {
namespace {

constexpr char kFormat[] = "gistd-eval-journal/1";

absl::StatusOr<std::string> ReadAll(int fd, const std::string& path) {
  std::string text;
  std::array<char, 1 << 16> buffer;
  while (true) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got == 0) return text;
    if (got < 0 && errno != EINTR) return LocalErrno("cannot read " + path);
    if (got > 0) text.append(buffer.data(), size_t(got));
  }
}

Json HeaderJson(const Json& settings, int64_t started_unix_ms) {
  return {{"format", kFormat},
          {"started_unix_ms", started_unix_ms},
          {"settings", settings}};
}

}  // namespace

absl::Status WriteJournal(const std::string& path, const Json& settings,
                          int64_t started_unix_ms,
                          const std::vector<Trial>& trials) {
  GIST_ASSIGN_OR_RETURN(OutputFile file,
                        OutputFile::Create(path, /*overwrite=*/false));
  GIST_RETURN_IF_ERROR(
      file.Write(PrintLine(HeaderJson(settings, started_unix_ms))));
  for (const Trial& trial : trials) {
    GIST_RETURN_IF_ERROR(file.Write(PrintLine(ToJson(trial))));
  }
  return file.Commit();
}

std::optional<std::string> FirstDifference(const Json& there, const Json& now) {
  if (there == now) return std::nullopt;
  const Json a = there.is_object() && !there.empty() ? there.flatten() : there;
  const Json b = now.is_object() && !now.empty() ? now.flatten() : now;
  const auto value = [](const Json& json, const std::string& key) {
    return json.is_object() && json.contains(key) ? json.at(key).dump()
                                                  : std::string("none");
  };
  std::set<std::string> keys;
  for (const Json* side : {&a, &b}) {
    if (!side->is_object()) continue;
    for (const auto& item : side->items()) keys.insert(item.key());
  }
  for (const std::string& key : keys) {
    const std::string then = value(a, key), today = value(b, key);
    if (then == today) continue;
    return fmt::format("\"{}\": {} there, {} now", key.substr(1), then, today);
  }
  return "the settings: something else there";
}

absl::StatusOr<Journal> Journal::Open(const std::string& path,
                                      const Json& settings,
                                      int64_t started_unix_ms, bool restart) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return LocalErrno("cannot open " + path);
  Journal journal(fd, path);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(fmt::format(
        "{} is being written by another gist eval; wait for it, or give "
        "another --out",
        path));
  }
  GIST_ASSIGN_OR_RETURN(std::string text, ReadAll(fd, path));
  text.resize(restart ? 0 : text.rfind('\n') + 1);  // npos + 1 is 0
  if (ftruncate(fd, off_t(text.size())) != 0 ||
      lseek(fd, 0, SEEK_END) != off_t(text.size())) {
    return LocalErrno("cannot write " + path);
  }
  if (text.empty()) {
    GIST_RETURN_IF_ERROR(journal.Begin(settings, started_unix_ms));
  } else {
    GIST_RETURN_IF_ERROR(journal.Read(text, settings));
  }
  return journal;
}

Journal::Journal(Journal&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      started_unix_ms_(other.started_unix_ms_),
      trials_(std::move(other.trials_)) {}

Journal::~Journal() {
  if (fd_ >= 0) close(fd_);  // and with it the lock
}

absl::Status Journal::Begin(const Json& settings, int64_t started_unix_ms) {
  started_unix_ms_ = started_unix_ms;
  return WriteLine(HeaderJson(settings, started_unix_ms));
}

absl::Status Journal::ReadHeader(const std::string& line,
                                 const Json& settings) {
  const Json header = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!header.is_object() || !header.contains("format") ||
      header.at("format") != kFormat || !header.contains("settings") ||
      !header.contains("started_unix_ms") ||
      !header.at("started_unix_ms").is_number_integer()) {
    return absl::DataLossError(fmt::format(
        "{}:1: is no journal of gist eval; give another --out, or --restart "
        "to replace it",
        path_));
  }
  started_unix_ms_ = header.at("started_unix_ms");
  const auto difference =
      FirstDifference(WithPresentNames(header.at("settings")), settings);
  if (!difference) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format(
      "{} was made with other settings: {}. To go on, give the same ones; else "
      "another --out, or --restart, which drops what was asked",
      path_, *difference));
}

absl::Status Journal::Read(const std::string& text, const Json& settings) {
  std::set<std::string> seen;
  int number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (++number == 1) {
      GIST_RETURN_IF_ERROR(ReadHeader(line, settings));
      continue;
    }
    auto trial = TrialFromJson(Json::parse(line, nullptr, false));
    if (!trial.ok()) {
      return Within(fmt::format("{}:{}", path_, number), trial.status());
    }
    if (seen.insert(TrialKey(trial->sample, *trial)).second)
      trials_.push_back(*std::move(trial));
  }
  return absl::OkStatus();
}

absl::Status Journal::WriteLine(const Json& json) {
  const std::string line = PrintLine(json);
  for (size_t done = 0; done < line.size();) {
    const ssize_t wrote = write(fd_, line.data() + done, line.size() - done);
    if (wrote < 0 && errno != EINTR) return LocalErrno("cannot write " + path_);
    if (wrote > 0) done += size_t(wrote);
  }
  if (fsync(fd_) != 0 && errno != EINVAL) {  // EINVAL: a pipe or /dev/null
    return LocalErrno("cannot write " + path_);
  }
  return absl::OkStatus();
}

absl::Status Journal::Append(Trial trial) {
  const std::scoped_lock lock(mutex_);
  GIST_RETURN_IF_ERROR(WriteLine(ToJson(trial)));
  trials_.push_back(std::move(trial));
  return absl::OkStatus();
}

}  // namespace gist::client

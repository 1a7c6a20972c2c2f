#include "client/tools/longbench.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <vector>

#include "client/terminal/terminal.h"
#include "client/terminal/units.h"
#include "client/tools/unzip.h"
#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/format/mapped_file.h"
#include "core/hub/fetch.h"
#include "core/scoring/longbench.h"
#include "fmt/format.h"

namespace gist::client {
namespace {

// The fetched file, gone with the object.
struct Download {
  explicit Download(std::string name) : path(std::move(name)) {}
  ~Download() { std::remove(path.c_str()); }
  Download(const Download&) = delete;
  Download& operator=(const Download&) = delete;
  const std::string path;
};

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return char(std::tolower(c)); });
  return text;
}

absl::Status CheckDigest(const LongBenchArguments& arguments) {
  const std::string& wanted = arguments.sha256;
  const bool hex = std::all_of(wanted.begin(), wanted.end(), [](char c) {
    return std::isxdigit(static_cast<unsigned char>(c)) != 0;
  });
  if (wanted.empty() || (wanted.size() == 64 && hex)) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format(
      "--sha256 has {} characters, wanted are 64 hex digits", wanted.size()));
}

absl::Status Verify(const std::string& zip, const std::string& wanted) {
  GIST_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(zip));
  const std::string found = Sha256Hex(file.bytes());
  if (wanted.empty()) {
    PrintNote(fmt::format("SHA-256 {}", found));
    return absl::OkStatus();
  }
  if (found == Lower(wanted)) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("the file has SHA-256 {}, wanted is {}; nothing was unpacked",
                  found, wanted));
}

// Reads what was unpacked, so that a file in another form is found now.
absl::Status Describe(std::vector<std::string> files) {
  std::sort(files.begin(), files.end());
  size_t data_files = 0;
  for (const std::string& file : files) {
    if (!file.ends_with(".jsonl")) continue;
    ++data_files;
    GIST_ASSIGN_OR_RETURN(const auto records, ReadLongBench(file));
    PrintNote(fmt::format("{}: {} records of {}", file,
                          FormatCount(int64_t(records.size())),
                          records.front().dataset));
  }
  if (data_files > 0) return absl::OkStatus();
  return absl::DataLossError(
      "the zip file holds no .jsonl file; is it LongBench's data.zip?");
}

}  // namespace

absl::Status RunLongBench(const LongBenchArguments& arguments,
                          std::stop_token stop) {
  GIST_RETURN_IF_ERROR(CheckDigest(arguments));
  std::error_code error;
  std::filesystem::create_directories(arguments.out, error);
  if (error) {
    return absl::FailedPreconditionError(fmt::format(
        "cannot make the folder {}: {}", arguments.out, error.message()));
  }
  std::string zip = arguments.file;
  std::optional<Download> download;
  if (!arguments.url.empty()) {
    zip = arguments.out + "/download.zip.part";
    std::filesystem::remove(zip, error);  // of a run that was killed
    download.emplace(zip);
    ProgressBar bar("fetching", Unit::kBytes);
    GIST_RETURN_IF_ERROR(Fetch(
        arguments.url, zip, {},
        [&](int64_t done, int64_t total) { bar.Update(done, total); }, stop));
  }
  GIST_RETURN_IF_ERROR(Verify(zip, arguments.sha256));
  GIST_ASSIGN_OR_RETURN(std::vector<std::string> files,
                        Unzip(zip, arguments.out, {}));
  return Describe(std::move(files));
}

}  // namespace gist::client

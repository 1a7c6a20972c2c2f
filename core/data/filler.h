// Natural text that needles are hidden in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/random.h"
#include "core/data/split.h"

namespace gist {

// Sentences of one text in the order in which they stand there.
struct FillerText {
  std::string name;  // "perl-doc", "sample", or a file's or folder's name
  std::vector<std::string> sentences;
};

// Immutable once built, thread-safe. Texts are cut into passages, each in the
// split of its own hash; of equal sentences the first alone is kept, so that no
// two splits share one.
class FillerPool {
 public:
  // Bytes read so far and bytes in all; false cancels.
  using Progress = std::function<bool(int64_t done, int64_t total)>;

  // Each path is a file, a folder (all its .txt, .pod, .pm, .html and fortune
  // files, in the order of their paths), "debian" (the installed packages of
  // DebianFillers()) or "sample" (the text of Sample()). `progress` may be
  // null. Errors: kNotFound (no such file; with "debian", no package is
  // installed, and the message holds the command that installs them),
  // kInvalidArgument (no sentence in a path), kCancelled.
  static absl::StatusOr<std::shared_ptr<const FillerPool>> Load(
      std::span<const std::string> paths, const Progress& progress = nullptr);
  // Essays written for this project, for demos and tests.
  static std::shared_ptr<const FillerPool> Sample();

  // Sentences from a random place on, at least `bytes` in all with the spaces
  // between them; past the last passage it goes on with the first. `language`
  // and `split` have some: see Has.
  FillerText Draw(std::string_view language, Split split, size_t bytes,
                  Rng& rng) const;
  bool Has(std::string_view language, Split split) const;
  std::span<const FillerText> Passages(std::string_view language,
                                       Split split) const;

 private:
  friend class FillerBuilder;
  FillerPool() = default;
  std::map<std::pair<std::string, Split>, std::vector<FillerText>, std::less<>>
      passages_;
};

// A Debian package of natural text.
struct DebianFiller {
  std::string_view package;
  std::string_view folder;  // where it puts its text
};
std::span<const DebianFiller> DebianFillers();
// Those that are not installed here.
std::vector<std::string> MissingDebianFillers();
// The command that installs them: "apt-get install perl-doc fortunes".
std::string InstallDebianFillers();

}  // namespace gist

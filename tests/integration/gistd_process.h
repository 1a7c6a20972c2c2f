// The real `gistd` as a process of its own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gist {

class GistdProcess {
 public:
  // Listens on a free loopback port, has no admin port and does not linger at
  // SIGTERM, unless `arguments` say otherwise. Its log goes to the file
  // `log_path`. `environment`: "NAME=VALUE", added to the test's own.
  GistdProcess(std::vector<std::string> arguments, std::string log_path,
               std::vector<std::string> environment = {});
  ~GistdProcess();  // kills it if it still runs
  GistdProcess(const GistdProcess&) = delete;
  GistdProcess& operator=(const GistdProcess&) = delete;

  // Waits until it serves. Its address, or nothing if it ended or took longer
  // than two minutes.
  std::optional<std::string> WaitUntilReady();
  // Of the admin port, once it is ready; "off": there is none.
  std::string AdminAddress() const;
  void Signal(int number);
  // Waits for its end: the exit code, or 128 + the signal that ended it.
  int Wait();
  std::string Log() const;
  pid_t pid() const { return pid_; }
  // Most memory that it had resident so far (VmHWM).
  int64_t PeakBytes() const;

 private:
  bool HasEnded();

  pid_t pid_ = -1;
  int status_ = 0;
  bool ended_ = false;
  std::string log_path_;
};

}  // namespace gist

// fault_server as a process of its own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace gist {

class ServerProcess {
 public:
  // Returns when it serves. Throws std::runtime_error if it ends before.
  explicit ServerProcess(const std::string& data_folder);
  ~ServerProcess() { Kill(); }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  const std::string& address() const { return address_; }
  double start_seconds() const { return start_seconds_; }
  // SIGKILL; returns when it is gone.
  void Kill();
  bool HasEnded();  // by itself
  // Most memory that it had resident so far (VmHWM).
  int64_t PeakBytes() const;

 private:
  pid_t pid_ = -1;
  std::string address_;
  double start_seconds_ = 0;
};

}  // namespace gist

#include "tests/faults/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <stdexcept>

extern char** environ;

namespace gist {

ServerProcess::ServerProcess(const std::string& data_folder) {
  const auto start = std::chrono::steady_clock::now();
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
  std::string program = FAULT_SERVER_PATH, folder = data_folder;
  char* const argv[] = {program.data(), folder.data(), nullptr};
  const int error =
      posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_ends[1]);
  for (char c = 0; error == 0 && read(pipe_ends[0], &c, 1) == 1 && c != '\n';)
    address_ += c;
  close(pipe_ends[0]);
  if (address_.empty()) {
    Kill();
    throw std::runtime_error("fault_server did not start over " + data_folder);
  }
  start_seconds_ =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
}

void ServerProcess::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

int64_t ServerProcess::PeakBytes() const {
  std::ifstream in("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6)) * 1024;
  }
  throw std::runtime_error("no VmHWM of fault_server");
}

bool ServerProcess::HasEnded() {
  if (pid_ <= 0 || waitpid(pid_, nullptr, WNOHANG) != pid_) return false;
  pid_ = -1;
  return true;
}

}  // namespace gist

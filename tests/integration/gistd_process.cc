#include "tests/integration/gistd_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "tests/support/read_file.h"

extern char** environ;

namespace gist {

GistdProcess::GistdProcess(std::vector<std::string> arguments,
                           std::string log_path,
                           std::vector<std::string> environment)
    : log_path_(std::move(log_path)) {
  arguments.insert(arguments.begin(), GISTD_PATH);
  if (std::ranges::find(arguments, "--listen") == arguments.end()) {
    arguments.insert(arguments.end(), {"--listen", "127.0.0.1:0"});
  }
  if (std::ranges::find(arguments, "--admin") == arguments.end()) {
    arguments.insert(arguments.end(), {"--admin", "off"});
  }
  if (std::ranges::find(arguments, "--drain-seconds") == arguments.end()) {
    arguments.insert(arguments.end(), {"--drain-seconds", "0"});
  }
  for (char** entry = environ; *entry != nullptr; ++entry) {
    environment.emplace_back(*entry);  // of two with one name the first holds
  }
  std::vector<char*> argv, envp;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  for (std::string& entry : environment) envp.push_back(entry.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log_path_.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int error = posix_spawn(&pid_, GISTD_PATH, &actions, nullptr,
                                argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("cannot start " GISTD_PATH);
}

GistdProcess::~GistdProcess() {
  if (HasEnded()) return;
  kill(pid_, SIGKILL);
  Wait();
}

bool GistdProcess::HasEnded() {
  if (!ended_) ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
  return ended_;
}

std::optional<std::string> GistdProcess::WaitUntilReady() {
  const std::string mark = "gistd ready listen=";
  for (int i = 0; i < 2400 && !HasEnded(); ++i) {
    const std::string log = Log();
    const size_t at = log.find(mark);
    if (at != std::string::npos && log.find('\n', at) != std::string::npos) {
      const size_t begin = at + mark.size();
      return log.substr(begin, log.find(' ', begin) - begin);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return std::nullopt;
}

std::string GistdProcess::AdminAddress() const {
  const std::string log = Log();
  const size_t at = log.find(" admin=") + 7;
  return log.substr(at, log.find(' ', at) - at);
}

void GistdProcess::Signal(int number) { kill(pid_, number); }

int GistdProcess::Wait() {
  if (!ended_) ended_ = waitpid(pid_, &status_, 0) == pid_;
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

std::string GistdProcess::Log() const { return ReadFile(log_path_); }

int64_t GistdProcess::PeakBytes() const {
  std::ifstream in("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6)) * 1024;
  }
  throw std::runtime_error("no VmHWM of gistd");
}

}  // namespace gist

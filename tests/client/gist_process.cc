#include "tests/client/gist_process.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <string>

namespace gist::client {
namespace {

constexpr int kTimeoutMilliseconds = 120'000;  // with a real model

struct Pipe {
  int read = -1;
  int write = -1;
};

Pipe MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  return {ends[0], ends[1]};
}

// The reading end is a terminal's master side, the writing end its screen.
Pipe MakeTerminal() {
  Pipe ends;
  winsize size = {.ws_row = 24, .ws_col = 100, .ws_xpixel = 0, .ws_ypixel = 0};
  if (openpty(&ends.read, &ends.write, nullptr, nullptr, &size) != 0) {
    throw std::runtime_error("openpty failed");
  }
  fcntl(ends.read, F_SETFD, FD_CLOEXEC);
  fcntl(ends.write, F_SETFD, FD_CLOEXEC);
  return ends;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// What the tests themselves run under (sanitizers' options), but for all that
// changes what `gist` prints.
void AddInherited(std::vector<std::string>* environment) {
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string variable = *entry;
    const std::string name = variable.substr(0, variable.find('='));
    if (name != "GIST_SERVER" && name != "GIST_WAIT" && name != "TERM" &&
        name != "NO_COLOR" && name != "TZ") {
      environment->push_back(variable);
    }
  }
  environment->push_back("TZ=UTC");
  // Of two with one name the first holds: tests may wait all the same.
  environment->push_back("GIST_WAIT=0");
}

pid_t Spawn(std::vector<std::string> arguments,
            std::vector<std::string> environment, int in, int out, int err) {
  arguments.insert(arguments.begin(), "gist");
  AddInherited(&environment);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  // Whoever runs the tests may ignore signals; the process starts afresh.
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  pid_t pid = -1;
  const int failed =
      posix_spawn(&pid, GIST_EXECUTABLE, &actions, &attributes,
                  Pointers(arguments).data(), Pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) throw std::runtime_error("cannot start " GIST_EXECUTABLE);
  return pid;
}

}  // namespace

GistProcess::GistProcess(const std::vector<std::string>& arguments,
                         const Options& options) {
  const Pipe in = MakePipe();
  const Pipe out = MakePipe();
  const Pipe err = options.terminal_for_errors ? MakeTerminal() : MakePipe();
  pid_ = Spawn(arguments, options.environment, in.read, out.write, err.write);
  close(in.read);
  close(out.write);
  close(err.write);
  input_ = in.write;
  outputs_ = {out.read, err.read};
}

GistProcess::~GistProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    Finish();
  }
  close(outputs_[0]);
  close(outputs_[1]);
}

void GistProcess::Feed(const std::string& input) {
  // The process may leave early; its exit code tells.
  signal(SIGPIPE, SIG_IGN);
  for (size_t at = 0; at < input.size();) {
    const ssize_t put = write(input_, input.data() + at, input.size() - at);
    if (put <= 0) break;
    at += size_t(put);
  }
  close(input_);
  input_ = -1;
}

bool GistProcess::Pump() {
  pollfd ready[2] = {{outputs_[0], POLLIN, 0}, {outputs_[1], POLLIN, 0}};
  if (poll(ready, 2, kTimeoutMilliseconds) <= 0) return false;
  bool open = false;
  for (size_t i = 0; i < 2; ++i) {
    char bytes[65536];
    if (ready[i].revents == 0) {
      open = open || outputs_[i] >= 0;
      continue;
    }
    const ssize_t got = read(outputs_[i], bytes, sizeof(bytes));
    if (got > 0) {
      texts_[i].append(bytes, size_t(got));
      open = true;
    } else {  // a terminal whose last writer left gives an error
      close(outputs_[i]);
      outputs_[i] = -1;
    }
  }
  return open;
}

bool GistProcess::WaitForOutput(const std::string& text) {
  while (texts_[0].find(text) == std::string::npos) {
    if (!Pump()) return false;
  }
  return true;
}

void GistProcess::Signal(int number) { kill(pid_, number); }

bool GistProcess::BlocksSignal(int number) const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("SigBlk:")) continue;
    const uint64_t blocked = std::stoull(line.substr(7), nullptr, 16);
    return (blocked >> (number - 1) & 1) != 0;
  }
  return false;
}

GistResult GistProcess::Finish() {
  while (Pump()) {
  }
  if (input_ >= 0) close(input_);
  input_ = -1;
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  const int code =
      WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {code, texts_[0], texts_[1]};
}

GistResult RunGist(const std::vector<std::string>& arguments,
                   const GistProcess::Options& options,
                   const std::string& input) {
  GistProcess process(arguments, options);
  process.Feed(input);
  return process.Finish();
}

}  // namespace gist::client

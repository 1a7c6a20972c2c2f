// The real `gist` as a process of its own.
#pragma once

#include <sys/types.h>

#include <array>
#include <string>
#include <vector>

namespace gist::client {

struct GistResult {
  int exit_code = -1;  // 128 + signal where a signal ended it
  std::string out;
  std::string err;
};

class GistProcess {
 public:
  struct Options {
    std::vector<std::string> environment;  // "NAME=VALUE", added
    bool terminal_for_errors = false;      // standard error is a terminal
  };

  GistProcess(const std::vector<std::string>& arguments,
              const Options& options);
  ~GistProcess();
  GistProcess(const GistProcess&) = delete;
  GistProcess& operator=(const GistProcess&) = delete;

  // All of standard input.
  void Feed(const std::string& input);
  // Reads until standard output holds `text`; false if it ends before.
  bool WaitForOutput(const std::string& text);
  void Signal(int number);
  // Has the process got as far as handling this signal itself?
  bool BlocksSignal(int number) const;
  GistResult Finish();

 private:
  // Reads once from whatever has output; false when all has ended.
  bool Pump();

  pid_t pid_ = -1;
  int input_ = -1;
  std::array<int, 2> outputs_ = {-1, -1};  // standard output and error
  std::array<std::string, 2> texts_;
};

// Runs it to its end.
GistResult RunGist(const std::vector<std::string>& arguments,
                   const GistProcess::Options& options = {},
                   const std::string& input = "");

}  // namespace gist::client

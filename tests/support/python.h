// A Python program beside a test.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

namespace gist {

// A started python3 with its standard output to read from; ends with the
// object.
class Python {
 public:
  explicit Python(std::vector<std::string> arguments) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("pipe failed");
    arguments.insert(arguments.begin(), "python3");
    std::vector<char*> pointers;
    for (std::string& text : arguments) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(ends[1], STDOUT_FILENO);
      close(ends[0]);
      close(ends[1]);
      execvp("python3", pointers.data());
      _exit(127);
    }
    close(ends[1]);
    output_ = fdopen(ends[0], "r");
  }
  ~Python() {
    if (pid_ > 0) kill(pid_, SIGKILL);
    Wait();
    std::fclose(output_);
  }
  Python(const Python&) = delete;
  Python& operator=(const Python&) = delete;

  std::string ReadLine() {
    char line[256] = "";
    if (std::fgets(line, sizeof(line), output_) == nullptr) return "";
    std::string text = line;
    while (text.ends_with('\n')) text.pop_back();
    return text;
  }
  // Its exit status.
  int Wait() {
    int status = 0;
    if (pid_ > 0) waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
  std::FILE* output_ = nullptr;
};

}  // namespace gist

#include "tests/faults/load_server.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "tests/support/loopback.h"

namespace gist {
namespace {

std::vector<std::string> WithFolder(std::vector<std::string> flags,
                                    const std::string& folder) {
  flags.insert(flags.end(),
               {"--data-dir", folder + "/data", "--admin", "127.0.0.1:0"});
  return flags;
}

int64_t StatusField(pid_t pid, const std::string& name) {
  std::ifstream in(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name + ":"))
      return std::stoll(line.substr(name.size() + 1));
  }
  throw std::runtime_error(fmt::format("no {} of process {}", name, pid));
}

}  // namespace

LoadServer::LoadServer(const std::string& folder,
                       std::chrono::microseconds step,
                       std::vector<std::string> flags)
    : gistd_(WithFolder(std::move(flags), folder), folder + "/log",
             {fmt::format("GIST_FAKE_STEP_MICROSECONDS={}", step.count())}) {
  const auto address = gistd_.WaitUntilReady();
  if (!address) throw std::runtime_error("did not start: " + gistd_.Log());
  address_ = *address;
  admin_ = gistd_.AdminAddress();
}

LoadServer::~LoadServer() {
  const std::string log = gistd_.Log();
  if (log.find("Sanitizer") != log.npos) ADD_FAILURE() << log;
}

client::ClientOptions LoadServer::Options(double timeout_seconds) const {
  client::ClientOptions options;
  options.target = address_;
  options.timeout_seconds = timeout_seconds;
  return options;
}

double LoadServer::Metric(std::string_view name,
                          std::string_view labels) const {
  const std::string page = HttpGet(admin_, "/metrics");
  double sum = 0;
  for (size_t at = 0; at < page.size();) {
    const size_t end = std::min(page.find('\n', at), page.size());
    const std::string_view line = std::string_view(page).substr(at, end - at);
    at = end + 1;
    const bool is_it = line.starts_with(name) && line.size() > name.size() &&
                       (line[name.size()] == '{' || line[name.size()] == ' ');
    if (is_it && line.find(labels) != line.npos)
      sum += std::stod(std::string(line.substr(line.rfind(' '))));
  }
  return sum;
}

int LoadServer::Ended(std::string_view rpc, std::string_view code) const {
  // Labels stand in the order of their names: code, rpc.
  return int(Metric("gist_requests_total",
                    code.empty()
                        ? fmt::format("rpc=\"{}\"", rpc)
                        : fmt::format("code=\"{}\",rpc=\"{}\"", code, rpc)));
}

void LoadServer::FailLate(double limit) const {
  ADD_FAILURE() << "not within " << limit << " s: " << Running() << " run, "
                << Waiting() << " wait";
}

int64_t ResidentBytes(pid_t pid) { return StatusField(pid, "VmRSS") * 1024; }
int Threads(pid_t pid) { return int(StatusField(pid, "Threads")); }
int OpenFiles(pid_t pid) {
  const std::filesystem::directory_iterator files(
      fmt::format("/proc/{}/fd", pid));
  return int(std::distance(begin(files), end(files)));
}

MemoryWatch::MemoryWatch(pid_t pid)
    : pid_(pid),
      least_(ResidentBytes(pid)),
      most_(least_.load()),
      thread_([this](std::stop_token stop) {
        while (!stop.stop_requested()) {
          const int64_t now = ResidentBytes(pid_);
          least_ = std::min(least_.load(), now);
          most_ = std::max(most_.load(), now);
          std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
      }) {}

void MemoryWatch::Reset() { least_ = most_ = ResidentBytes(pid_); }

double Quantile(std::vector<double> values, double share) {
  const auto rank = size_t(std::ceil(share * double(values.size())));
  const auto at =
      values.begin() + std::ptrdiff_t(std::max<size_t>(rank, 1)) - 1;
  std::ranges::nth_element(values, at);
  return *at;
}

std::string KeyOf(uint64_t number) {
  return fmt::format("KEY{:03}", number % 1000);
}

std::string TextOf(uint64_t number, int words, size_t word_bytes) {
  std::mt19937_64 random(number);
  std::string text = fmt::format("The secret passkey is {} . ", KeyOf(number));
  for (int word = 5; word < words; ++word)
    text += fmt::format("{:x<{}} ", fmt::format("word{}", random() % 200),
                        word_bytes);
  return text;
}

}  // namespace gist

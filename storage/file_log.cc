#include "storage/file_log.h"

#include <cstdarg>
#include <cstdio>
#include <ctime>
#include <mutex>

namespace gist {
namespace {

constexpr long kMostBytes = 1 << 20;

class FileLog : public rocksdb::Logger {
 public:
  explicit FileLog(const std::string& path)
      : Logger(rocksdb::WARN_LEVEL), file_(std::fopen(path.c_str(), "ae")) {}
  ~FileLog() override {
    if (file_ != nullptr) std::fclose(file_);
  }

  using Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    const std::scoped_lock lock(mutex_);
    if (file_ == nullptr || std::ftell(file_) >= kMostBytes) return;
    char time[32];
    const std::time_t now = std::time(nullptr);
    std::tm parts = {};
    gmtime_r(&now, &parts);
    std::strftime(time, sizeof(time), "%FT%TZ ", &parts);
    std::fputs(time, file_);
    std::vfprintf(file_, format, arguments);
    std::fputc('\n', file_);
    std::fflush(file_);  // what fails is left out
  }

 private:
  std::mutex mutex_;
  std::FILE* const file_;
};

}  // namespace

std::shared_ptr<rocksdb::Logger> OpenFileLog(const std::string& folder) {
  const std::string path = folder + "/LOG";
  std::rename(path.c_str(), (path + ".old").c_str());
  return std::make_shared<FileLog>(path);
}

}  // namespace gist

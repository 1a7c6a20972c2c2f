// The thread that tidies store and memory while the service runs.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "server/contexts/retention_manager.h"

namespace gist {

struct MaintenanceOptions {
  std::chrono::milliseconds sweep_every = std::chrono::seconds(10);
  // What was deleted leaves the database's files within this time and what the
  // rewriting takes.
  std::chrono::milliseconds erase_every = std::chrono::minutes(10);
  std::chrono::milliseconds return_memory_every = std::chrono::minutes(1);
};

// Logs what fails and tries again the next time. Ends, with a last sweep, with
// the object.
class MaintenanceThread {
 public:
  // `keeper` outlives it.
  MaintenanceThread(RetentionManager& keeper, MaintenanceOptions options);
  ~MaintenanceThread();
  MaintenanceThread(const MaintenanceThread&) = delete;
  MaintenanceThread& operator=(const MaintenanceThread&) = delete;

 private:
  void Run();
  void Sweep();
  void Erase();

  RetentionManager& keeper_;
  const MaintenanceOptions options_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::thread thread_;  // the last member: it uses all the others
};

}  // namespace gist

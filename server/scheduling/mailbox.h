// What one thread tells another, in order, until it hangs up.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gist {

// Thread-safe, unbounded: the sender never waits for the receiver.
template <typename Message>
class Mailbox {
 public:
  void Post(Message message) {
    {
      const std::scoped_lock lock(mutex_);
      messages_.push_back(std::move(message));
    }
    changed_.notify_one();
  }

  // The last word: how the work ended.
  void Close(absl::Status end) {
    {
      const std::scoped_lock lock(mutex_);
      end_ = std::move(end);
    }
    changed_.notify_one();
  }

  // Waits for the next message. After the last one: nothing if it was closed
  // with OK, else the error.
  absl::StatusOr<std::optional<Message>> Next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !messages_.empty() || end_; });
    if (messages_.empty()) {
      if (!end_->ok()) return *end_;
      return std::optional<Message>();
    }
    std::optional<Message> message = std::move(messages_.front());
    messages_.pop_front();
    return message;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Message> messages_;
  std::optional<absl::Status> end_;
};

}  // namespace gist

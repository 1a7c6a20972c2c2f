#include "server/serving/request_ids.h"

#include <iterator>

#include "server/support/errors.h"

namespace gist {

void RequestIds::Forget(Clock::time_point now) {
  while (!entries_.empty() && (entries_.size() > max_ids_ ||
                               now - entries_.front().since >= max_age_)) {
    by_id_.erase(entries_.front().id);
    entries_.pop_front();
  }
}

absl::StatusOr<std::optional<std::string>> RequestIds::Begin(
    const std::string& id, const std::string& digest, Clock::time_point now) {
  const std::scoped_lock lock(mutex_);
  Forget(now);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) {
    entries_.push_back({id, digest, "", now});
    by_id_[id] = std::prev(entries_.end());
    Forget(now);
    return std::optional<std::string>();
  }
  const Entry& entry = *found->second;
  if (entry.digest != digest) {
    return InvalidField("request_id",
                        "request_id was sent with another text or number of "
                        "gists before; take a new one",
                        Reason::kRequestIdReused);
  }
  if (entry.made.empty()) return std::optional<std::string>();
  return std::optional<std::string>(entry.made);
}

void RequestIds::End(const std::string& id, const std::string& digest,
                     const std::string& made, Clock::time_point now) {
  const std::scoped_lock lock(mutex_);
  const auto found = by_id_.find(id);
  if (found != by_id_.end()) {
    Entry& entry = *found->second;
    if (entry.digest != digest) return;
    // Of two at a time one may fail where the other does not.
    if (!made.empty()) entry.made = made;
    if (!entry.made.empty()) return;
    entries_.erase(found->second);
    by_id_.erase(found);
    return;
  }
  if (made.empty()) return;
  entries_.push_back({id, digest, made, now});
  by_id_[id] = std::prev(entries_.end());
  Forget(now);
}

}  // namespace gist

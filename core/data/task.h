// What there is to learn about a document, before it has been put into one.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/base/random.h"

namespace gist {

// A question, and the sentences that a text must hold so that `answer` is
// right.
struct Task {
  std::string family;  // "passkey", "keyed", "absent", "overview"
  std::string
      frame;  // name of the sentence frame, unique in language and family
  // To be spread over the text, in this order. Empty: the text does not say it.
  std::vector<std::string> needles;
  std::string question;
  std::string answer;  // as an answer should be worded: "ABC123"
};

// Tasks of one document; they do not contradict each other.
struct TaskSet {
  std::string language;  // "en", "ko"
  std::vector<Task> tasks;
};

// An endless supply of tasks and of text to hide them in. Immutable and
// thread-safe: the same state of `rng` gives the same result.
class TaskSource {
 public:
  virtual ~TaskSource() = default;
  virtual TaskSet NextTasks(Rng& rng) const = 0;
  // Sentences of one natural text without any needle, at least `bytes` of UTF-8
  // in all; joined by single spaces they read on from one to the next.
  virtual std::vector<std::string> Filler(const std::string& language,
                                          size_t bytes, Rng& rng) const = 0;
};

}  // namespace gist

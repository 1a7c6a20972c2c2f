// Tasks of one frame in one sentence's worth of filler.
#pragma once

#include <string>
#include <vector>

#include "core/data/task.h"
#include "fmt/format.h"

namespace gist {

class FakeTasks final : public TaskSource {
 public:
  TaskSet NextTasks(Rng& rng) const override {
    const std::string key = fmt::format("ABC{:03}", rng.Below(1000));
    return {"en",
            {{"passkey",
              "plain",
              {"The secret passkey is " + key + " ."},
              "What is the secret passkey?",
              key}}};
  }
  std::vector<std::string> Filler(const std::string&, size_t bytes,
                                  Rng&) const override {
    return std::vector<std::string>(bytes / 8 + 1, "filler .");
  }
};

}  // namespace gist

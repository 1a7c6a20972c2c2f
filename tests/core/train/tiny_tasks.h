// A TaskSource for the tiny model: short sentences, short keys.
#pragma once

#include <string>
#include <vector>

#include "core/data/task.h"
#include "fmt/format.h"

namespace gist {

class TinyTasks : public TaskSource {
 public:
  // `keys`: of each task set; 0: a fact that the text does not say.
  explicit TinyTasks(int keys = 1) : keys_(keys) {}

  TaskSet NextTasks(Rng& rng) const override {
    TaskSet set{.language = rng.Uniform() < 0.7 ? "en" : "ko", .tasks = {}};
    for (int i = 0; i < keys_; ++i) {
      const std::string key =
          fmt::format("{}{}", char('A' + rng.Below(26)), rng.Below(10));
      set.tasks.push_back({.family = "passkey",
                           .frame = "tiny",
                           .needles = {fmt::format("Key {} is {}.", i, key)},
                           .question = fmt::format("Key {}?", i),
                           .answer = key});
    }
    if (keys_ == 0) {
      set.tasks.push_back({.family = "absent",
                           .frame = "tiny",
                           .needles = {},
                           .question = "Key?",
                           .answer = "none"});
    }
    return set;
  }
  std::vector<std::string> Filler(const std::string& language, size_t bytes,
                                  Rng& rng) const override {
    std::vector<std::string> sentences;
    for (size_t have = 0; have < bytes; have += sentences.back().size() + 1) {
      sentences.push_back(fmt::format("{} {} on.", language,
                                      std::string(1 + rng.Below(9), 'o')));
    }
    return sentences;
  }

 private:
  const int keys_;
};

}  // namespace gist

// The texts of tests/data/embed and how near embeddings are to the reference's
// (tests/reference/make_embed_golden.py).
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/embed/encoder.h"
#include "nlohmann/json.hpp"
#include "tests/core/golden.h"

namespace gist {

inline std::vector<std::string> ReadEmbedTexts(
    const std::string& name = "texts.jsonl") {
  std::ifstream file("tests/data/embed/" + name);
  std::vector<std::string> texts;
  for (std::string line; std::getline(file, line);) {
    texts.push_back(nlohmann::json::parse(line));
  }
  EXPECT_GE(texts.size(), 10) << name;
  return texts;
}

inline std::vector<std::string_view> Views(
    const std::vector<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

// 1 - cosine, in double: float32 would round it to some 1e-7.
inline double CosineDistance(std::span<const float> a,
                             std::span<const float> b) {
  double product = 0, a_square = 0, b_square = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    product += double(a[i]) * b[i];
    a_square += double(a[i]) * a[i];
    b_square += double(b[i]) * b[i];
  }
  return 1 - product / std::sqrt(a_square * b_square);
}

// All texts in one call, against `golden`.
inline void ExpectReference(const SentenceEncoder& encoder,
                            const Golden& golden, double max_distance,
                            float max_difference) {
  const std::vector<std::string> texts = ReadEmbedTexts();
  const auto rows = encoder.Encode(Views(texts));
  ASSERT_TRUE(rows.ok()) << rows.status();
  const std::vector<float> wanted = golden.Floats("embeddings");
  const std::vector<float> tokens = golden.Floats("tokens");
  const auto width = size_t(encoder.dimensions());
  ASSERT_EQ(wanted.size(), texts.size() * width);
  ASSERT_EQ(rows->size(), wanted.size());
  double worst = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::span row(rows->data() + i * width, width);
    const std::span want(wanted.data() + i * width, width);
    worst = std::max(worst, CosineDistance(row, want));
    EXPECT_LE(CosineDistance(row, want), max_distance) << "text " << i;
    EXPECT_LE(MaxDifference(row, want), max_difference) << "text " << i;
    const auto ids =
        encoder.tokenizer().Encode(texts[i], size_t(encoder.max_text_tokens()));
    EXPECT_EQ(float(ids->size() + 2), tokens[i]) << "text " << i;
  }
  testing::Test::RecordProperty("worst_cosine_distance",
                                std::to_string(worst * 1e9) + "e-9");
}

}  // namespace gist

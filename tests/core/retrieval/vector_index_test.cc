#include "core/retrieval/vector_index.h"

#include <algorithm>
#include <cmath>

#include "core/base/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::_;
using testing::HasSubstr;

constexpr int kDimensions = 24;

std::vector<float> UnitVector(Rng& rng) {
  std::vector<float> vector(kDimensions);
  double squares = 0;
  for (float& value : vector) {
    value = float(rng.Uniform() - 0.5);
    squares += double(value) * value;
  }
  for (float& value : vector) value /= float(std::sqrt(squares));
  return vector;
}

std::vector<std::vector<float>> UnitVectors(uint64_t seed, size_t count) {
  Rng rng(seed);
  std::vector<std::vector<float>> vectors;
  while (vectors.size() < count) vectors.push_back(UnitVector(rng));
  return vectors;
}

VectorIndex IndexOf(const std::vector<std::vector<float>>& vectors) {
  VectorIndex index(kDimensions, {});
  for (size_t i = 0; i < vectors.size(); ++i) {
    EXPECT_THAT(index.Add(i, vectors[i]), IsOk());
  }
  return index;
}

float Dot(const std::vector<float>& a, const std::vector<float>& b) {
  float sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// By looking at all.
std::vector<uint64_t> Nearest(const std::vector<std::vector<float>>& vectors,
                              const std::vector<float>& query, size_t count) {
  std::vector<uint64_t> labels(vectors.size());
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = i;
  std::ranges::sort(labels, [&](uint64_t a, uint64_t b) {
    return Dot(vectors[a], query) > Dot(vectors[b], query);
  });
  labels.resize(count);
  return labels;
}

TEST(VectorIndexTest, FindsNearlyAllOfTheNearest) {
  const auto vectors = UnitVectors(1, 3000), queries = UnitVectors(2, 50);
  const VectorIndex index = IndexOf(vectors);
  EXPECT_EQ(index.size(), 3000);
  int right = 0;
  for (const auto& query : queries) {
    const auto found = index.Search(query, 10, 200);
    ASSERT_THAT(found, IsOk());
    ASSERT_EQ(found->size(), 10u);
    const auto want = Nearest(vectors, query, 10);
    for (size_t i = 0; i < 10; ++i) {
      const Neighbour& neighbour = (*found)[i];
      EXPECT_NEAR(neighbour.similarity, Dot(vectors[neighbour.label], query),
                  1e-5);
      if (i > 0) {
        EXPECT_LE(neighbour.similarity, (*found)[i - 1].similarity);
      }
      right += std::ranges::count(want, neighbour.label) > 0;
    }
  }
  EXPECT_GE(right, 490);  // of 500
}

TEST(VectorIndexTest, IsExactWhereEfCoversAll) {
  const auto vectors = UnitVectors(3, 40);
  const VectorIndex index = IndexOf(vectors);
  const auto found = index.Search(vectors[7], 3, 40);
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ((*found)[0].label, 7u);
  std::vector<uint64_t> labels;
  for (const Neighbour& neighbour : *found) labels.push_back(neighbour.label);
  EXPECT_EQ(labels, Nearest(vectors, vectors[7], 3));
  EXPECT_EQ(index.Search(vectors[7], 100, 10)->size(), 40u) << "all there are";
}

TEST(VectorIndexTest, WhatWasRemovedIsNotFound) {
  const auto vectors = UnitVectors(4, 100);
  VectorIndex index = IndexOf(vectors);
  ASSERT_THAT(index.Remove(5), IsOk());
  EXPECT_EQ(index.size(), 99);
  const auto found = index.Search(vectors[5], 10, 100);
  ASSERT_THAT(found, IsOk());
  for (const Neighbour& neighbour : *found) EXPECT_NE(neighbour.label, 5u);
  EXPECT_THAT(index.Remove(5), StatusIs(StatusCode::kNotFound, _));
  EXPECT_THAT(index.Remove(500), StatusIs(StatusCode::kNotFound, _));
}

TEST(VectorIndexTest, ComesBackFromItsBytes) {
  const auto vectors = UnitVectors(5, 300);
  VectorIndex index = IndexOf(vectors);
  ASSERT_THAT(index.Remove(9), IsOk());
  const auto bytes = index.Serialize();
  ASSERT_THAT(bytes, IsOk());
  auto copy = VectorIndex::Parse(*bytes);
  ASSERT_THAT(copy, IsOk());
  EXPECT_EQ(copy->dimensions(), kDimensions);
  EXPECT_EQ(copy->size(), 299);
  for (const auto& query : UnitVectors(6, 20)) {
    EXPECT_EQ(*index.Search(query, 5, 50), *copy->Search(query, 5, 50));
  }
  EXPECT_EQ(*copy->Serialize(), *bytes);
  EXPECT_THAT(copy->Add(300, vectors[9]), IsOk()) << "it grows on";
  EXPECT_EQ((*copy->Search(vectors[9], 1, 50))[0].label, 300u);
}

TEST(VectorIndexTest, AnEmptyOneFindsNothingAndComesBack) {
  const VectorIndex index(kDimensions, {});
  EXPECT_TRUE(index.Search(UnitVectors(1, 1)[0], 3, 10)->empty());
  const auto copy = VectorIndex::Parse(index.Serialize().value());
  ASSERT_THAT(copy, IsOk());
  EXPECT_EQ(copy->size(), 0);
}

TEST(VectorIndexTest, EveryDamageIsFoundBeforeTheLibrarySeesIt) {
  const std::string bytes = IndexOf(UnitVectors(7, 20)).Serialize().value();
  for (size_t i = 0; i < bytes.size(); i += 1 + i / 40) {
    std::string damaged = bytes;
    damaged[i] = char(damaged[i] ^ (1 << (i % 8)));
    EXPECT_FALSE(VectorIndex::Parse(damaged).ok()) << "byte " << i;
  }
  for (size_t size = 0; size < bytes.size(); size += 97) {
    EXPECT_THAT(VectorIndex::Parse(bytes.substr(0, size)),
                StatusIs(StatusCode::kDataLoss, _));
  }
}

TEST(VectorIndexTest, RefusesWhatIsNoUnitVector) {
  VectorIndex index(2, {});
  const auto refused = [&](std::vector<float> vector, const char* why) {
    EXPECT_THAT(index.Add(1, vector),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr(why)));
  };
  refused({1, 0, 0}, "3 numbers, want 2");
  refused({1, 1}, "want 1");
  refused({0, 0}, "want 1");
  refused({NAN, 0}, "want 1");
  EXPECT_THAT(index.Add(1, std::vector<float>{1, 0}), IsOk());
  EXPECT_THAT(index.Add(1, std::vector<float>{0, 1}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("label 1")));
  EXPECT_THAT(index.Search(std::vector<float>{1}, 1, 1),
              StatusIs(StatusCode::kInvalidArgument, _));
  EXPECT_THAT(index.Search(std::vector<float>{1, 0}, 0, 1),
              StatusIs(StatusCode::kInvalidArgument, _));
}

}  // namespace
}  // namespace gist

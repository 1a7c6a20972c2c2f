#include "core/retrieval/tenant_index.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/base/checksum.h"
#include "core/base/random.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/faults/rounds.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::_;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Vectors = std::vector<std::vector<float>>;

const ChunkSettings kSettings{std::string(64, 'a'), 200, 40};

absl::Status Goes() { return absl::OkStatus(); }

std::vector<float> UnitVector(Rng& rng, int dimensions) {
  std::vector<float> vector(static_cast<size_t>(dimensions));
  double squares = 0;
  for (float& value : vector) {
    value = float(rng.Uniform() + rng.Uniform() + rng.Uniform() - 1.5);
    squares += double(value) * value;
  }
  for (float& value : vector) value /= float(std::sqrt(squares));
  return vector;
}

ChunkIndex IndexOf(const Vectors& vectors) {
  ChunkIndex index{
      .embedder_fingerprint = kSettings.embedder_fingerprint,
      .max_tokens = kSettings.max_tokens,
      .overlap_tokens = kSettings.overlap_tokens,
      .chunks = {},
      .vectors = VectorIndex(vectors.empty() ? 2 : int(vectors[0].size()), {})};
  for (size_t i = 0; i < vectors.size(); ++i) {
    index.chunks.push_back({int64_t(i), int64_t(i) + 1, int(i) + 1});
    EXPECT_THAT(index.vectors.Add(i, vectors[i]), IsOk());
  }
  return index;
}

// Three documents in the plane; "empty" has no chunk.
TenantIndex Sample() {
  TenantIndex index(kSettings, 2);
  EXPECT_THAT(index.Add("a", IndexOf({{1, 0}, {0, 1}}), Goes), IsOk());
  EXPECT_THAT(index.Add("empty", IndexOf({}), Goes), IsOk());
  EXPECT_THAT(index.Add("b", IndexOf({{-1, 0}, {0.6f, 0.8f}}), Goes), IsOk());
  return index;
}

std::string Best(const TenantIndex& index, std::vector<float> vector) {
  const auto found = index.Search(vector, 1, 10);
  EXPECT_THAT(found, IsOk());
  if (!found.ok() || found->empty()) return "";
  return fmt::format("{} {}", (*found)[0].document_id, (*found)[0].chunk.begin);
}

TEST(TenantIndexTest, FindsTheDocumentAndItsChunk) {
  const TenantIndex index = Sample();
  EXPECT_EQ(index.chunks(), 4);
  EXPECT_THAT(index.document_ids(), ElementsAre("a", "b", "empty"));
  EXPECT_EQ(Best(index, {0, 1}), "a 1");
  EXPECT_EQ(Best(index, {-1, 0}), "b 0");
  EXPECT_EQ(Best(index, {0.6f, 0.8f}), "b 1");
}

TEST(TenantIndexTest, TakesADocumentOnceAndOfItsOwnKindAlone) {
  TenantIndex index = Sample();
  const auto refused = StatusIs(StatusCode::kInvalidArgument, HasSubstr("a"));
  EXPECT_THAT(index.Add("a", IndexOf({{1, 0}}), Goes), refused);
  for (const auto change :
       {+[](ChunkIndex& i) { i.max_tokens = 100; },
        +[](ChunkIndex& i) { i.overlap_tokens = 0; },
        +[](ChunkIndex& i) { i.embedder_fingerprint = "another"; }}) {
    ChunkIndex other = IndexOf({{1, 0}});
    change(other);
    EXPECT_THAT(index.Add("c", other, Goes), refused);
  }
  EXPECT_THAT(index.Add("c", IndexOf({{1, 0, 0}}), Goes),
              StatusIs(StatusCode::kInvalidArgument, _));
  EXPECT_EQ(index.chunks(), 4);
}

TEST(TenantIndexTest, AnAdditionThatIsCutShortLeavesNothing) {
  TenantIndex index = Sample();
  int calls = 0;
  const auto leaves = [&calls]() -> absl::Status {
    if (++calls < 2) return absl::OkStatus();
    return absl::CancelledError("left");
  };
  EXPECT_THAT(index.Add("c", IndexOf({{0.8f, 0.6f}, {0, -1}}), leaves),
              StatusIs(StatusCode::kCancelled, _));
  EXPECT_FALSE(index.Holds("c"));
  EXPECT_EQ(index.chunks(), 4);
  EXPECT_THAT(index.Add("c", IndexOf({{0.8f, 0.6f}}), Goes), IsOk());
  EXPECT_EQ(Best(index, {0.8f, 0.6f}), "c 0");
  EXPECT_THAT(DecodeTenantIndex(EncodeTenantIndex(index).value()), IsOk());
}

TEST(TenantIndexTest, NothingOfARemovedDocumentIsInTheBytes) {
  TenantIndex index = Sample();
  const std::vector<float> vector = {0.6f, 0.8f};
  const std::string bytes(reinterpret_cast<const char*>(vector.data()),
                          sizeof(float) * vector.size());
  EXPECT_THAT(EncodeTenantIndex(index).value(), HasSubstr(bytes));
  EXPECT_TRUE(index.Remove("b"));
  EXPECT_FALSE(index.Remove("b"));
  const std::string without = EncodeTenantIndex(index).value();
  EXPECT_THAT(without, testing::Not(HasSubstr(bytes)));
  EXPECT_EQ(Best(index, {0.6f, 0.8f}), "a 1");
  EXPECT_EQ(Best(*DecodeTenantIndex(without), {-1, 0}), "a 1")
      << "also where all that is left is far away";
}

TEST(TenantIndexTest, ComesBackFromItsBytes) {
  TenantIndex index = Sample();
  ASSERT_TRUE(index.Remove("a"));
  auto copy = DecodeTenantIndex(EncodeTenantIndex(index).value());
  ASSERT_THAT(copy, IsOk());
  EXPECT_EQ(copy->settings(), kSettings);
  EXPECT_THAT(copy->document_ids(), ElementsAre("b", "empty"));
  EXPECT_EQ(Best(*copy, {0, 1}), "b 1");
  EXPECT_THAT(copy->Add("a", IndexOf({{0, 1}}), Goes), IsOk());
  EXPECT_EQ(Best(*copy, {0, 1}), "a 0");
  EXPECT_TRUE(copy->Remove("b"));
  EXPECT_THAT(copy->Search(std::vector<float>{0, 1}, 5, 10)->size(), 1u);
  const TenantIndex none(kSettings, 2);
  const auto still_none = DecodeTenantIndex(EncodeTenantIndex(none).value());
  ASSERT_THAT(still_none, IsOk());
  EXPECT_THAT(*still_none->Search(std::vector<float>{0, 1}, 5, 10), IsEmpty());
}

TEST(TenantIndexTest, SaysWhenItIsWorthWriting) {
  TenantIndex index(kSettings, 2);
  EXPECT_TRUE(index.WantsStoring());
  ASSERT_THAT(index.Add("a", IndexOf(Vectors(16, {1, 0})), Goes), IsOk());
  index.NoteStored();
  EXPECT_FALSE(index.WantsStoring());
  ASSERT_THAT(index.Add("b", IndexOf({{0, 1}}), Goes), IsOk());
  EXPECT_FALSE(index.WantsStoring()) << "1 of 17";
  ASSERT_THAT(index.Add("c", IndexOf({{0, 1}, {0, -1}}), Goes), IsOk());
  EXPECT_TRUE(index.WantsStoring()) << "3 of 19";
  index.NoteStored();
  EXPECT_TRUE(index.Remove("b"));
  EXPECT_TRUE(index.WantsStoring()) << "what is stored has b's vector";
}

TEST(TenantIndexTest, EveryDamageIsFound) {
  const std::string bytes = EncodeTenantIndex(Sample()).value();
  for (size_t i = 0; i < bytes.size(); i += 1 + i / 100) {
    std::string damaged = bytes;
    damaged[i] = char(damaged[i] ^ (1 << (i % 8)));
    EXPECT_FALSE(DecodeTenantIndex(damaged).ok()) << "byte " << i;
    EXPECT_FALSE(DecodeTenantIndex(bytes.substr(0, i)).ok()) << i << " bytes";
  }
}

// A header that was sealed by someone else.
TEST(TenantIndexTest, AHeaderThatDoesNotFitTheVectorsIsDamage) {
  const std::string bytes = EncodeTenantIndex(Sample()).value();
  const std::string payload(Unseal("tenant index", bytes).value());
  const auto with = [&](std::string_view old, std::string_view now) {
    std::string changed = payload;
    const size_t at = changed.find(old);
    EXPECT_NE(at, changed.npos) << old;
    changed.replace(at, old.size(), now);
    return DecodeTenantIndex(Seal("tenant index", changed)).status();
  };
  const auto damaged = StatusIs(StatusCode::kDataLoss, _);
  EXPECT_THAT(with("[\"b\",2,", "[\"b\",2,"), IsOk());
  EXPECT_THAT(with("[\"b\",2,", "[\"b\",1,"), damaged) << "shared";
  EXPECT_THAT(with("[\"b\",2,", "[\"b\",3,"), damaged) << "beyond the last";
  EXPECT_THAT(with("[\"b\",2,", "[\"a\",2,"), damaged) << "twice";
  EXPECT_THAT(with("[[0,1,1],[1,2,2]]", "[[0,1,1]]"), damaged) << "one short";
  EXPECT_THAT(with("\"next_label\":4", "\"next_label\":3"), damaged);
  EXPECT_THAT(with("\"documents\"", "\"dokuments\""), damaged);
}

// Of the `count` nearest by looking at all, the share that is found.
double Recall(const TenantIndex& index, const Vectors& vectors,
              const std::vector<bool>& is_there, int count, Rng& rng) {
  constexpr int kQueries = 200;
  int right = 0;
  for (int query = 0; query < kQueries; ++query) {
    const auto vector = UnitVector(rng, int(vectors[0].size()));
    std::vector<std::pair<float, size_t>> all;
    for (size_t i = 0; i < vectors.size(); ++i) {
      if (!is_there[i]) continue;
      float dot = 0;
      for (size_t k = 0; k < vector.size(); ++k)
        dot += vector[k] * vectors[i][k];
      all.emplace_back(-dot, i);
    }
    std::ranges::sort(all);
    const auto found = index.Search(vector, count, /*ef=*/64);
    EXPECT_THAT(found, IsOk());
    for (int i = 0; i < count; ++i) {
      const size_t want = all[size_t(i)].second;
      right += std::ranges::any_of(*found, [&](const FoundChunk& chunk) {
        return chunk.document_id == fmt::format("{:04}", want / 10) &&
               chunk.chunk.begin == int64_t(want % 10);
      });
    }
  }
  return double(right) / (kQueries * count);
}

// 200 documents of 10 chunks, as long as the default embedder's vectors, with
// no structure that would help. Then a quarter goes and others come.
TEST(TenantIndexTest, FindsWhatLookingAtAllFinds) {
  const uint64_t seed = Seed();
  SCOPED_TRACE(testing::Message() << "GIST_SEED=" << seed);
  Rng rng(seed);
  constexpr int kDimensions = 384;
  Vectors vectors;
  TenantIndex index(kSettings, kDimensions);
  const auto add = [&] {
    Vectors document;
    for (int i = 0; i < 10; ++i)
      document.push_back(UnitVector(rng, kDimensions));
    const std::string id = fmt::format("{:04}", vectors.size() / 10);
    ASSERT_THAT(index.Add(id, IndexOf(document), Goes), IsOk());
    vectors.insert(vectors.end(), document.begin(), document.end());
  };
  for (int i = 0; i < 200; ++i) add();
  std::vector<bool> is_there(vectors.size(), true);
  const double all = Recall(index, vectors, is_there, 4, rng);
  PrintFigure(fmt::format("recall@4 of 2000 vectors: {:.3f}", all));
  EXPECT_GE(all, 0.95);
  for (size_t document = 0; document < 200; document += 4) {
    ASSERT_TRUE(index.Remove(fmt::format("{:04}", document)));
    for (size_t i = 0; i < 10; ++i) is_there[10 * document + i] = false;
  }
  EXPECT_FALSE(index.IsSparse());
  const double left = Recall(index, vectors, is_there, 4, rng);
  PrintFigure(fmt::format("recall@4 of the 1500 left: {:.3f}", left));
  EXPECT_GE(left, 0.95);
  for (int i = 0; i < 50; ++i) add();
  is_there.resize(vectors.size(), true);
  const double again = Recall(index, vectors, is_there, 4, rng);
  PrintFigure(fmt::format("recall@4 with 500 others: {:.3f}", again));
  EXPECT_GE(again, 0.95);
  for (size_t document = 1; document < 200; document += 4)
    ASSERT_TRUE(index.Remove(fmt::format("{:04}", document)));
  EXPECT_TRUE(index.IsSparse()) << "1000 of 2500 places are removed ones";
}

}  // namespace
}  // namespace gist

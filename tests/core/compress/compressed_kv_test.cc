#include "core/compress/compressed_kv.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "core/base/float16.h"
#include "core/base/random.h"
#include "tests/core/compress/samples.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<float> Keys(const CompressedKv& kv, int layer, int head) {
  std::vector<float> out(kv.Slots(layer, head) * size_t(kv.head_dim));
  kv.ReadKeys(layer, head, out.data());
  return out;
}

std::vector<float> Values(const CompressedKv& kv, int layer, int head) {
  std::vector<float> out(kv.Slots(layer, head) * size_t(kv.head_dim));
  kv.ReadValues(layer, head, out.data());
  return out;
}

CompressedKv Stored(KvStorage storage) {
  return InStorage(RaggedKv(), storage).value();
}

TEST(CompressedKvTest, EachHeadHasItsOwnSlots) {
  const CompressedKv kv = RaggedKv();
  EXPECT_EQ(CompressedKvProblem(kv), "");
  EXPECT_EQ(kv.Slots(0, 0), 1u);
  EXPECT_EQ(kv.Slots(0, 1), 3u);
  EXPECT_EQ(kv.Slots(1, 0), 2u);
  EXPECT_EQ(kv.TotalSlots(), 7u);
  EXPECT_EQ(kv.MostSlots(), 3u);
  EXPECT_EQ(kv.MeanSlots(), 2) << "1.75, rounded up";
  EXPECT_FALSE(kv.IsUniform());
  EXPECT_THAT(Keys(kv, 0, 0), ElementsAre(-3, -2.75, -2.5, -2.25));
  EXPECT_THAT(Values(kv, 1, 1), ElementsAre(-10, -10.5, -11, -11.5));
}

TEST(CompressedKvTest, F16IsExactForWhatItCanHold) {
  const CompressedKv kv = Stored(KvStorage::kF16);
  EXPECT_EQ(kv.storage, KvStorage::kF16);
  for (int layer = 0; layer < 2; ++layer) {
    for (int head = 0; head < 2; ++head) {
      EXPECT_EQ(Keys(kv, layer, head), Keys(RaggedKv(), layer, head));
      EXPECT_EQ(Values(kv, layer, head), Values(RaggedKv(), layer, head));
    }
  }
  EXPECT_EQ(kv.Bytes(), 7 * 4 * 2 * 2 + 7 * 4 + 7 * 4);
}

TEST(CompressedKvTest, F16BecomesWiderWhereTheRangeNeedsIt) {
  const std::pair<float, KvStorage> cases[] = {
      {65504.0f, KvStorage::kF16},
      {65536.0f, KvStorage::kBf16},
      {0x1.fep127f, KvStorage::kBf16},
      {std::numeric_limits<float>::max(), KvStorage::kF32}};
  for (const auto& [largest, storage] : cases) {
    CompressedKv kv = RaggedKv();
    std::memcpy(kv.values.data() + 12, &largest, sizeof(largest));
    const auto stored = InStorage(kv, KvStorage::kF16);
    ASSERT_THAT(stored, IsOk());
    EXPECT_EQ(stored->storage, storage) << largest;
    EXPECT_EQ(Values(*stored, 0, 0)[3], largest);
    EXPECT_EQ(InStorage(*stored, storage).value(), *stored) << "as it is";
  }
}

// A number of one slot is off by half a step at most: 1/254 of the slot's
// largest, and 1/128 of that more because the scale is a bfloat16.
TEST(CompressedKvTest, I8IsOffByHalfAStepAtMost) {
  Rng random(7);
  CompressedKv kv = RaggedKv();
  std::vector<float> numbers(7 * 4);
  for (size_t i = 0; i < numbers.size(); ++i) {
    const float magnitude = std::pow(10.0f, float(i / 4) - 3);
    numbers[i] = (float(random.Uniform()) * 2 - 1) * magnitude;
  }
  kv.keys = FloatBytes(numbers);
  const auto stored = InStorage(kv, KvStorage::kI8);
  ASSERT_THAT(stored, IsOk());
  EXPECT_EQ(CompressedKvProblem(*stored), "");
  EXPECT_EQ(stored->Bytes(), 7 * 4 * 2 + 7 * 2 * 2 + 7 * 4 + 7 * 4);
  size_t slot = 0;
  for (int head = 0; head < 4; ++head) {
    const auto want = Keys(kv, head / 2, head % 2);
    const auto got = Keys(*stored, head / 2, head % 2);
    for (size_t i = 0; i < want.size(); i += 4, ++slot) {
      float largest = 0;
      for (size_t d = 0; d < 4; ++d)
        largest = std::max(largest, std::fabs(want[i + d]));
      for (size_t d = 0; d < 4; ++d) {
        EXPECT_NEAR(got[i + d], want[i + d], largest / 254 * (1 + 1.0 / 128))
            << slot << " " << d;
      }
    }
  }
}

TEST(CompressedKvTest, I8KeepsZerosAndExtremes) {
  CompressedKv kv = RaggedKv();
  std::vector<float> numbers(28, 0.0f);
  numbers[4] = std::numeric_limits<float>::max() / 4;
  numbers[8] = -std::numeric_limits<float>::denorm_min();
  numbers[12] = 127;
  numbers[13] = -127;
  kv.keys = FloatBytes(numbers);
  const auto stored = InStorage(kv, KvStorage::kI8);
  ASSERT_THAT(stored, IsOk());
  EXPECT_THAT(Keys(*stored, 0, 0), ElementsAre(0, 0, 0, 0));
  const auto second = Keys(*stored, 0, 1);
  EXPECT_NEAR(second[0] / numbers[4], 1, 0.01);
  EXPECT_NEAR(second[4], 0, 1e-40);
  EXPECT_EQ(second[8], 127);
  EXPECT_EQ(second[9], -127);
}

TEST(CompressedKvTest, RefusesConversionsThatItDoesNotKnow) {
  EXPECT_THAT(InStorage(RaggedKv(), KvStorage::kI4),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("become i4")));
  EXPECT_THAT(InStorage(Stored(KvStorage::kI8), KvStorage::kF16),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("in i8")));
  CompressedKv kv = RaggedKv();
  const float nan = std::nanf("");
  std::memcpy(kv.keys.data() + 20, &nan, sizeof(nan));
  EXPECT_THAT(InStorage(kv, KvStorage::kF16),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("keys hold nan at element 5")));
}

TEST(CompressedKvTest, FindsWhatContradictsItself) {
  const std::pair<std::function<void(CompressedKv&)>, const char*> cases[] = {
      {[](CompressedKv& kv) { kv.layers = 3; }, "want 3 layers"},
      {[](CompressedKv& kv) { kv.layers = 0; }, "want 0 layers"},
      {[](CompressedKv& kv) { kv.first_slot.clear(); }, "slot counts of 0"},
      {[](CompressedKv& kv) { kv.first_slot[1] = 0; }, "without slots"},
      {[](CompressedKv& kv) { kv.first_slot.back() = 4'000'000'000; },
       "4000000000 slots"},
      {[](CompressedKv& kv) { kv.head_dim = 1 << 30; }, "of 1073741824"},
      {[](CompressedKv& kv) { kv.keys.pop_back(); }, "keys of 27 B"},
      {[](CompressedKv& kv) { kv.values += 'x'; }, "values of 29 B"},
      {[](CompressedKv& kv) { kv.key_scales.pop_back(); }, "6 and 7 scales"},
      {[](CompressedKv& kv) { kv.positions.pop_back(); }, "6 positions"},
      {[](CompressedKv& kv) { kv.bias.pop_back(); }, "6 biases"},
      {[](CompressedKv& kv) { kv.storage = KvStorage::kI4; }, "i4"},
      {[](CompressedKv& kv) { kv.storage = KvStorage::kF16; }, "in f16"},
      {[](CompressedKv& kv) { kv.value_scales[2] = 0x7f80; }, "finite"},
      {[](CompressedKv& kv) { kv.bias[3] = INFINITY; }, "bias inf at slot 3"}};
  for (const auto& [change, message] : cases) {
    CompressedKv kv = Stored(KvStorage::kI8);
    change(kv);
    EXPECT_THAT(CompressedKvProblem(kv), HasSubstr(message));
  }
}

TEST(CompressedKvTest, DenseRoundTrips) {
  GistKv dense{.layers = 2, .kv_heads = 1, .gist_tokens = 3, .head_dim = 2};
  for (int i = 0; i < 12; ++i) {
    dense.keys.push_back(float(i));
    dense.values.push_back(float(-i));
  }
  const CompressedKv kv = FromDense(dense);
  EXPECT_EQ(CompressedKvProblem(kv), "");
  EXPECT_TRUE(kv.IsUniform());
  EXPECT_THAT(Keys(kv, 1, 0), ElementsAre(6, 7, 8, 9, 10, 11));
  EXPECT_EQ(ToDense(kv), dense);
}

TEST(CompressedKvTest, SaysWhatCanBeLoadedDense) {
  GistKv dense{.layers = 1, .kv_heads = 2, .gist_tokens = 2, .head_dim = 1};
  dense.keys = dense.values = {1, 2, 3, 4};
  CompressedKv kv = FromDense(dense);
  EXPECT_THAT(CheckDense(kv), IsOk());
  kv.positions = {0, 1, 0, 1};
  EXPECT_THAT(CheckDense(kv), IsOk());
  kv.positions = {0, 1, 0, 2};
  EXPECT_TRUE(absl::IsUnimplemented(CheckDense(kv)));
  kv.positions.clear();
  kv.bias = {0, 0, 0, 0};
  EXPECT_TRUE(absl::IsUnimplemented(CheckDense(kv)));
  CompressedKv ragged = RaggedKv();
  ragged.bias.clear();
  ragged.positions.clear();
  EXPECT_TRUE(absl::IsUnimplemented(CheckDense(ragged)));
  ragged.keys.clear();
  EXPECT_THAT(CheckDense(ragged),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("keys of 0 B")));
}

TEST(CompressedKvTest, JoinsHeadByHead) {
  for (KvStorage storage : {KvStorage::kF32, KvStorage::kI8}) {
    const CompressedKv part = Stored(storage);
    const CompressedKv parts[] = {part, part};
    const auto joined = JoinKv(parts);
    ASSERT_THAT(joined, IsOk());
    EXPECT_EQ(CompressedKvProblem(*joined), "");
    EXPECT_EQ(joined->first_slot, (std::vector<uint32_t>{0, 2, 8, 12, 14}));
    std::vector<float> twice = Keys(part, 0, 1);
    const std::vector<float> once = twice;
    twice.insert(twice.end(), once.begin(), once.end());
    EXPECT_EQ(Keys(*joined, 0, 1), twice);
    EXPECT_THAT(joined->positions,
                ElementsAre(5, 5, 0, 2, 9, 0, 2, 9, 1, 3, 1, 3, 8, 8));
  }
  CompressedKv other = RaggedKv();
  other.positions.clear();
  const CompressedKv unlike[] = {RaggedKv(), other};
  EXPECT_THAT(JoinKv(unlike),
              StatusIs(StatusCode::kInternal, HasSubstr("joined")));
}

TEST(KvStorageTest, NamesAreRead) {
  for (KvStorage storage : {KvStorage::kF32, KvStorage::kF16, KvStorage::kBf16,
                            KvStorage::kI8, KvStorage::kI4}) {
    EXPECT_EQ(ParseKvStorage(KvStorageName(storage)), storage);
  }
  EXPECT_FALSE(ParseKvStorage("int8"));
}

}  // namespace
}  // namespace gist

#include "storage/kv_codec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "core/format/safetensors.h"
#include "nlohmann/json.hpp"
#include "tests/core/compress/samples.h"
#include "tests/storage/blob_bytes.h"
#include "tests/storage/samples.h"
#include "tests/support/read_file.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

std::string Encoded(const KvBlob& blob) {
  const auto bytes = EncodeKvBlob(blob);
  EXPECT_THAT(bytes, IsOk());
  return bytes.ok() ? *bytes : "";
}

KvBlob WithText() {
  KvBlob blob = SampleBlob();
  blob.text = kSampleText;
  return blob;
}

void ExpectSame(const KvBlob& got, const KvBlob& want) {
  EXPECT_TRUE(got.record == want.record);
  EXPECT_TRUE(got.kv == want.kv);
  EXPECT_EQ(got.text, want.text);
}

// `blob` as a file whose checksum is right and whose inside `change` altered.
std::string Changed(const KvBlob& blob,
                    const std::function<void(SafeTensors&)>& change) {
  const std::string bytes = Encoded(blob);
  auto file = ParseSafeTensors(bytes);
  EXPECT_THAT(file, IsOk());
  change(*file);
  return WithChecksum(WriteSafeTensors(*file));
}

class KvCodecStorageTest : public testing::TestWithParam<KvStorage> {};

// Ragged lists, positions and biases, in each storage type.
TEST_P(KvCodecStorageTest, RoundTrips) {
  KvBlob blob = SampleBlob();
  CompressedKv kv = RaggedKv();
  const float wide = GetParam() == KvStorage::kF32
                         ? std::numeric_limits<float>::max()
                         : 70'000.0f;
  if (GetParam() == KvStorage::kF32 || GetParam() == KvStorage::kBf16)
    std::memcpy(kv.values.data(), &wide, sizeof(wide));
  const bool is_i8 = GetParam() == KvStorage::kI8;
  kv = InStorage(kv, is_i8 ? KvStorage::kI8 : KvStorage::kF16).value();
  ASSERT_EQ(kv.storage, GetParam());
  Representation form = SampleFullForm();
  form.storage = is_i8 ? KvStorage::kI8 : KvStorage::kF16;
  SetSizes(kv, form);
  blob.record.representations = {form};
  blob.kv = {kv};
  const auto decoded = DecodeKvBlob(Encoded(blob));
  ASSERT_THAT(decoded, IsOk());
  ExpectSame(*decoded, blob);
}

INSTANTIATE_TEST_SUITE_P(Types, KvCodecStorageTest,
                         testing::Values(KvStorage::kF32, KvStorage::kF16,
                                         KvStorage::kBf16, KvStorage::kI8),
                         [](const auto& test) {
                           return std::string(KvStorageName(test.param));
                         });

TEST(KvCodecTest, CarriesSeveralRepresentations) {
  const auto decoded = DecodeKvBlob(Encoded(SampleBlobOfTwo()));
  ASSERT_THAT(decoded, IsOk());
  ExpectSame(*decoded, SampleBlobOfTwo());
}

TEST(KvCodecTest, CarriesATextWithoutRepresentations) {
  KvBlob blob = WithText();
  blob.record.representations.clear();
  blob.kv.clear();
  const auto decoded = DecodeKvBlob(Encoded(blob));
  ASSERT_THAT(decoded, IsOk());
  ExpectSame(*decoded, blob);
}

TEST(KvCodecTest, CarriesTheTextOfAnExport) {
  const auto decoded = DecodeKvBlob(Encoded(WithText()));
  ASSERT_THAT(decoded, IsOk());
  ExpectSame(*decoded, WithText());
}

TEST(KvCodecTest, WorksOutSizesItself) {
  KvBlob blob = SampleBlob();
  blob.record.representations[0].kv_bytes = 7;
  blob.record.representations[0].kv_slots = 7;
  const auto decoded = DecodeKvBlob(Encoded(blob));
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->record.representations[0].kv_bytes, 2 * 16 * 2);
  EXPECT_EQ(decoded->record.representations[0].kv_slots, 2);
}

KvBlob OldWithText() {
  return {OldSampleRecord(), {SampleGists()}, kSampleText};
}

// Files of version 1 that lie with users: they stay readable.
TEST(KvCodecTest, ReadsVersion1) {
  const std::string bytes = ReadFile("tests/storage/data/version1.safetensors");
  EXPECT_THAT(bytes, HasSubstr(R"("format_version":"1")"));
  const auto decoded = DecodeKvBlob(bytes);
  ASSERT_THAT(decoded, IsOk());
  ExpectSame(*decoded, OldWithText());
}

TEST(KvCodecTest, RejectsVersion1WhoseShapeContradictsItsRecord) {
  const std::string bytes = ReadFile("tests/storage/data/version1.safetensors");
  const std::pair<std::function<void(SafeTensors&)>, const char*> cases[] = {
      {[](SafeTensors& file) { file.tensors.erase("gist.values"); },
       "no tensor \"gist.values\""},
      {[](SafeTensors& file) {
         file.tensors["gist.keys"].shape = {2, 1, 4, 2};
         file.tensors["gist.values"].shape = {2, 1, 4, 2};
       },
       "want 64 B in 2 slots"},
      {[](SafeTensors& file) { file.tensors["gist.keys"].shape = {16}; },
       "keys [16]"},
      {[](SafeTensors& file) {
         file.tensors["x"] = {TensorType::kU8, {0}, ""};
       },
       "unknown tensor \"x\""}};
  for (const auto& [change, message] : cases) {
    auto file = ParseSafeTensors(bytes);
    ASSERT_THAT(file, IsOk());
    change(*file);
    EXPECT_THAT(DecodeKvBlob(WithChecksum(WriteSafeTensors(*file))),
                StatusIs(StatusCode::kDataLoss, HasSubstr(message)));
  }
}

// These bytes never change.
TEST(KvCodecTest, WritesTheBytesThatVersion2Wrote) {
  EXPECT_EQ(Encoded(SampleBlobOfTwo()),
            ReadFile("tests/storage/data/version2.safetensors"));
}

// tests/reference/check_blob.py made it, with Python's safetensors.
TEST(KvCodecTest, ReadsWhatPythonWrote) {
  const auto decoded =
      DecodeKvBlob(ReadFile("tests/storage/data/python.safetensors"));
  ASSERT_THAT(decoded, IsOk());
  ExpectSame(*decoded, OldWithText());
}

TEST(KvCodecTest, RejectsEveryTruncation) {
  const std::string whole = Encoded(SampleBlobOfTwo());
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto blob = DecodeKvBlob(std::string_view(whole).substr(0, size));
    EXPECT_TRUE(absl::IsDataLoss(blob.status())) << size << blob.status();
  }
}

TEST(KvCodecTest, RejectsEveryFlippedBit) {
  const std::string whole = Encoded(SampleBlobOfTwo());
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] ^= char(1 << bit % 8);
    const auto blob = DecodeKvBlob(flipped);
    EXPECT_TRUE(absl::IsDataLoss(blob.status())) << bit << blob.status();
  }
}

TEST(KvCodecTest, RejectsTrailingBytesWhateverTheChecksumSays) {
  const std::string longer = Encoded(WithText()) + '\0';
  EXPECT_THAT(DecodeKvBlob(longer),
              StatusIs(StatusCode::kDataLoss, HasSubstr("checksum")));
  EXPECT_THAT(DecodeKvBlob(WithChecksum(longer)),
              StatusIs(StatusCode::kDataLoss, HasSubstr("file's end")));
}

TEST(KvCodecTest, RejectsAHeaderLengthThatLies) {
  const std::string whole = Encoded(WithText());
  for (uint64_t length :
       {uint64_t(0), uint64_t(1), uint64_t(262145), uint64_t(whole.size()),
        uint64_t(1) << 63, std::numeric_limits<uint64_t>::max()}) {
    std::string bytes = whole + std::string(300'000, ' ');
    std::memcpy(bytes.data(), &length, sizeof(length));
    const auto blob = DecodeKvBlob(WithChecksum(bytes));
    EXPECT_TRUE(absl::IsDataLoss(blob.status())) << length << blob.status();
  }
}

TEST(KvCodecTest, SaysThatAnotherFileIsNoKvBlob) {
  const std::string other = WriteSafeTensors({{{"format", "pt"}}, {}});
  EXPECT_THAT(DecodeKvBlob(other),
              StatusIs(StatusCode::kDataLoss, HasSubstr("no blob of gistd")));
}

TEST(KvCodecTest, SkipsRecordFieldsThatItDoesNotKnow) {
  const auto blob = DecodeKvBlob(Changed(SampleBlob(), [](SafeTensors& file) {
    file.metadata["context"].replace(0, 1, R"({"note":[1,{}],)");
    file.metadata["note"] = "x";
  }));
  ASSERT_THAT(blob, IsOk());
  ExpectSame(*blob, SampleBlob());
}

TEST(KvCodecTest, NamesANewerVersion) {
  const std::string bytes = Changed(SampleBlob(), [](SafeTensors& file) {
    file.metadata["format_version"] = "3";
    file.metadata["context"] = "of another shape";
  });
  EXPECT_THAT(DecodeKvBlob(bytes),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("version 3, supported are 1 to 2")));
}

// A true checksum over an inside that contradicts itself: what a fault in
// another writer, or malice, would send.
struct Contradiction {
  const char* name;
  std::function<void(SafeTensors&)> change;
  const char* message;
};
class KvCodecContradictionTest : public testing::TestWithParam<Contradiction> {
};

TEST_P(KvCodecContradictionTest, IsRejected) {
  EXPECT_THAT(DecodeKvBlob(Changed(WithText(), GetParam().change)),
              StatusIs(StatusCode::kDataLoss, HasSubstr(GetParam().message)));
}

std::function<void(SafeTensors&)> Meta(const char* key, const char* value) {
  return [=](SafeTensors& file) { file.metadata[key] = value; };
}

std::function<void(SafeTensors&)> Record(
    std::function<void(nlohmann::json&)> change) {
  return [=](SafeTensors& file) {
    auto record = nlohmann::json::parse(file.metadata["context"]);
    change(record);
    file.metadata["context"] = record.dump();
  };
}

std::function<void(SafeTensors&)> Field(const char* key, nlohmann::json value) {
  return Record([=](nlohmann::json& record) { record[key] = value; });
}

// Of the first representation.
std::function<void(SafeTensors&)> Form(const char* key, nlohmann::json value) {
  return Record([=](nlohmann::json& record) {
    record["representations"][0][key] = value;
  });
}

std::function<void(SafeTensors&)> NoTensor(const char* name) {
  return [=](SafeTensors& file) { file.tensors.erase(name); };
}

std::function<void(SafeTensors&)> Shape(const char* tensor,
                                        std::vector<int64_t> shape) {
  return [=](SafeTensors& file) { file.tensors[tensor].shape = shape; };
}

// The 16 keys as data of `type`; each element is `element`.
std::function<void(SafeTensors&)> Keys(TensorType type, std::string element) {
  return [=](SafeTensors& file) {
    static std::string data;
    data.clear();
    for (int i = 0; i < 16; ++i) data += element;
    file.tensors["0.keys"].type = type;
    file.tensors["0.keys"].data = data;
  };
}

std::function<void(SafeTensors&)> Text(std::string_view text) {
  return [=](SafeTensors& file) {
    file.tensors["document.text"].shape = {int64_t(text.size())};
    file.tensors["document.text"].data = text;
  };
}

INSTANTIATE_TEST_SUITE_P(
    Blobs, KvCodecContradictionTest,
    testing::Values(
        Contradiction{"OtherFormat", Meta("format", "pt"), "\"pt\", want"},
        Contradiction{"VersionZero", Meta("format_version", "0"), "\"0\""},
        Contradiction{"VersionWords", Meta("format_version", "1x"), "\"1x\""},
        Contradiction{"NoFormat",
                      [](SafeTensors& file) { file.metadata.erase("format"); },
                      "no \"format\""},
        Contradiction{"NoRecord",
                      [](SafeTensors& file) { file.metadata.erase("context"); },
                      "no \"context\""},
        Contradiction{"NoJson", Meta("context", "{"), "no JSON"},
        Contradiction{"JsonArray", Meta("context", "[]"), "no JSON object"},
        Contradiction{"NoTokens", Record([](nlohmann::json& record) {
                        record["representations"][0].erase("gist_tokens");
                      }),
                      "gist_tokens is missing"},
        Contradiction{"NoForms", Field("representations", {}),
                      "no list of 64 at most"},
        Contradiction{"EmptyForms",
                      Field("representations", nlohmann::json::array()),
                      "unknown tensor \"0."},
        Contradiction{"NumberForForm",
                      Field("representations", nlohmann::json::array({1})),
                      "no JSON object"},
        Contradiction{"FormTwice", Record([](nlohmann::json& record) {
                        auto& forms = record["representations"];
                        forms.push_back(forms[0]);
                      }),
                      "is there twice"},
        Contradiction{"TextTokens", Form("gist_tokens", "2"), "is string"},
        Contradiction{"FractionTokens", Form("gist_tokens", 2.5), "32-bit"},
        Contradiction{"HugeTokens", Form("gist_tokens", 1LL << 33), "32-bit"},
        Contradiction{"HugeBytes", Field("document_bytes", 1ULL << 63),
                      "64-bit"},
        Contradiction{"NegativeTime", Field("created_unix_ms", -1), "is -1"},
        Contradiction{"NegativeSeconds", Form("build_seconds", -0.5),
                      "is -0.5"},
        Contradiction{"NoTokensAtAll", Field("document_tokens", 0), "is 0"},
        Contradiction{"NumberForBool", Form("imported", 1), "true or false"},
        Contradiction{"OtherTokens", Form("gist_tokens", 3), "3 gists"},
        Contradiction{"OtherModel",
                      Field("model_fingerprint", Sha256Hex("other")),
                      "context_id"},
        Contradiction{"ShortModel", Field("model_fingerprint", "abc"),
                      "64 lower-case hex digits"},
        Contradiction{"NoAdapter", Form("adapter_fingerprint", ""),
                      "adapter_fingerprint"},
        Contradiction{"NoMethod", Form("method_version", 0),
                      "method_version is 0"},
        Contradiction{"OtherKvBytes", Form("kv_bytes", 60), "64 B in 2 slots"},
        Contradiction{"OtherSlots", Form("kv_slots", 3), "64 B in 2 slots"},
        Contradiction{"OtherStorage", Form("storage", "i8"), "in f16, want i8"},
        Contradiction{"OtherDocumentBytes", Field("document_bytes", 32),
                      "33 B, want 32 B"},
        Contradiction{"OtherText", Text("short"), "5 B, want 33 B"},
        Contradiction{"EmptyText", Text(""), "document.text [0]"},
        Contradiction{"TextNotUtf8",
                      Text("The key of the blue door is 7316\xff"),
                      "UTF-8 from byte 32"},
        Contradiction{"SquareText", Shape("document.text", {3, 11}),
                      "document.text [3, 11]"},
        Contradiction{"UnknownTensor",
                      [](SafeTensors& file) {
                        file.tensors["x"] = {TensorType::kU8, {0}, ""};
                      },
                      "unknown tensor \"x\""},
        Contradiction{"NoValues", NoTensor("0.values"), "no tensor"},
        Contradiction{"NoSlots", NoTensor("0.slots"), "no tensor"},
        Contradiction{"FlatSlots", Shape("0.slots", {2}), "[layers, kv_heads]"},
        Contradiction{"OtherShape", Shape("0.keys", {2, 8}), "keys [2, 8]"},
        Contradiction{"FlatKeys",
                      [](SafeTensors& file) {
                        file.tensors["0.keys"].shape = {16};
                        file.tensors["0.values"].shape = {16};
                      },
                      "keys [16]"},
        Contradiction{"SwappedAxes",
                      [](SafeTensors& file) {
                        file.tensors["0.keys"].shape = {8, 2};
                        file.tensors["0.values"].shape = {8, 2};
                      },
                      "the same [4, head_dim]"},
        Contradiction{"TwoTypes", Keys(TensorType::kBf16, "ab"), "one type"},
        Contradiction{"TooManySlots",
                      [](SafeTensors& file) {
                        static const std::string slots(8, '\xff');
                        file.tensors["0.slots"].data = slots;
                      },
                      "over 2^32 slots"},
        Contradiction{"NoSlotAtAll",
                      [](SafeTensors& file) {
                        static const std::string slots("\4\0\0\0\0\0\0\0", 8);
                        file.tensors["0.slots"].data = slots;
                      },
                      "without slots"},
        Contradiction{
            "PositionsOfFew",
            [](SafeTensors& file) {
              file.tensors["0.positions"] = {TensorType::kU32, {1}, "abcd"};
            },
            "each of 4 slots"},
        Contradiction{"ScalesOfFloats",
                      [](SafeTensors& file) {
                        file.tensors["0.key_scales"] = {
                            TensorType::kBf16, {4}, "abcdefgh"};
                      },
                      "4 and 0 scales"},
        Contradiction{"Infinity", Keys(TensorType::kF16, {'\x00', '\x7c'}),
                      "hold inf at element 0"},
        Contradiction{"NotANumber", Keys(TensorType::kF16, {'\x01', '\x7e'}),
                      "hold nan at element 0"}),
    [](const auto& test) { return std::string(test.param.name); });

// What a newer gistd may write into version 2.
TEST(KvCodecTest, NamesARungOrStorageTypeThatItDoesNotKnow) {
  for (const auto& [key, value] :
       {std::pair("rung", "folded"), std::pair("storage", "i2")}) {
    EXPECT_THAT(DecodeKvBlob(Changed(SampleBlob(), Form(key, value))),
                StatusIs(StatusCode::kFailedPrecondition, HasSubstr(value)));
  }
}

TEST(KvCodecTest, RejectsATypeThatNoBlobHas) {
  std::string bytes = Encoded(SampleBlob());
  bytes.replace(bytes.find("\"F16\""), 5, "\"I16\"");
  EXPECT_THAT(DecodeKvBlob(WithChecksum(bytes)),
              StatusIs(StatusCode::kDataLoss, HasSubstr("I16")));
}

struct BadInput {
  const char* name;
  std::function<void(KvBlob&)> change;
  const char* message;
};
class KvCodecInputTest : public testing::TestWithParam<BadInput> {};

TEST_P(KvCodecInputTest, IsNotEncoded) {
  KvBlob blob = WithText();
  GetParam().change(blob);
  EXPECT_THAT(EncodeKvBlob(blob), StatusIs(StatusCode::kInvalidArgument,
                                           HasSubstr(GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(
    Blobs, KvCodecInputTest,
    testing::Values(
        BadInput{"NotANumber",
                 [](KvBlob& blob) { blob.kv[0].keys.replace(10, 2, "\1\x7e"); },
                 "keys hold nan at element 5"},
        BadInput{"TooFewValues",
                 [](KvBlob& blob) { blob.kv[0].values.pop_back(); },
                 "values of 31 B"},
        BadInput{"NegativeSizes",
                 [](KvBlob& blob) {
                   blob.kv[0].layers = -2;
                   blob.kv[0].kv_heads = -1;
                 },
                 "want -2 layers"},
        BadInput{"NoKv", [](KvBlob& blob) { blob.kv = {}; },
                 "of 0 representations, want 1"},
        BadInput{"EmptyKv", [](KvBlob& blob) { blob.kv[0] = {}; },
                 "want 1 or more"},
        BadInput{"OtherTokens",
                 [](KvBlob& blob) { blob.kv[0] = SampleGists(3); },
                 "up to 3 slots a head, want 2"},
        BadInput{"OtherId",
                 [](KvBlob& blob) { blob.record.context_id = "ctx_1"; },
                 "\"ctx_1\", want ctx_"},
        BadInput{"NotATime",
                 [](KvBlob& blob) {
                   blob.record.representations[0].build_seconds = NAN;
                 },
                 "build_seconds is nan"},
        BadInput{"OtherText", [](KvBlob& blob) { blob.text += "!"; },
                 "34 B, want 33 B"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(KvCodecTest, NamesBothModelsWhereTheyDiffer) {
  const ContextRecord record = SampleRecord();
  EXPECT_THAT(CheckModel(record, Sha256Hex("model")), IsOk());
  EXPECT_THAT(CheckModel(record, Sha256Hex("other")),
              StatusIs(StatusCode::kFailedPrecondition,
                       testing::AllOf(HasSubstr(Sha256Hex("model")),
                                      HasSubstr(Sha256Hex("other")))));
}

}  // namespace
}  // namespace gist

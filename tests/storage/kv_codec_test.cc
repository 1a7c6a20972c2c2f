#include "storage/kv_codec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "core/base/float16.h"
#include "core/format/safetensors.h"
#include "nlohmann/json.hpp"
#include "tests/storage/blob_bytes.h"
#include "tests/storage/samples.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

std::string Encoded(const GistBlob& blob) {
  const auto bytes = EncodeGistBlob(blob);
  EXPECT_THAT(bytes, IsOk());
  return bytes.ok() ? *bytes : "";
}

GistBlob WithText() {
  GistBlob blob = SampleBlob();
  blob.text = kSampleText;
  return blob;
}

std::string ReadFile(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(stream.is_open()) << path;
  return {std::istreambuf_iterator<char>(stream), {}};
}

void ExpectSame(const GistBlob& got, const GistBlob& want) {
  EXPECT_TRUE(got.record == want.record);
  EXPECT_TRUE(got.gists == want.gists);
  EXPECT_EQ(got.text, want.text);
}

// `blob` as a file whose checksum is right and whose inside `change` altered.
std::string Changed(const GistBlob& blob,
                    const std::function<void(SafeTensors&)>& change) {
  const std::string bytes = Encoded(blob);
  auto file = ParseSafeTensors(bytes);
  EXPECT_THAT(file, IsOk());
  change(*file);
  return WithChecksum(WriteSafeTensors(*file));
}

struct StoredType {
  const char* test;
  float largest;
  const char* name;
  int bytes;
};
class KvCodecTypeTest : public testing::TestWithParam<StoredType> {};

TEST_P(KvCodecTypeTest, RoundTripsInTheNarrowestTypeThatHoldsEveryValue) {
  GistBlob blob = SampleBlob();
  blob.gists.values[3] = -GetParam().largest;
  const std::string bytes = Encoded(blob);
  EXPECT_THAT(bytes, HasSubstr(fmt::format(R"("gist.keys":{{"dtype":"{}")",
                                           GetParam().name)));
  const int64_t kv_bytes = int64_t(2 * 16 * GetParam().bytes);
  EXPECT_EQ(BlobKvBytes(blob.gists), kv_bytes);
  blob.record.kv_bytes = kv_bytes;
  const auto decoded = DecodeGistBlob(bytes);
  ASSERT_THAT(decoded, IsOk());
  ExpectSame(*decoded, blob);
}

INSTANTIATE_TEST_SUITE_P(
    Types, KvCodecTypeTest,
    testing::Values(StoredType{"Small", 1.0f, "F16", 2},
                    StoredType{"LargestHalf", 65504.0f, "F16", 2},
                    StoredType{"OverHalf", 65536.0f, "BF16", 2},
                    StoredType{"LargestBfloat16", 0x1.fep127f, "BF16", 2},
                    StoredType{"LargestFloat",
                               std::numeric_limits<float>::max(), "F32", 4}),
    [](const auto& test) { return std::string(test.param.test); });

TEST(KvCodecTest, RoundsToTheNearestValueOfTheType) {
  GistBlob blob = SampleBlob();
  blob.gists.keys[0] = 0.1f;
  auto decoded = DecodeGistBlob(Encoded(blob));
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->gists.keys[0], HalfToFloat(FloatToHalf(0.1f)));

  blob.gists.values[0] = 1e6f;
  decoded = DecodeGistBlob(Encoded(blob));
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->gists.keys[0], Bfloat16ToFloat(FloatToBfloat16(0.1f)));
}

TEST(KvCodecTest, CarriesTheTextOfAnExport) {
  const auto decoded = DecodeGistBlob(Encoded(WithText()));
  ASSERT_THAT(decoded, IsOk());
  ExpectSame(*decoded, WithText());
}

TEST(KvCodecTest, WorksOutKvBytesItself) {
  GistBlob blob = SampleBlob();
  blob.record.kv_bytes = 7;
  const auto decoded = DecodeGistBlob(Encoded(blob));
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->record.kv_bytes, 2 * 16 * 2);
}

// Files of version 1 that lie with users: these bytes never change.
TEST(KvCodecTest, WritesTheBytesThatVersion1Wrote) {
  EXPECT_EQ(Encoded(WithText()),
            ReadFile("tests/storage/data/version1.safetensors"));
}

// tests/reference/check_blob.py made it, with Python's safetensors.
TEST(KvCodecTest, ReadsWhatPythonWrote) {
  const auto decoded =
      DecodeGistBlob(ReadFile("tests/storage/data/python.safetensors"));
  ASSERT_THAT(decoded, IsOk());
  ExpectSame(*decoded, WithText());
}

TEST(KvCodecTest, RejectsEveryTruncation) {
  const std::string whole = Encoded(WithText());
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto blob = DecodeGistBlob(std::string_view(whole).substr(0, size));
    EXPECT_TRUE(absl::IsDataLoss(blob.status())) << size << blob.status();
  }
}

TEST(KvCodecTest, RejectsEveryFlippedBit) {
  const std::string whole = Encoded(WithText());
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] ^= char(1 << bit % 8);
    const auto blob = DecodeGistBlob(flipped);
    EXPECT_TRUE(absl::IsDataLoss(blob.status())) << bit << blob.status();
  }
}

TEST(KvCodecTest, RejectsTrailingBytesWhateverTheChecksumSays) {
  const std::string longer = Encoded(WithText()) + '\0';
  EXPECT_THAT(DecodeGistBlob(longer),
              StatusIs(StatusCode::kDataLoss, HasSubstr("checksum")));
  EXPECT_THAT(DecodeGistBlob(WithChecksum(longer)),
              StatusIs(StatusCode::kDataLoss, HasSubstr("file's end")));
}

TEST(KvCodecTest, RejectsAHeaderLengthThatLies) {
  const std::string whole = Encoded(WithText());
  for (uint64_t length :
       {uint64_t(0), uint64_t(1), uint64_t(65537), uint64_t(whole.size()),
        uint64_t(1) << 63, std::numeric_limits<uint64_t>::max()}) {
    std::string bytes = whole + std::string(100'000, ' ');
    std::memcpy(bytes.data(), &length, sizeof(length));
    const auto blob = DecodeGistBlob(WithChecksum(bytes));
    EXPECT_TRUE(absl::IsDataLoss(blob.status())) << length << blob.status();
  }
}

TEST(KvCodecTest, SaysThatAnotherFileIsNoGistBlob) {
  const std::string other = WriteSafeTensors({{{"format", "pt"}}, {}});
  EXPECT_THAT(DecodeGistBlob(other),
              StatusIs(StatusCode::kDataLoss, HasSubstr("no gist blob")));
}

TEST(KvCodecTest, SkipsRecordFieldsThatItDoesNotKnow) {
  const auto blob = DecodeGistBlob(Changed(SampleBlob(), [](SafeTensors& file) {
    file.metadata["gist"].replace(0, 1, R"({"note":[1,{}],)");
    file.metadata["note"] = "x";
  }));
  ASSERT_THAT(blob, IsOk());
  ExpectSame(*blob, SampleBlob());
}

TEST(KvCodecTest, NamesANewerVersion) {
  const std::string bytes = Changed(SampleBlob(), [](SafeTensors& file) {
    file.metadata["format_version"] = "2";
    file.metadata["gist"] = "of another shape";
  });
  EXPECT_THAT(DecodeGistBlob(bytes),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("version 2, supported is 1")));
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
  EXPECT_THAT(DecodeGistBlob(Changed(WithText(), GetParam().change)),
              StatusIs(StatusCode::kDataLoss, HasSubstr(GetParam().message)));
}

std::function<void(SafeTensors&)> Meta(const char* key, const char* value) {
  return [=](SafeTensors& file) { file.metadata[key] = value; };
}

std::function<void(SafeTensors&)> Field(const char* key, nlohmann::json value) {
  return [=](SafeTensors& file) {
    auto record = nlohmann::json::parse(file.metadata["gist"]);
    record[key] = value;
    file.metadata["gist"] = record.dump();
  };
}

std::function<void(SafeTensors&)> NoField(const char* key) {
  return [=](SafeTensors& file) {
    auto record = nlohmann::json::parse(file.metadata["gist"]);
    record.erase(key);
    file.metadata["gist"] = record.dump();
  };
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
    file.tensors["gist.keys"].type = type;
    file.tensors["gist.keys"].data = data;
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
                      [](SafeTensors& file) { file.metadata.erase("gist"); },
                      "no \"gist\""},
        Contradiction{"NoJson", Meta("gist", "{"), "no JSON"},
        Contradiction{"JsonArray", Meta("gist", "[]"), "no JSON object"},
        Contradiction{"NoTokens", NoField("gist_tokens"), "missing"},
        Contradiction{"TextTokens", Field("gist_tokens", "2"), "is string"},
        Contradiction{"FractionTokens", Field("gist_tokens", 2.5), "32-bit"},
        Contradiction{"HugeTokens", Field("gist_tokens", 1LL << 33), "32-bit"},
        Contradiction{"HugeBytes", Field("document_bytes", 1ULL << 63),
                      "64-bit"},
        Contradiction{"NegativeTime", Field("created_unix_ms", -1), "is -1"},
        Contradiction{"NegativeSeconds", Field("compress_seconds", -0.5),
                      "is -0.5"},
        Contradiction{"NoTokensAtAll", Field("document_tokens", 0), "is 0"},
        Contradiction{"NumberForBool", Field("imported", 1), "true or false"},
        Contradiction{"OtherTokens", Field("gist_tokens", 3), "gist_tokens"},
        Contradiction{"OtherModel",
                      Field("model_fingerprint", Sha256Hex("other")),
                      "context_id"},
        Contradiction{"ShortModel", Field("model_fingerprint", "abc"),
                      "64 lower-case hex digits"},
        Contradiction{"OtherKvBytes", Field("kv_bytes", 60), "64 B, want 60 B"},
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
        Contradiction{
            "NoValues",
            [](SafeTensors& file) { file.tensors.erase("gist.values"); },
            "32 B, want 64 B"},
        Contradiction{"OtherShape", Shape("gist.keys", {1, 2, 2, 4}),
                      "[1, 2, 2, 4]"},
        Contradiction{"FlatKeys",
                      [](SafeTensors& file) {
                        file.tensors["gist.keys"].shape = {16};
                        file.tensors["gist.values"].shape = {16};
                      },
                      "keys [16]"},
        Contradiction{"SwappedAxes",
                      [](SafeTensors& file) {
                        file.tensors["gist.keys"].shape = {2, 1, 4, 2};
                        file.tensors["gist.values"].shape = {2, 1, 4, 2};
                      },
                      "4 tokens, want 2"},
        Contradiction{"TwoTypes", Keys(TensorType::kBf16, "ab"), "one type"},
        Contradiction{"Infinity", Keys(TensorType::kF16, {'\x00', '\x7c'}),
                      "holds inf at element 0"},
        Contradiction{"NotANumber", Keys(TensorType::kF16, {'\x01', '\x7e'}),
                      "holds nan at element 0"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(KvCodecTest, RejectsATypeThatNoBlobHas) {
  std::string bytes = Encoded(SampleBlob());
  bytes.replace(bytes.find("\"F16\""), 5, "\"I16\"");
  EXPECT_THAT(DecodeGistBlob(WithChecksum(bytes)),
              StatusIs(StatusCode::kDataLoss, HasSubstr("I16")));
}

struct BadInput {
  const char* name;
  std::function<void(GistBlob&)> change;
  const char* message;
};
class KvCodecInputTest : public testing::TestWithParam<BadInput> {};

TEST_P(KvCodecInputTest, IsNotEncoded) {
  GistBlob blob = WithText();
  GetParam().change(blob);
  EXPECT_THAT(EncodeGistBlob(blob), StatusIs(StatusCode::kInvalidArgument,
                                             HasSubstr(GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(
    Blobs, KvCodecInputTest,
    testing::Values(
        BadInput{"NotANumber", [](GistBlob& blob) { blob.gists.keys[5] = NAN; },
                 "gist.keys holds nan at element 5"},
        BadInput{"Infinity",
                 [](GistBlob& blob) { blob.gists.values[0] = -INFINITY; },
                 "gist.values holds -inf at element 0"},
        BadInput{"TooFewValues",
                 [](GistBlob& blob) { blob.gists.values.pop_back(); },
                 "16 keys and 15 values"},
        BadInput{"NegativeSizes",
                 [](GistBlob& blob) {
                   blob.gists.layers = -2;
                   blob.gists.kv_heads = -1;
                 },
                 "[-2, -1, 2, 4]"},
        BadInput{"SizesThatWrapAround",
                 [](GistBlob& blob) {
                   blob.gists = {1 << 22, 1 << 21, 1 << 21, 1, {}, {}};
                 },
                 "0 keys and 0 values"},
        BadInput{"NoGists", [](GistBlob& blob) { blob.gists = {}; },
                 "[0, 0, 0, 0]"},
        BadInput{"OtherTokens",
                 [](GistBlob& blob) { blob.gists = SampleGists(3); },
                 "3 tokens, want 2"},
        BadInput{"OtherId",
                 [](GistBlob& blob) { blob.record.context_id = "ctx_1"; },
                 "\"ctx_1\", want ctx_"},
        BadInput{"NotATime",
                 [](GistBlob& blob) { blob.record.compress_seconds = NAN; },
                 "compress_seconds is nan"},
        BadInput{"OtherText", [](GistBlob& blob) { blob.text += "!"; },
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

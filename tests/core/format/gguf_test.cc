#include "core/format/gguf.h"

#include <limits>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/format/mapped_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/format/gguf_writer.h"

namespace gist {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMany = std::numeric_limits<uint64_t>::max();

std::string Key(const std::string& name, const GgufValue& value) {
  return RawString(name) + RawValue(value);
}

// A key whose value has the file's type `type` and these bytes.
std::string RawKey(const std::string& name, uint32_t type,
                   const std::string& value) {
  return RawString(name) + Raw(type) + value;
}

std::string RawArrayKey(const std::string& name, uint32_t type, uint64_t count,
                        const std::string& values) {
  return RawKey(name, 9, Raw(type) + Raw(count) + values);
}

// Two tensors, `a` [2, 4] F32 and `b` [32] Q8_0, which end with the file.
GgufDraft TwoTensors() {
  GgufDraft draft;
  draft.keys = {Key("general.architecture", std::string("llama")),
                Key("tokens", std::vector<std::string>{"x", "", "yz"})};
  draft.tensors = {RawTensorEntry("a", {4, 2}, 0, 0),
                   RawTensorEntry("b", {32}, 8, 32)};
  draft.data = std::string(32, 'a') + std::string(34, 'b');
  return draft;
}

GgufDraft WithTensors(std::vector<std::string> tensors) {
  GgufDraft draft;
  draft.tensors = std::move(tensors);
  draft.data = std::string(256, 'd');
  return draft;
}

GgufDraft WithKey(std::string key) {
  GgufDraft draft;
  draft.keys = {std::move(key)};
  return draft;
}

void ExpectError(const std::string& bytes, absl::StatusCode code,
                 const std::string& message) {
  const auto file = Gguf::Parse(bytes);
  EXPECT_EQ(file.status().code(), code) << file.status();
  EXPECT_THAT(file.status().ToString(), HasSubstr(message));
}

void ExpectDataLoss(const GgufDraft& draft, const std::string& message) {
  ExpectError(draft.Bytes(), absl::StatusCode::kDataLoss, message);
}

TEST(GgufTest, ReadsTensorsInPlace) {
  const std::string bytes = TwoTensors().Bytes();
  const auto file = Gguf::Parse(bytes);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->tensors().size(), 2u);
  const auto a = file->Tensor("a");
  ASSERT_TRUE(a.ok());
  EXPECT_EQ((*a)->type, GgmlType::kF32);
  EXPECT_EQ((*a)->dims, (std::vector<int64_t>{4, 2}));
  EXPECT_EQ((*a)->Elements(), 8);
  EXPECT_EQ((*a)->data, std::string(32, 'a'));
  EXPECT_EQ((*a)->data.data(), bytes.data() + bytes.size() - 66);
  EXPECT_EQ((*file->Tensor("b"))->data, std::string(34, 'b'));
  const auto missing = file->Tensor("output.weight");
  EXPECT_TRUE(absl::IsNotFound(missing.status()));
  EXPECT_THAT(missing.status().ToString(), HasSubstr("output.weight"));
}

TEST(GgufTest, FromPartsAnswersLikeAParsedFile) {
  const std::string bytes = TwoTensors().Bytes();
  const auto parsed = Gguf::Parse(bytes);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const Gguf made = Gguf::FromParts(parsed->values(), parsed->tensors());
  EXPECT_EQ(*made.String("general.architecture"), "llama");
  EXPECT_EQ(made.values(), parsed->values());
  EXPECT_EQ((*made.Tensor("b"))->data, std::string(34, 'b'));
  EXPECT_TRUE(absl::IsNotFound(made.Tensor("c").status()));
}

TEST(GgufTest, ReadsEveryTypeOfNumber) {
  GgufDraft draft;
  draft.keys = {RawKey("u8", 0, Raw(uint8_t{255})),
                RawKey("i8", 1, Raw(int8_t{-128})),
                RawKey("u16", 2, Raw(uint16_t{65535})),
                RawKey("i16", 3, Raw(int16_t{-32768})),
                RawKey("u32", 4, Raw(uint32_t{4294967295})),
                RawKey("i32", 5, Raw(std::numeric_limits<int32_t>::min())),
                RawKey("f32", 6, Raw(1.5f)),
                RawKey("bool", 7, Raw(uint8_t{1})),
                RawKey("u64", 10, Raw(uint64_t{1} << 62)),
                RawKey("i64", 11, Raw(std::numeric_limits<int64_t>::min())),
                RawKey("f64", 12, Raw(1e-300))};
  const std::string bytes = draft.Bytes();
  const auto file = Gguf::Parse(bytes);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*file->Int("u8"), 255);
  EXPECT_EQ(*file->Int("i8"), -128);
  EXPECT_EQ(*file->Int("u16"), 65535);
  EXPECT_EQ(*file->Int("i16"), -32768);
  EXPECT_EQ(*file->Int("u32"), 4294967295);
  EXPECT_EQ(*file->Int("i32"), std::numeric_limits<int32_t>::min());
  EXPECT_EQ(*file->Float("f32"), 1.5);
  EXPECT_EQ(*file->Bool("bool"), true);
  EXPECT_EQ(*file->Int("u64"), int64_t{1} << 62);
  EXPECT_EQ(*file->Int("i64"), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(*file->Float("f64"), 1e-300);
  EXPECT_EQ(*file->Float("i8"), -128.0);
  EXPECT_EQ(*file->Float("u64"), 0x1p62);
}

TEST(GgufTest, ReadsArrays) {
  GgufDraft draft;
  draft.keys = {
      Key("texts", std::vector<std::string>{"", std::string("a\0b", 3)}),
      RawArrayKey("i8", 1, 3, Raw(int8_t{-1}) + Raw(int8_t{0}) + "\x7f"),
      RawArrayKey("u64", 10, 1, Raw(uint64_t{5})),
      RawArrayKey("f32", 6, 2, Raw(0.5f) + Raw(-2.0f)),
      RawArrayKey("empty", 4, 0, ""),
      Key("bools", std::vector<bool>{true})};
  const auto file = Gguf::Parse(draft.Bytes());
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*file->Strings("texts"),
            (std::vector<std::string>{"", std::string("a\0b", 3)}));
  EXPECT_EQ(*file->Ints("i8"), (std::vector<int64_t>{-1, 0, 127}));
  EXPECT_EQ(*file->Ints("u64"), std::vector<int64_t>{5});
  EXPECT_EQ(file->values().at("f32"),
            GgufValue(std::vector<double>{0.5, -2.0}));
  EXPECT_EQ(*file->Ints("empty"), std::vector<int64_t>{});
  EXPECT_EQ(file->values().at("bools"), GgufValue(std::vector<bool>{true}));
}

// Written by the Python package: tests/fuzz/make_corpus.py. Every tensor holds
// the start of 32 numbers evenly spaced from -1 to 1.
TEST(GgufTest, ReadsWhatThePythonPackageWrote) {
  for (const char* name : {"python.gguf", "alignment8.gguf"}) {
    const auto mapped =
        MappedFile::Open(fmt::format("tests/fuzz/corpus/gguf/{}", name));
    ASSERT_TRUE(mapped.ok()) << mapped.status();
    const auto file = Gguf::Parse(mapped->bytes());
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(*file->String("general.architecture"), "llama");
    EXPECT_EQ(file->values().at("u64"), GgufValue(uint64_t{1} << 63));
    EXPECT_EQ(*file->Ints("ints"), (std::vector<int64_t>{1, -2}));
    ASSERT_EQ(file->tensors().size(), 5u);
    EXPECT_EQ((*file->Tensor("f32"))->dims, (std::vector<int64_t>{2, 2}));
    for (const auto& [tensor_name, tensor] : file->tensors()) {
      // The widest step of the quantized types is Q4's, 2 / 15.
      std::vector<float> got(size_t(tensor.Elements()));
      Dequantize(tensor, got.data());
      for (size_t i = 0; i < got.size(); ++i)
        EXPECT_NEAR(got[i], float(i) * 2 / 31 - 1, 0.13) << tensor_name << i;
    }
  }
}

TEST(GgufTest, NamesAMissingKeyAndAWrongType) {
  GgufDraft draft = WithKey(Key("name", std::string("x")));
  draft.keys.push_back(Key("huge", uint64_t{1} << 63));
  const auto file = Gguf::Parse(draft.Bytes());
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->Has("name"));
  EXPECT_FALSE(file->Has("names"));
  EXPECT_TRUE(absl::IsNotFound(file->Int("rope.base").status()));
  EXPECT_THAT(file->Int("rope.base").status().ToString(),
              HasSubstr("rope.base"));
  for (const absl::Status& status :
       {file->Int("name").status(), file->Float("name").status(),
        file->Bool("name").status(), file->Strings("name").status(),
        file->Ints("name").status(), file->String("huge").status(),
        file->Int("huge").status()}) {
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  }
  EXPECT_THAT(file->Int("name").status().ToString(),
              HasSubstr("\"name\" is a string, want an integer"));
}

TEST(GgufTest, ReadsVersionTwoAndThreeOnly) {
  GgufDraft draft = TwoTensors();
  draft.version = 2;
  EXPECT_TRUE(Gguf::Parse(draft.Bytes()).ok());
  draft.version = 1;
  ExpectError(draft.Bytes(), absl::StatusCode::kUnimplemented, "version 1");
  draft.version = 4;
  ExpectError(draft.Bytes(), absl::StatusCode::kUnimplemented, "version 4");
  draft.version = 0x03000000;
  ExpectError(draft.Bytes(), absl::StatusCode::kUnimplemented, "big-endian");
}

TEST(GgufTest, SaysWhenAFileIsSomethingElse) {
  GgufDraft draft = TwoTensors();
  draft.magic = "PK\x03\x04";
  ExpectDataLoss(draft, "504b0304, want 47475546");
}

TEST(GgufTest, RejectsEveryTruncation) {
  const std::string whole = TwoTensors().Bytes();
  ASSERT_TRUE(Gguf::Parse(whole).ok());
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto file = Gguf::Parse(std::string_view(whole).substr(0, size));
    EXPECT_TRUE(absl::IsDataLoss(file.status())) << size << file.status();
  }
}

TEST(GgufTest, RejectsCountsThatTheFileCannotHold) {
  const GgufDraft draft = TwoTensors();
  for (uint64_t count : {kMany, kMany / 2, uint64_t{1} << 40, uint64_t{100}}) {
    ExpectError(draft.Bytes(count, 2), absl::StatusCode::kDataLoss,
                "the number of tensors");
    ExpectError(draft.Bytes(2, count), absl::StatusCode::kDataLoss,
                "the number of keys");
    for (uint32_t type : {0, 3, 6, 7, 8, 10, 12}) {
      ExpectDataLoss(WithKey(RawArrayKey("list", type, count, "abcdefgh")),
                     "an array's length");
    }
    ExpectDataLoss(WithKey(RawKey("text", 8, Raw(count) + "abcdefgh")),
                   "in key \"text\"");
    ExpectDataLoss(WithKey(Raw(count) + "0123456789abcdef"), "a key");
  }
}

TEST(GgufTest, AsksForRoomBeforeItTakesMemoryForAnArray) {
  // 16 B hold two empty strings at most, whatever these bytes are.
  ExpectDataLoss(WithKey(RawArrayKey("list", 8, 3, std::string(16, '\0'))),
                 "an array's length at byte");
}

TEST(GgufTest, RejectsValuesThatMeanNothing) {
  ExpectDataLoss(WithKey(RawKey("flag", 7, "\x02")), "is 2, want 0 or 1");
  ExpectDataLoss(WithKey(RawKey("odd", 13, Raw(kMany))), "value type 13");
  ExpectDataLoss(WithKey(RawArrayKey("odd", 77, 1, Raw(kMany))),
                 "value type 77");
  ExpectDataLoss(WithKey(RawArrayKey("odd", 10, 1, Raw(kMany))),
                 "want at most 2^63 - 1");
  ExpectError(WithKey(RawArrayKey("deep", 9, 0, "")).Bytes(),
              absl::StatusCode::kUnimplemented, "arrays of arrays");
}

TEST(GgufTest, RejectsWhatOccursTwice) {
  GgufDraft keys = WithKey(Key("k", true));
  keys.keys.push_back(Key("k", false));
  ExpectDataLoss(keys, "key \"k\" occurs twice");
  ExpectDataLoss(WithTensors({RawTensorEntry("t", {1}, 0, 0),
                              RawTensorEntry("t", {1}, 0, 32)}),
                 "tensor \"t\": occurs twice");
}

TEST(GgufTest, RejectsNamesOverTheFormatsLimits) {
  EXPECT_TRUE(
      Gguf::Parse(WithKey(Key(std::string(65535, 'k'), true)).Bytes()).ok());
  ExpectDataLoss(WithKey(Key(std::string(65536, 'k'), true)), "65536 B");
  ExpectDataLoss(WithTensors({RawTensorEntry(std::string(65, 't'), {1}, 0, 0)}),
                 "65 B, want at most 64");
}

TEST(GgufTest, AlignsAsTheFileSays) {
  GgufDraft draft = TwoTensors();
  draft.alignment = 8;
  draft.keys.push_back(Key("general.alignment", int64_t{8}));
  draft.tensors[1] = RawTensorEntry("b", {8}, 1, 32);
  draft.tensors[0] = RawTensorEntry("a", {2}, 0, 8);
  const std::string bytes = draft.Bytes();
  const auto file = Gguf::Parse(bytes);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file->Tensor("a"))->data.data(),
            bytes.data() + bytes.size() - 66 + 8);
  draft.keys.back() = Key("general.alignment", int64_t{16});
  ExpectDataLoss(draft, "offset 8, want a multiple of 16");
  for (int64_t alignment : {0, -8, 12}) {
    draft.keys.back() = Key("general.alignment", alignment);
    ExpectDataLoss(draft, "want a power of two");
  }
}

TEST(GgufTest, RejectsTensorsThatLeaveTheFileOrOverlap) {
  EXPECT_TRUE(
      Gguf::Parse(WithTensors({RawTensorEntry("t", {64}, 0, 0)}).Bytes()).ok());
  for (uint64_t offset :
       {uint64_t{32}, uint64_t{256}, uint64_t{1} << 62, kMany - 31}) {
    ExpectDataLoss(WithTensors({RawTensorEntry("t", {64}, 0, offset)}),
                   "the file holds 256 B");
  }
  ExpectDataLoss(WithTensors({RawTensorEntry("late", {4}, 0, 32),
                              RawTensorEntry("long", {9}, 0, 0)}),
                 "\"late\": overlaps tensor \"long\"");
}

TEST(GgufTest, RejectsShapesThatCannotBe) {
  const int64_t big = int64_t{1} << 62;
  for (const auto& [dims, type, message] :
       std::vector<std::tuple<std::vector<int64_t>, uint32_t, std::string>>{
           {{}, 0, "0 dimensions, want 1 to 4"},
           {{1, 1, 1, 1, 1}, 0, "5 dimensions, want 1 to 4"},
           {{4, 0}, 0, "dimension 1 is 0"},
           {{-1}, 0, "dimension 0 is 18446744073709551615"},
           {{48}, 2, "want a multiple of 32"},
           {{128}, 12, "want a multiple of 256"},
           {{big, 4}, 0, "over 2^61 B"},
           {{32, big}, 3, "over 2^61 B"},
           {{big}, 0, "over 2^61 B"}}) {
    // Room for the least entry, so that the shape is what is wrong.
    ExpectDataLoss(WithTensors({RawTensorEntry("tensor", dims, type, 0)}),
                   "\"tensor\": ");
    ExpectDataLoss(WithTensors({RawTensorEntry("tensor", dims, type, 0)}),
                   message);
  }
}

TEST(GgufTest, NamesATensorTypeThatItDoesNotSupport) {
  for (const auto& [type, name] : std::vector<std::pair<uint32_t, std::string>>{
           {15, "Q8_K"}, {21, "IQ3_S"}, {39, "MXFP4"}, {99, "type 99"}}) {
    const std::string bytes =
        WithTensors({RawTensorEntry("blk.0.attn_q", {256}, type, 0)}).Bytes();
    ExpectError(bytes, absl::StatusCode::kUnimplemented,
                "\"blk.0.attn_q\" has type " + name);
    ExpectError(bytes, absl::StatusCode::kUnimplemented,
                std::string(kSupportedGgmlTypes));
  }
}

}  // namespace
}  // namespace gist

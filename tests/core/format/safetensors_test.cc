#include "core/format/safetensors.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "core/base/status.h"
#include "core/format/mapped_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/format/gguf_writer.h"

namespace gist {
namespace {

using testing::HasSubstr;

std::string WithHeader(const std::string& json, const std::string& data = "") {
  return Raw(uint64_t{json.size()}) + json + data;
}

std::string TensorJson(const std::string& name, const std::string& dtype,
                       const std::string& shape, const std::string& offsets) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":{}}})",
                     name, dtype, shape, offsets);
}

SafeTensors EveryType() {
  static const std::string data = "0123456789abcdefghijklmnopqrstuvwxyz";
  const std::string_view bytes = data;
  SafeTensors file;
  file.metadata = {{"format", "pt"}, {"name \"x\"\n", "\xed\x95\x9c"}};
  file.tensors["a.bytes"] = {TensorType::kU8, {3}, bytes.substr(0, 3)};
  file.tensors["b.halves"] = {TensorType::kF16, {1, 3}, bytes.substr(3, 6)};
  file.tensors["c.brain"] = {TensorType::kBf16, {1}, bytes.substr(9, 2)};
  file.tensors["d.floats"] = {TensorType::kF32, {2, 2}, bytes.substr(11, 16)};
  file.tensors["e.scalar"] = {TensorType::kF32, {}, bytes.substr(27, 4)};
  file.tensors["f.none"] = {TensorType::kF32, {0, 5}, bytes.substr(0, 0)};
  return file;
}

void ExpectSame(const SafeTensors& got, const SafeTensors& want) {
  EXPECT_EQ(got.metadata, want.metadata);
  ASSERT_EQ(got.tensors.size(), want.tensors.size());
  for (const auto& [name, tensor] : want.tensors) {
    ASSERT_TRUE(got.tensors.contains(name)) << name;
    const SafeTensor& other = got.tensors.at(name);
    EXPECT_EQ(other.type, tensor.type) << name;
    EXPECT_EQ(other.shape, tensor.shape) << name;
    EXPECT_EQ(other.data, tensor.data) << name;
  }
}

void ExpectDataLoss(const std::string& bytes, const std::string& message) {
  const auto file = ParseSafeTensors(bytes);
  EXPECT_TRUE(absl::IsDataLoss(file.status())) << file.status();
  EXPECT_THAT(file.status().ToString(), HasSubstr(message));
}

TEST(SafeTensorsTest, ReadsWhatItWrote) {
  const std::string bytes = WriteSafeTensors(EveryType());
  const auto file = ParseSafeTensors(bytes);
  ASSERT_TRUE(file.ok()) << file.status();
  ExpectSame(*file, EveryType());
  EXPECT_EQ(WriteSafeTensors(*file), bytes);
}

TEST(SafeTensorsTest, WritesAlignedTensors) {
  const std::string bytes = WriteSafeTensors(EveryType());
  const auto file = ParseSafeTensors(bytes);
  ASSERT_TRUE(file.ok());
  uint64_t header_bytes;
  std::memcpy(&header_bytes, bytes.data(), 8);
  EXPECT_EQ(header_bytes % 8, 0u);
  for (const auto& [name, tensor] : file->tensors) {
    const size_t offset = size_t(tensor.data.data() - bytes.data());
    EXPECT_EQ(offset % size_t(TensorTypeBytes(tensor.type)), 0u) << name;
  }
}

TEST(SafeTensorsTest, AFileWithoutTensorsIsAFile) {
  const std::string bytes = WriteSafeTensors({});
  EXPECT_EQ(bytes, WithHeader("{}      "));
  EXPECT_TRUE(ParseSafeTensors(bytes).ok());
}

// Written by the Python package: tests/fuzz/make_corpus.py.
TEST(SafeTensorsTest, ReadsWhatThePythonPackageWrote) {
  const auto mapped =
      MappedFile::Open("tests/fuzz/corpus/safetensors/python.safetensors");
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  const auto file = ParseSafeTensors(mapped->bytes());
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->metadata.at("format"), "pt");
  const std::vector<float> want = {-1.0f, -0.5f, 0.0f, 0.5f, 1.0f, 1.5f};
  for (const char* name : {"float32", "float16", "bfloat16"}) {
    const SafeTensor& tensor = file->tensors.at(name);
    EXPECT_EQ(tensor.shape, (std::vector<int64_t>{2, 3})) << name;
    std::vector<float> got(6);
    ToFloats(tensor, got.data());
    EXPECT_EQ(got, want) << name;
  }
  std::vector<float> bytes(3);
  ToFloats(file->tensors.at("uint8"), bytes.data());
  EXPECT_EQ(bytes, (std::vector<float>{0.0f, 127.0f, 255.0f}));
}

TEST(SafeTensorsTest, LeavesOutOtherTypesWhereAsked) {
  const std::string header = "{" + TensorJson("ids", "I64", "[1]", "[0,8]") +
                             "," + TensorJson("x", "F32", "[1]", "[8,12]") +
                             "}";
  const std::string bytes = WithHeader(header, "01234567abcd");
  const auto file = ParseSafeTensors(bytes, OtherTypes::kLeaveOut);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->tensors.size(), 1);
  EXPECT_EQ(file->tensors.at("x").data, "abcd");
  const auto gap = ParseSafeTensors(bytes + "x", OtherTypes::kLeaveOut);
  EXPECT_TRUE(absl::IsDataLoss(gap.status())) << gap.status();
}

TEST(SafeTensorsTest, RejectsEveryTruncationAndEveryExtraByte) {
  const std::string whole = WriteSafeTensors(EveryType());
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto file = ParseSafeTensors(std::string_view(whole).substr(0, size));
    EXPECT_TRUE(absl::IsDataLoss(file.status())) << size << file.status();
  }
  ExpectDataLoss(whole + "x", "the file's end");
}

TEST(SafeTensorsTest, RejectsHeaderLengthsBeyondTheFileAndTheLimit) {
  for (uint64_t size :
       {uint64_t{3}, uint64_t{1} << 40, std::numeric_limits<uint64_t>::max()}) {
    ExpectDataLoss(Raw(size) + "{}", "want at most 2");
  }
  std::string json(100'000'001, ' ');
  json.replace(0, 2, "{}");
  ExpectDataLoss(WithHeader(json), "want at most 100000000");
}

TEST(SafeTensorsTest, RejectsHeadersThatAreNotTheFormat) {
  for (const auto& [json, message] :
       std::vector<std::pair<std::string, std::string>>{
           {"", "without '{'"},
           {" {}", "without '{'"},
           {"[]", "without '{'"},
           {"{", "no JSON"},
           {"{}{}", "no JSON"},
           {"{\"\xff\":{}}", "no JSON"},
           {R"({"t":1})", "a number"},
           {R"({"t":null})", "a null"},
           {R"({"t":[]})", "an array"},
           {R"({"t":"F32"})", "a string"},
           {R"({"t":{}})", "no dtype, shape or data_offsets"},
           {R"({"t":{"dtype":"F32","shape":[]}})", "data_offsets"},
           {R"({"t":{"dtype":3}})", "a number"},
           {R"({"t":{"dtype":["F32"]}})", "an array"},
           {R"({"t":{"shape":"2"}})", "a string"},
           {R"({"t":{"shape":[[1]]}})", "an array"},
           {R"({"t":{"shape":[{}]}})", "an object"},
           {R"({"t":{"shape":[-1]}})", "a negative number"},
           {R"({"t":{"shape":[1.0]}})", "a fraction"},
           {R"({"t":{"shape":["1"]}})", "a string"},
           {R"({"t":{"shape":[true]}})", "a bool"},
           {R"({"t":{"shape":[9223372036854775808]}})", "over 2^63 - 1"},
           {R"({"t":{"shape":{}}})", "an object"},
           {R"({"t":{"stride":[1]}})", "the field \"stride\""},
           {R"({"t":{"dtype":"F32","dtype":"F32"}})", "occurs twice"},
           {R"({"__metadata__":"x"})", "a string"},
           {R"({"__metadata__":{"a":1}})", "a number"},
           {R"({"__metadata__":{"a":["b"]}})", "an array"},
           {R"({"__metadata__":{"a":{}}})", "an object"},
           {R"({"__metadata__":{"a":"","a":""}})", "occurs twice"}}) {
    ExpectDataLoss(WithHeader(json), message);
  }
}

TEST(SafeTensorsTest, RejectsATensorThatOccursTwice) {
  const std::string one = TensorJson("t", "U8", "[0]", "[0,0]");
  ExpectDataLoss(WithHeader("{" + one + "," + one + "}"), "\"t\" occurs twice");
}

TEST(SafeTensorsTest, RejectsOffsetsThatDoNotTileTheFile) {
  const auto two = [](const std::string& first, const std::string& second) {
    return WithHeader("{" + TensorJson("a", "U8", "[4]", first) + "," +
                          TensorJson("b", "U8", "[4]", second) + "}",
                      "01234567");
  };
  ASSERT_TRUE(ParseSafeTensors(two("[0,4]", "[4,8]")).ok());
  ASSERT_TRUE(ParseSafeTensors(two("[4,8]", "[0,4]")).ok());
  ExpectDataLoss(two("[0,4]", "[3,7]"), "overlap or leave a gap");
  ExpectDataLoss(two("[0,4]", "[0,4]"), "overlap or leave a gap");
  ExpectDataLoss(two("[1,5]", "[4,8]"), "overlap or leave a gap");
  ExpectDataLoss(
      WithHeader("{" + TensorJson("a", "U8", "[4]", "[2,6]") + "}", "012345"),
      "overlap or leave a gap");
  ExpectDataLoss(two("[0,4]", "[5,9]"), "8 B that follow the header");
  ExpectDataLoss(two("[0,4]", "[8,4]"), "want rising ones");
  ExpectDataLoss(two("[0,4]", "[4]"), "1 offsets");
  ExpectDataLoss(two("[0,4]", "[4,8,8]"), "3 offsets");
}

TEST(SafeTensorsTest, RejectsShapesThatDoNotMatchTheirBytes) {
  for (const char* shape :
       {"[]", "[1]", "[3]", "[2,0]", "[4611686018427387904,4]",
        "[4294967296,4294967296,2]", "[4611686018427387906]"}) {
    ExpectDataLoss(
        WithHeader("{" + TensorJson("t", "F32", shape, "[0,8]") + "}",
                   "01234567"),
        "\"t\": 8 B of data, but its F32 shape");
  }
}

TEST(SafeTensorsTest, NamesADtypeThatItDoesNotSupport) {
  const auto file = ParseSafeTensors(WithHeader(
      "{" + TensorJson("ids", "I64", "[1]", "[0,8]") + "}", "01234567"));
  EXPECT_TRUE(absl::IsUnimplemented(file.status())) << file.status();
  EXPECT_THAT(file.status().ToString(),
              HasSubstr("\"ids\" has dtype \"I64\", supported are F32"));
}

TEST(SafeTensorsTest, KeepsMessagesShortWhateverTheNames) {
  const std::string name(1'000'000, 'n');
  const auto file = ParseSafeTensors(
      WithHeader("{" + TensorJson(name, name, "[1]", "[0,0]") + "}"));
  EXPECT_LT(file.status().message().size(), 500u);
}

TEST(SafeTensorsTest, WritingReplacesWhatIsNotUtf8) {
  SafeTensors file;
  file.metadata["name"] = "a\xff";
  const std::string bytes = WriteSafeTensors(file);
  const auto read = ParseSafeTensors(bytes);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->metadata.at("name"), "a\xef\xbf\xbd");
}

}  // namespace
}  // namespace gist

// What is wrong with a model or adapter file is said, and nothing is loaded.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/base/status.h"
#include "core/format/gguf_files.h"
#include "core/format/safetensors.h"
#include "core/model/adapter.h"
#include "core/model/base_model.h"
#include "core/model/device.h"
#include "core/model/tensors.h"
#include "core/model/transformer.h"
#include "core/text/chat_families.h"
#include "tests/core/format/gguf_writer.h"
#include "tests/core/model/tiny_model.h"
#include "tests/support/read_file.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class LoadingTest : public testing::Test {
 protected:
  void SetUp() override {
    model_ = LoadModel("tests/data/tiny/tiny.f32.gguf");
    ASSERT_NE(model_.transformer, nullptr);
    for (const char* file :
         {"adapter_config.json", "adapter_model.safetensors"}) {
      fs::copy_file(fs::path("tests/data/tiny/adapter_blocks") / file,
                    folder_ / file, fs::copy_options::overwrite_existing);
    }
  }

  void EditConfig(const std::function<void(nlohmann::json&)>& edit) {
    const fs::path path = folder_ / "adapter_config.json";
    nlohmann::json json = nlohmann::json::parse(ReadFile(path));
    edit(json);
    std::ofstream(path) << json.dump();
  }
  absl::Status LoadAdapter() {
    return Adapter::Load(folder_, model_.transformer->config(),
                         model_.fingerprint, "cpu")
        .status();
  }
  void ExpectRefused(absl::StatusCode code, const std::string& text) {
    const absl::Status status = LoadAdapter();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(Message(status)), HasSubstr(text));
  }
  static absl::Status LoadModelBytes(const std::string& bytes) {
    const auto file = Gguf::Parse(bytes);
    return file.ok() ? Transformer::Load(*file, "cpu").status() : file.status();
  }

  LoadedModel model_;
  const TempDir temp_;
  const fs::path folder_ = temp_.path();
};

TEST_F(LoadingTest, LoadsTheUntouchedAdapter) {
  EXPECT_TRUE(LoadAdapter().ok()) << LoadAdapter();
}

// The tiny model without its chat template.
std::string WriteBaseModel(const fs::path& folder) {
  const std::string bytes = ReadFile("tests/data/tiny/tiny.f32.gguf");
  const auto file = Gguf::Parse(bytes);
  auto values = file->values();
  values.erase("tokenizer.chat_template");
  const std::string path = folder / "base.gguf";
  std::ofstream(path, std::ios::binary)
      << WriteGguf(values, file->tensors(), 32);
  return path;
}

TEST_F(LoadingTest, AModelWithoutAChatTemplateNeedsOne) {
  const std::string path = WriteBaseModel(folder_);
  const absl::Status status = LoadBaseModel(path, "cpu").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(status)),
              HasSubstr("--chat-template NAME|FILE, NAME one of chatml"));
  const auto load = [&](const std::string& chat_template) {
    return LoadBaseModel(path, "cpu", WeightStorage::kFloat32, chat_template);
  };
  const auto named = load("chatml");
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_EQ(named->chat.end_of_turn(), 2);

  const fs::path jinja = folder_ / "own.jinja";
  std::ofstream(jinja) << *TemplateNamed("chatml");
  EXPECT_EQ(load(jinja)->fingerprint, named->fingerprint);
  std::ofstream(jinja, std::ios::app) << "{# another #}";
  EXPECT_NE(load(jinja)->fingerprint, named->fingerprint);
  std::ofstream(jinja) << "{{ messages }}";
  EXPECT_EQ(load(jinja).status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(Message(load("no-such").status())),
              HasSubstr("neither a family (chatml"));
}

TEST_F(LoadingTest, RefusesAnAdapterOfAnotherModel) {
  EditConfig([](auto& json) { json["gist"]["base_model_sha256"] = "abc"; });
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "abc");
}

TEST_F(LoadingTest, RefusesAPlainLoraAdapter) {
  EditConfig([](auto& json) { json.erase("gist"); });
  ExpectRefused(absl::StatusCode::kInvalidArgument, "\"gist\"");
}

TEST_F(LoadingTest, RefusesATargetThatDoesNotExist) {
  EditConfig([](auto& json) { json["target_modules"].push_back("w_proj"); });
  ExpectRefused(absl::StatusCode::kInvalidArgument, "w_proj");
}

TEST_F(LoadingTest, RefusesOptionsThatItDoesNotApply) {
  const std::pair<const char*, nlohmann::json> options[] = {
      {"use_dora", true},
      {"alpha_pattern", {{"q_proj", 16}}},
      {"rank_pattern", {{"layers.0", 2}}},
      {"modules_to_save", {"lm_head"}},
      {"layer_replication", {{0, 2}}},
      {"fan_in_fan_out", true},
      {"bias", "all"},
      {"peft_type", "LOHA"},
      {"an_option_of_tomorrow", 1}};
  for (const auto& [name, value] : options) {
    EditConfig([&](auto& json) { json[name] = value; });
    ExpectRefused(absl::StatusCode::kUnimplemented, name);
    EditConfig([&](auto& json) { json.erase(name); });
  }
  EditConfig([](auto& json) {
    json["use_dora"] = false;
    json["alpha_pattern"] = nlohmann::json::object();
    json["lora_dropout"] = 0.1;
    json["an_option_of_tomorrow"] = nullptr;
  });
  EXPECT_TRUE(LoadAdapter().ok()) << LoadAdapter();
}

TEST_F(LoadingTest, AppliesRankStabilizedScaleAndFractionsOfAlpha) {
  const auto scale = [&] {
    return (*Adapter::Load(folder_, model_.transformer->config(),
                           model_.fingerprint, "cpu"))
        ->impl()
        .scale;
  };
  EditConfig([](auto& json) { json["lora_alpha"] = 5.0; });
  EXPECT_FLOAT_EQ(scale(), 1.25f);
  EditConfig([](auto& json) { json["use_rslora"] = true; });
  EXPECT_FLOAT_EQ(scale(), 2.5f);
  EditConfig([](auto& json) { json["use_rslora"] = "yes"; });
  ExpectRefused(absl::StatusCode::kInvalidArgument, "use_rslora");
}

TEST_F(LoadingTest, WantsTargetModules) {
  EditConfig([](auto& json) { json.erase("target_modules"); });
  ExpectRefused(absl::StatusCode::kInvalidArgument, "target_modules");
  EditConfig([](auto& json) { json["target_modules"] = "all-linear"; });
  ExpectRefused(absl::StatusCode::kInvalidArgument, "all-linear");
}

TEST_F(LoadingTest, RefusesTensorsThatItDoesNotApply) {
  EditConfig([](auto& json) { json["layers_to_transform"] = {0}; });
  ExpectRefused(absl::StatusCode::kUnimplemented, "layers.1.");
  EditConfig([](auto& json) { json["layers_to_transform"] = 99; });
  ExpectRefused(absl::StatusCode::kInvalidArgument, "99");
}

TEST_F(LoadingTest, RefusesACountThatTheLayoutContradicts) {
  EditConfig([](auto& json) { json["gist"]["tokens"] = 7; });
  ExpectRefused(absl::StatusCode::kInvalidArgument, "7");
}

TEST_F(LoadingTest, RefusesARankThatTheTensorsContradict) {
  EditConfig([](auto& json) { json["r"] = 5; });
  ExpectRefused(absl::StatusCode::kDataLoss, "lora_A");
}

TEST_F(LoadingTest, RefusesBrokenConfigText) {
  std::ofstream(folder_ / "adapter_config.json") << "{\"r\": ";
  ExpectRefused(absl::StatusCode::kInvalidArgument, "JSON");
}

// Its error shows the value, which takes a stack frame a level.
TEST_F(LoadingTest, RefusesAConfigThatIsNestedDeep) {
  const int levels = 200'000;
  std::ofstream(folder_ / "adapter_config.json")
      << "{\"r\": 4, \"lora_alpha\": 8, \"target_modules\": "
      << std::string(levels, '[') << std::string(levels, ']') << "}";
  ExpectRefused(absl::StatusCode::kInvalidArgument, "adapter_config.json");
}

TEST_F(LoadingTest, RefusesTruncatedTensors) {
  const fs::path path = folder_ / "adapter_model.safetensors";
  fs::resize_file(path, fs::file_size(path) - 1);
  EXPECT_TRUE(absl::IsDataLoss(LoadAdapter())) << LoadAdapter();
}

TEST_F(LoadingTest, RefusesAMissingFolder) {
  fs::remove_all(folder_);
  EXPECT_TRUE(absl::IsNotFound(LoadAdapter())) << LoadAdapter();
}

TEST_F(LoadingTest, NotesDoNotChangeTheFingerprintButTheScaleDoes) {
  const auto load = [&] {
    return (*Adapter::Load(folder_, model_.transformer->config(),
                           model_.fingerprint, "cpu"))
        ->fingerprint();
  };
  const std::string before = load();
  EditConfig([](auto& json) { json["gist"]["trained"] = "on something else"; });
  EXPECT_EQ(load(), before);
  EditConfig([](auto& json) { json["lora_alpha"] = 9; });
  EXPECT_NE(load(), before);
}

TEST_F(LoadingTest, RefusesATruncatedModelAtAnyLength) {
  const std::string whole = ReadFile("tests/data/tiny/tiny.q4_0.gguf");
  for (size_t size = 0; size < whole.size(); size += 997) {
    EXPECT_FALSE(LoadModelBytes(whole.substr(0, size)).ok()) << size;
  }
}

TEST_F(LoadingTest, NamesAnArchitectureThatIsNotSupported) {
  std::string bytes = ReadFile("tests/data/tiny/tiny.q4_0.gguf");
  const size_t at = bytes.find("llama");
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, 5, "mamba");
  const absl::Status status = LoadModelBytes(bytes);
  EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
  EXPECT_THAT(std::string(Message(status)), HasSubstr("mamba"));
}

TEST_F(LoadingTest, NamesAMissingTensor) {
  const std::string bytes = ReadFile("tests/data/tiny/tiny.q4_0.gguf");
  const auto file = Gguf::Parse(bytes);
  ASSERT_TRUE(file.ok()) << file.status();
  std::map<std::string, GgufTensor> tensors = file->tensors();
  ASSERT_EQ(tensors.erase("blk.1.ffn_up.weight"), 1u);
  const absl::Status status =
      LoadModelBytes(WriteGguf(file->values(), tensors, 32));
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(Message(status)), HasSubstr("blk.1.ffn_up.weight"));
}

TEST_F(LoadingTest, NamesATensorThatIsNotKnown) {
  std::string bytes = ReadFile("tests/data/tiny/tiny.q4_0.gguf");
  const size_t at = bytes.find("blk.1.ffn_up.weight");
  ASSERT_NE(at, std::string::npos);
  bytes[at] = 'x';
  const absl::Status status = LoadModelBytes(bytes);
  EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
  EXPECT_THAT(std::string(Message(status)), HasSubstr("xlk.1.ffn_up.weight"));
}

TEST_F(LoadingTest, NamesATensorWithANan) {
  const std::string whole = ReadFile("tests/data/tiny/tiny.q4_1.gguf");
  const auto file = Gguf::Parse(whole);
  ASSERT_TRUE(file.ok());
  for (const std::string name :
       {"output_norm.weight", "token_embd.weight", "blk.1.attn_k.weight",
        "blk.2.ffn_down.weight", "blk.0.ffn_norm.weight"}) {
    const GgufTensor& tensor = **file->Tensor(name);
    const bool is_float = tensor.type == GgmlType::kF32;
    const uint16_t nan = is_float ? 0x7fc0 : 0x7e00;
    std::string damaged = whole;
    std::memcpy(damaged.data() + (tensor.data.data() - whole.data()) +
                    (is_float ? 2 : 0),
                &nan, sizeof(nan));
    for (const auto weights :
         {WeightStorage::kFloat32, WeightStorage::kBfloat16,
          WeightStorage::kQuantized}) {
      const auto parsed = Gguf::Parse(damaged);
      ASSERT_TRUE(parsed.ok());
      const absl::Status status =
          Transformer::Load(*parsed, "cpu", weights).status();
      EXPECT_TRUE(absl::IsDataLoss(status)) << status;
      EXPECT_THAT(std::string(Message(status)),
                  HasSubstr("tensor " + name +
                            " holds an infinite number or "
                            "a NaN, in row 0"));
    }
  }
}

// Three shards of the tiny model, the keys in the first, compute what the one
// file computes, also from the mapped bytes of each.
TEST_F(LoadingTest, ShardsComputeWhatTheOneFileComputes) {
  const std::string whole = "tests/data/tiny/tiny.q4_1.gguf";
  const auto file = OpenGguf(whole);
  ASSERT_TRUE(file.ok()) << file.status();
  std::vector<std::map<std::string, GgufTensor>> shards(3);
  size_t next = 0;
  for (const auto& [name, tensor] : file->gguf.tensors())
    shards[next++ % shards.size()][name] = tensor;
  const auto path_of = [&](size_t number) {
    return temp_ / fmt::format("tiny-0000{}-of-00003.gguf", number + 1);
  };
  for (size_t number = 0; number < shards.size(); ++number) {
    auto values =
        number == 0 ? file->gguf.values() : std::map<std::string, GgufValue>();
    values["split.no"] = int64_t(number);
    values["split.count"] = int64_t{3};
    values["split.tensors.count"] = int64_t(next);
    std::ofstream(path_of(number), std::ios::binary)
        << WriteGguf(values, shards[number], 32);
  }
  const std::vector<int32_t> ids = {40, 41, 42};
  for (const auto weights :
       {WeightStorage::kFloat32, WeightStorage::kQuantized}) {
    std::vector<std::vector<float>> logits;
    for (const std::string& path : {whole, path_of(0)}) {
      const auto model = LoadBaseModel(path, "cpu", weights);
      ASSERT_TRUE(model.ok()) << model.status();
      KvCache cache = model->transformer->NewCache();
      const ForwardItem item{
          .cache = &cache, .ids = ids, .logits = LogitRows::kAll};
      auto read = model->transformer->Forward({&item, 1});
      ASSERT_TRUE(read.ok()) << read.status();
      logits.push_back(std::move((*read)[0]));
    }
    EXPECT_EQ(logits[0], logits[1]);
  }
}

TEST_F(LoadingTest, NamesAnAdapterTensorWithANan) {
  const fs::path path = folder_ / "adapter_model.safetensors";
  const std::string whole = ReadFile(path);
  const auto file = ParseSafeTensors(whole);
  ASSERT_TRUE(file.ok());
  for (const std::string name :
       {"gist_embeddings",
        "base_model.model.model.layers.2.self_attn.q_proj.lora_B.weight"}) {
    const SafeTensor& tensor = file->tensors.at(name);
    std::string damaged = whole;
    const uint16_t nan = 0x7fc0;  // of bfloat16
    ASSERT_EQ(tensor.type, TensorType::kBf16);
    std::memcpy(damaged.data() + (tensor.data.data() - whole.data()) + 2, &nan,
                sizeof(nan));
    std::ofstream(path, std::ios::binary) << damaged;
    ExpectRefused(absl::StatusCode::kDataLoss,
                  name + " holds nan as element 1 of");
  }
}

TEST(DeviceTest, SaysWhatIsNotADeviceAndWhatIsMissing) {
  EXPECT_TRUE(PrepareDevice("cpu").ok());
  EXPECT_TRUE(absl::IsInvalidArgument(PrepareDevice("gpu")));
  EXPECT_TRUE(absl::IsInvalidArgument(PrepareDevice("meta")));
  EXPECT_TRUE(absl::IsFailedPrecondition(PrepareDevice("cuda:63")));
}

}  // namespace
}  // namespace gist

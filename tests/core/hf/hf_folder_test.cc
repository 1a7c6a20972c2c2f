#include "core/hf/hf_folder.h"

#include <filesystem>
#include <fstream>

#include "core/base/identity.h"
#include "core/format/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/read_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

namespace fs = std::filesystem;

using absl::StatusCode;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

const std::string kFolders = "tests/data/hf/";

// Floats under a name of Hugging Face, from any shard.
std::vector<float> FloatsOf(const std::string& file, const std::string& name) {
  const std::string bytes = ReadFile(file);
  const auto tensors = ParseSafeTensors(bytes);
  EXPECT_THAT(tensors, IsOk());
  const SafeTensor& tensor = tensors->tensors.at(name);
  std::vector<float> floats(size_t(tensor.Elements()));
  ToFloats(tensor, floats.data());
  return floats;
}

std::vector<float> FloatsOf(const GgufTensor& tensor) {
  std::vector<float> floats(size_t(tensor.Elements()));
  Dequantize(tensor, floats.data());
  return floats;
}

TEST(HfFolderTest, IsAGguf) {
  const auto folder = OpenHfFolder(kFolders + "llama_f32");
  ASSERT_THAT(folder, IsOk());
  const Gguf& gguf = folder->gguf;
  EXPECT_EQ(*gguf.String("general.architecture"), "llama");
  EXPECT_EQ(*gguf.String("general.name"), "llama_f32");
  EXPECT_EQ(gguf.tensors().size(), 2u + 2 * 9u);
  EXPECT_FALSE(gguf.tensors().contains("output.weight"));  // tied
  const GgufTensor* up = *gguf.Tensor("blk.1.ffn_up.weight");
  EXPECT_THAT(up->dims, ElementsAre(16, 32));
  EXPECT_EQ(up->type, GgmlType::kF32);
  EXPECT_EQ(FloatsOf(*up), FloatsOf(kFolders + "llama_f32/model.safetensors",
                                    "model.layers.1.mlp.up_proj.weight"));
}

// As its GGUF twin, written by other programs, says it.
TEST(HfFolderTest, SaysWhatTheGgufFileSays) {
  const auto folder = OpenHfFolder(kFolders + "llama_f32");
  ASSERT_THAT(folder, IsOk());
  const std::string bytes = ReadFile(kFolders + "llama.f32.gguf");
  const auto file = Gguf::Parse(bytes);
  ASSERT_THAT(file, IsOk());
  int compared = 0;
  for (const auto& [key, value] : file->values()) {
    const auto found = folder->gguf.values().find(key);
    if (found == folder->gguf.values().end()) continue;
    if (std::holds_alternative<double>(value)) {
      EXPECT_FLOAT_EQ(float(std::get<double>(value)),
                      float(std::get<double>(found->second)))
          << key;
    } else {
      EXPECT_EQ(value, found->second) << key;
    }
    ++compared;
  }
  EXPECT_GE(compared, 11);
  for (const auto& [name, tensor] : file->tensors())
    EXPECT_EQ(tensor.dims, (*folder->gguf.Tensor(name))->dims) << name;
}

TEST(HfFolderTest, JoinsShards) {
  const auto folder = OpenHfFolder(kFolders + "llama_bf16");
  ASSERT_THAT(folder, IsOk());
  EXPECT_GT(folder->names.size(), 5u);
  EXPECT_EQ(folder->gguf.tensors().size(), 2u + 2 * 9u);
  EXPECT_EQ((*folder->gguf.Tensor("token_embd.weight"))->type, GgmlType::kBF16);
}

TEST(HfFolderTest, AddsOneToGemmasNorms) {
  const auto folder = OpenHfFolder(kFolders + "gemma3");
  ASSERT_THAT(folder, IsOk());
  for (const auto& [name, hf] :
       {std::pair{"output_norm.weight", "model.norm.weight"},
        {"blk.1.attn_norm.weight", "model.layers.1.input_layernorm.weight"},
        {"blk.1.attn_q_norm.weight", "model.layers.1.self_attn.q_norm.weight"},
        {"blk.1.post_attention_norm.weight",
         "model.layers.1.post_attention_layernorm.weight"},
        {"blk.1.ffn_norm.weight",
         "model.layers.1.pre_feedforward_layernorm.weight"},
        {"blk.1.post_ffw_norm.weight",
         "model.layers.1.post_feedforward_layernorm.weight"}}) {
    std::vector<float> wanted =
        FloatsOf(kFolders + "gemma3/model.safetensors", hf);
    for (float& value : wanted) value += 1;
    EXPECT_EQ(FloatsOf(**folder->gguf.Tensor(name)), wanted) << name;
  }
}

TEST(HfFolderTest, HoldsTheDivisorsOfRope) {
  const auto folder = OpenHfFolder(kFolders + "phi3");
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(FloatsOf(**folder->gguf.Tensor("rope_factors_long.weight")),
              ElementsAre(1, 2.5, 6));
  EXPECT_TRUE(folder->gguf.tensors().contains("blk.0.attn_qkv.weight"));
}

// $ cd tests/data/hf/llama_f32 && LC_ALL=C sha256sum * | sha256sum
TEST(HfFolderTest, HasTheFingerprintThatTheShellGives) {
  const auto folder = OpenHfFolder(kFolders + "llama_f32");
  ASSERT_THAT(folder, IsOk());
  std::string lines;
  for (const char* name :
       {"config.json", "generation_config.json", "model.safetensors",
        "tokenizer.json", "tokenizer_config.json"}) {
    lines += fmt::format(
        "{}  {}\n", Sha256Hex(ReadFile(kFolders + "llama_f32/" + name)), name);
  }
  EXPECT_EQ(folder->Fingerprint(), Sha256Hex(lines));
}

// A copy of llama_f32 to change.
class ChangedFolderTest : public testing::Test {
 protected:
  ChangedFolderTest() {
    fs::copy(kFolders + "llama_f32", path_, fs::copy_options::recursive);
  }
  Json ReadJson(const std::string& name) {
    return Json::parse(ReadFile(path_ + "/" + name));
  }
  void Write(const std::string& name, std::string_view text) {
    std::ofstream(path_ + "/" + name, std::ios::binary) << text;
  }
  void Change(const std::string& name, const std::string& key,
              const Json& value) {
    Json json = ReadJson(name);
    json[key] = value;
    Write(name, json.dump());
  }
  // Applies `change` to the weights.
  template <typename F>
  void ChangeTensors(const F& change) {
    const std::string bytes = ReadFile(path_ + "/model.safetensors");
    auto tensors = ParseSafeTensors(bytes);
    ASSERT_THAT(tensors, IsOk());
    change(*tensors);
    Write("model.safetensors", WriteSafeTensors(*tensors));
  }
  void ExpectError(StatusCode code, const std::string& text) {
    EXPECT_THAT(OpenHfFolder(path_),
                StatusIs(code, AllOf(HasSubstr(path_), HasSubstr(text))));
  }
  std::string Fingerprint() { return OpenHfFolder(path_)->Fingerprint(); }

  TempDir folder_;
  const std::string path_ = folder_ / "model";
};

TEST_F(ChangedFolderTest, FingerprintIsOfTheFilesThatMatter) {
  const std::string before = Fingerprint();
  Write("README.md", "changes nothing");
  EXPECT_EQ(Fingerprint(), before);
  Write("chat_template.jinja", ReadFile("tests/data/hf/llama_f32/config.json"));
  const std::string with_template = Fingerprint();
  EXPECT_NE(with_template, before);
  Change("config.json", "rms_norm_eps", 1e-4);
  EXPECT_NE(Fingerprint(), with_template);
}

TEST_F(ChangedFolderTest, ANameOfTheHubsCacheIsTheRepositorys) {
  const std::string snapshot =
      folder_ / "models--org--Some-Model/snapshots/0123";
  fs::create_directories(fs::path(snapshot).parent_path());
  fs::rename(path_, snapshot);
  EXPECT_EQ(*OpenHfFolder(snapshot + "/")->gguf.String("general.name"),
            "Some-Model");
}

TEST_F(ChangedFolderTest, TakesTheTemplateOfItsOwnFile) {
  Change("tokenizer_config.json", "chat_template",
         Json::parse(R"([{"name": "tool_use", "template": "a"},
                         {"name": "default", "template": "b"}])"));
  EXPECT_EQ(*OpenHfFolder(path_)->gguf.String("tokenizer.chat_template"), "b");
  Write("chat_template.jinja", "c");
  EXPECT_EQ(*OpenHfFolder(path_)->gguf.String("tokenizer.chat_template"), "c");
}

TEST_F(ChangedFolderTest, EosIdsOfGenerationComeFirst) {
  Change("config.json", "eos_token_id", 7);
  Change("generation_config.json", "eos_token_id", Json::parse("[2, 0]"));
  EXPECT_THAT(OpenHfFolder(path_)->tokenizer.end_ids, ElementsAre(2, 0));
  Change("generation_config.json", "eos_token_id", nullptr);
  EXPECT_THAT(OpenHfFolder(path_)->tokenizer.end_ids, ElementsAre(7));
  Change("config.json", "eos_token_id", nullptr);
  EXPECT_THAT(OpenHfFolder(path_)->tokenizer.end_ids, ElementsAre(2));
  Change("config.json", "eos_token_id", 300);
  ExpectError(StatusCode::kDataLoss, "eos_token_id is 300");
}

TEST_F(ChangedFolderTest, RefusesTensorsThatItDoesNotKnow) {
  ChangeTensors([](SafeTensors& file) {
    file.tensors["model.layers.0.self_attn.sinks.weight"] =
        file.tensors["model.norm.weight"];
  });
  ExpectError(StatusCode::kUnimplemented, "self_attn.sinks.weight");
}

TEST_F(ChangedFolderTest, LeavesOutFrequenciesOfOldFiles) {
  ChangeTensors([](SafeTensors& file) {
    file.tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] =
        file.tensors["model.norm.weight"];
  });
  EXPECT_THAT(OpenHfFolder(path_), IsOk());
}

TEST_F(ChangedFolderTest, RefusesQuantizedTensors) {
  ChangeTensors([](SafeTensors& file) {
    SafeTensor& norm = file.tensors["model.norm.weight"];
    norm = {TensorType::kU8, {int64_t(norm.data.size())}, norm.data};
  });
  ExpectError(StatusCode::kUnimplemented, "read as GGUF files");
}

TEST_F(ChangedFolderTest, RefusesWeightsThatDoNotFit) {
  ChangeTensors([](SafeTensors& file) {
    file.tensors.erase("model.embed_tokens.weight");
  });
  ExpectError(StatusCode::kDataLoss, "model.embed_tokens.weight");
}

TEST_F(ChangedFolderTest, RefusesAnotherVocabularySize) {
  Change("config.json", "vocab_size", 299);
  ExpectError(StatusCode::kDataLoss, "300 rows, want 299");
}

TEST_F(ChangedFolderTest, WantsAnOutputMatrixWhereItIsNotTied) {
  Change("config.json", "tie_word_embeddings", false);
  ExpectError(StatusCode::kDataLoss, "lm_head.weight");
  ChangeTensors([](SafeTensors& file) {
    file.tensors["lm_head.weight"] = file.tensors["model.embed_tokens.weight"];
  });
  EXPECT_TRUE(OpenHfFolder(path_)->gguf.tensors().contains("output.weight"));
  Change("config.json", "tie_word_embeddings", true);
  EXPECT_FALSE(OpenHfFolder(path_)->gguf.tensors().contains("output.weight"));
}

TEST_F(ChangedFolderTest, NamesTheFileThatIsWrong) {
  Write("generation_config.json", "[]");
  ExpectError(StatusCode::kDataLoss, "generation_config.json");
  Write("generation_config.json", "{}");
  Write("config.json", std::string(100'000, '[') + std::string(100'000, ']'));
  ExpectError(StatusCode::kDataLoss, "config.json: want a JSON object of at");
  Write("config.json", "{\"model_type\": \"mamba\"}");
  ExpectError(StatusCode::kUnimplemented, "config.json: model_type is");
}

TEST_F(ChangedFolderTest, RefusesAnotherKindOfTokenizer) {
  Json tokenizer = ReadJson("tokenizer.json");
  tokenizer["model"]["type"] = "Unigram";
  Write("tokenizer.json", tokenizer.dump());
  ExpectError(StatusCode::kUnimplemented, "tokenizer.json: model.type is");
}

TEST_F(ChangedFolderTest, RefusesAHugeId) {
  Json tokenizer = ReadJson("tokenizer.json");
  tokenizer["model"]["vocab"]["x"] = 1'000'000'000'000;
  Write("tokenizer.json", tokenizer.dump());
  ExpectError(StatusCode::kDataLoss, "the id of");
}

}  // namespace
}  // namespace gist

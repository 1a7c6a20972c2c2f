#include "core/train/recipe.h"

#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "core/base/status.h"
#include "core/base/yaml_scalar.h"
#include "yaml-cpp/yaml.h"

namespace gist {
namespace {

// One key of a map and the field that it sets.
struct Key {
  std::string name;
  std::function<absl::Status(const YAML::Node&)> read;
  std::function<void(YAML::Emitter&)> write;
};

class Reader {
 public:
  explicit Reader(std::string_view file) : file_(file) {}

  absl::Status ReadMap(const YAML::Node& map,
                       const std::vector<Key>& keys) const {
    if (!map.IsMap()) return Error(map, "want a map of keys");
    std::set<std::string> seen;
    for (const auto& entry : map) {
      const std::string name = entry.first.Scalar();
      if (!seen.insert(name).second) {
        return Error(entry.first,
                     fmt::format("the key \"{}\" comes twice", name));
      }
      GIST_RETURN_IF_ERROR(ReadKey(entry.first, entry.second, keys));
    }
    return absl::OkStatus();
  }

  absl::Status Error(const YAML::Node& node, std::string_view problem) const {
    return absl::InvalidArgumentError(
        fmt::format("{}:{}: {}", file_, node.Mark().line + 1, problem));
  }

 private:
  absl::Status ReadKey(const YAML::Node& name, const YAML::Node& value,
                       const std::vector<Key>& keys) const {
    std::string known;
    for (const Key& key : keys) {
      if (key.name == name.Scalar()) return key.read(value);
      known += (known.empty() ? "" : ", ") + key.name;
    }
    return Error(name, fmt::format("unknown key \"{}\"; known are {}",
                                   name.Scalar(), known));
  }

  std::string file_;
};

const char* Wanted(const int&) { return "an integer"; }
const char* Wanted(const uint64_t&) { return "an integer of 0 or more"; }
const char* Wanted(const double&) { return "a number"; }
const char* Wanted(const bool&) { return "true or false"; }
const char* Wanted(const std::string&) { return "a string"; }

template <typename T>
Key MakeKey(const Reader& reader, const char* name, T& field) {
  return {name,
          [&reader, name, &field](const YAML::Node& node) {
            if (node.IsScalar() && YAML::convert<T>::decode(node, field)) {
              return absl::OkStatus();
            }
            return reader.Error(
                node, fmt::format("{} is not {}", name, Wanted(field)));
          },
          [&field](YAML::Emitter& out) { WriteScalar(out, field); }};
}

void WriteMap(YAML::Emitter& out, const std::vector<Key>& keys) {
  out << YAML::BeginMap;
  for (const Key& key : keys) {
    out << YAML::Key << key.name << YAML::Value;
    key.write(out);
  }
  out << YAML::EndMap;
}

std::vector<Key> LayoutKeys(const Reader& reader, GistLayout& layout) {
  return {MakeKey(reader, "gist_tokens", layout.gist_tokens),
          MakeKey(reader, "gists_per_block", layout.gists_per_block),
          MakeKey(reader, "block_overlap_tokens", layout.block_overlap_tokens),
          MakeKey(reader, "segment_tokens", layout.segment_tokens),
          MakeKey(reader, "max_document_tokens", layout.max_document_tokens),
          MakeKey(reader, "lora_r", layout.lora_r),
          MakeKey(reader, "lora_alpha", layout.lora_alpha),
          MakeKey(reader, "lora_mlp", layout.lora_mlp),
          MakeKey(reader, "lora_everywhere", layout.lora_everywhere)};
}

std::vector<Key> StageKeys(const Reader& reader, TrainStage& stage) {
  return {MakeKey(reader, "name", stage.name),
          MakeKey(reader, "steps", stage.steps),
          MakeKey(reader, "min_tokens", stage.min_tokens),
          MakeKey(reader, "max_tokens", stage.max_tokens),
          MakeKey(reader, "gate_accuracy", stage.gate_accuracy)};
}

Key LayoutKey(const Reader& reader, GistLayout& layout) {
  return {
      "layout",
      [&](const YAML::Node& node) {
        return reader.ReadMap(node, LayoutKeys(reader, layout));
      },
      [&](YAML::Emitter& out) { WriteMap(out, LayoutKeys(reader, layout)); }};
}

Key StagesKey(const Reader& reader, std::vector<TrainStage>& stages) {
  return {
      "stages",
      [&](const YAML::Node& node) -> absl::Status {
        if (!node.IsSequence())
          return reader.Error(node, "stages is not a list");
        stages.clear();
        for (const YAML::Node& item : node) {
          TrainStage& stage = stages.emplace_back();
          GIST_RETURN_IF_ERROR(reader.ReadMap(item, StageKeys(reader, stage)));
        }
        return absl::OkStatus();
      },
      [&](YAML::Emitter& out) {
        out << YAML::BeginSeq;
        for (TrainStage& stage : stages)
          WriteMap(out, StageKeys(reader, stage));
        out << YAML::EndSeq;
      }};
}

Key CountsKey(const Reader& reader, std::vector<int>& counts) {
  return {"gist_counts",
          [&](const YAML::Node& node) {
            std::vector<int> values;
            if (node.IsSequence() &&
                YAML::convert<std::vector<int>>::decode(node, values)) {
              counts = std::move(values);
              return absl::OkStatus();
            }
            return reader.Error(node, "gist_counts is not a list of integers");
          },
          [&](YAML::Emitter& out) { out << YAML::Flow << counts; }};
}

// The one list of keys, for both directions.
std::vector<Key> RecipeKeys(const Reader& reader, TrainRecipe& recipe) {
  const auto key = [&](const char* name, auto& field) {
    return MakeKey(reader, name, field);
  };
  return {key("name", recipe.name),
          key("seed", recipe.seed),
          LayoutKey(reader, recipe.layout),
          CountsKey(reader, recipe.gist_counts),
          StagesKey(reader, recipe.stages),
          key("documents_per_step", recipe.documents_per_step),
          key("accumulate_passes", recipe.accumulate_passes),
          key("learning_rate", recipe.learning_rate),
          key("embedding_learning_rate", recipe.embedding_learning_rate),
          key("warmup_steps", recipe.warmup_steps),
          key("final_learning_rate_ratio", recipe.final_learning_rate_ratio),
          key("adam_beta1", recipe.adam_beta1),
          key("adam_beta2", recipe.adam_beta2),
          key("adam_epsilon", recipe.adam_epsilon),
          key("weight_decay", recipe.weight_decay),
          key("clip_norm", recipe.clip_norm),
          key("mean_over_questions", recipe.mean_over_questions),
          key("bfloat16_base", recipe.bfloat16_base),
          key("fresh_segments_per_step", recipe.fresh_segments_per_step),
          key("cached_segments", recipe.cached_segments),
          key("evaluate_every_steps", recipe.evaluate_every_steps),
          key("dev_samples", recipe.dev_samples),
          key("checkpoint_every_steps", recipe.checkpoint_every_steps),
          key("epochs", recipe.epochs),
          key("next_recipe", recipe.next_recipe)};
}

absl::Status CheckAtLeast(std::string_view name, double value, double least) {
  if (value >= least) return absl::OkStatus();  // false for not a number
  return absl::InvalidArgumentError(
      fmt::format("recipe: {} is {}, want {} or more", name, value, least));
}

absl::Status CheckLayout(const GistLayout& layout) {
  GIST_RETURN_IF_ERROR(CheckAtLeast("gist_tokens", layout.gist_tokens, 1));
  GIST_RETURN_IF_ERROR(
      CheckAtLeast("gists_per_block", layout.gists_per_block, 1));
  GIST_RETURN_IF_ERROR(
      CheckAtLeast("block_overlap_tokens", layout.block_overlap_tokens, 0));
  GIST_RETURN_IF_ERROR(
      CheckAtLeast("segment_tokens", layout.segment_tokens, 1));
  GIST_RETURN_IF_ERROR(CheckAtLeast("lora_r", layout.lora_r, 1));
  return CheckAtLeast("lora_alpha", layout.lora_alpha, 1);
}

absl::Status CheckStage(const TrainStage& stage, const GistLayout& layout) {
  GIST_RETURN_IF_ERROR(CheckAtLeast(stage.name + ".steps", stage.steps, 1));
  GIST_RETURN_IF_ERROR(
      CheckAtLeast(stage.name + ".min_tokens", stage.min_tokens, 1));
  GIST_RETURN_IF_ERROR(CheckAtLeast(stage.name + ".max_tokens",
                                    stage.max_tokens, stage.min_tokens));
  if (stage.max_tokens <= layout.max_document_tokens) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("recipe: {}.max_tokens is {}, want at most "
                  "layout.max_document_tokens, {}",
                  stage.name, stage.max_tokens, layout.max_document_tokens));
}

absl::Status CheckCounts(const TrainRecipe& recipe) {
  std::vector<int> counts = recipe.gist_counts;
  counts.push_back(recipe.layout.gist_tokens);
  for (const int count : counts) {
    GIST_RETURN_IF_ERROR(CheckAtLeast("a gist count", count, 1));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ApplyRecipeYaml(std::string_view yaml, std::string_view name,
                             TrainRecipe& recipe) {
  try {
    const Reader reader(name);
    const YAML::Node root = YAML::Load(std::string(yaml));
    if (root.IsNull()) return absl::OkStatus();  // an empty file
    return reader.ReadMap(root, RecipeKeys(reader, recipe));
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(fmt::format(
        "{}:{}: not YAML: {}", name, error.mark.line + 1, error.msg));
  }
}

absl::Status ApplyRecipeSetting(std::string_view setting, TrainRecipe& recipe) {
  const size_t equals = setting.find('=');
  if (equals == setting.npos) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\": want key=value", setting));
  }
  const std::string_view key = setting.substr(0, equals);
  const std::string_view value = setting.substr(equals + 1);
  const size_t dot = key.find('.');
  const std::string yaml =
      dot == key.npos ? fmt::format("{}: {}", key, value)
                      : fmt::format("{}: {{{}: {}}}", key.substr(0, dot),
                                    key.substr(dot + 1), value);
  return ApplyRecipeYaml(yaml, setting, recipe);
}

std::string ToYaml(const TrainRecipe& recipe) {
  TrainRecipe copy = recipe;
  const Reader reader("");
  YAML::Emitter out;
  std::vector<Key> keys = RecipeKeys(reader, copy);
  if (recipe.next_recipe.empty()) keys.pop_back();  // the last one
  WriteMap(out, keys);
  return std::string(out.c_str()) + "\n";
}

absl::Status CheckRecipe(const TrainRecipe& recipe) {
  GIST_RETURN_IF_ERROR(CheckLayout(recipe.layout));
  if (recipe.stages.empty()) {
    return absl::InvalidArgumentError(
        "recipe: no stages: it would train nothing");
  }
  for (const TrainStage& stage : recipe.stages) {
    GIST_RETURN_IF_ERROR(CheckStage(stage, recipe.layout));
  }
  GIST_RETURN_IF_ERROR(CheckCounts(recipe));
  GIST_RETURN_IF_ERROR(
      CheckAtLeast("documents_per_step", recipe.documents_per_step, 1));
  GIST_RETURN_IF_ERROR(
      CheckAtLeast("accumulate_passes", recipe.accumulate_passes, 1));
  GIST_RETURN_IF_ERROR(CheckAtLeast("learning_rate", recipe.learning_rate, 0));
  GIST_RETURN_IF_ERROR(CheckAtLeast("fresh_segments_per_step",
                                    recipe.fresh_segments_per_step, 1));
  return CheckAtLeast("cached_segments", recipe.cached_segments,
                      recipe.fresh_segments_per_step);
}

}  // namespace gist

#include "client/eval/trial.h"

#include <algorithm>

#include "client/names.h"
#include "core/base/status.h"

namespace gist::client {
namespace {

constexpr int64_t kStep = 1024, kLastStep = 8192;

Json ToJson(const Scores& scores) {
  return {{"score", scores.score},
          {"exact", scores.exact},
          {"containment", scores.containment},
          {"f1", scores.f1},
          {"rouge_l", scores.rouge_l}};
}

Scores ScoresFrom(const Json& json) {
  return {.exact = json.at("exact"),
          .containment = json.at("containment"),
          .f1 = json.at("f1"),
          .rouge_l = json.at("rouge_l"),
          .score = json.at("score")};
}

Json ToJson(const Costs& costs) {
  return {{"document_tokens", costs.document_tokens},
          {"standing_tokens", costs.kv_tokens},
          {"cached_tokens", costs.cached_tokens},
          {"question_tokens", costs.question_tokens},
          {"answer_tokens", costs.answer_tokens},
          {"ratio", costs.ratio},
          {"kv_bytes", costs.kv_bytes},
          {"full_kv_bytes", costs.full_kv_bytes},
          {"finish_reason", costs.finish_reason},
          {"seconds",
           {{"queue", costs.queue_seconds},
            {"load", costs.load_seconds},
            {"index", costs.index_seconds},
            {"search", costs.search_seconds},
            {"prefill", costs.prefill_seconds},
            {"first_token", costs.first_token_seconds},
            {"decode", costs.decode_seconds},
            {"total", costs.total_seconds}}}};
}

Costs CostsFrom(const Json& json) {
  const Json& seconds = json.at("seconds");
  return {.document_tokens = json.at("document_tokens"),
          .kv_tokens = json.at("standing_tokens"),
          .cached_tokens = json.at("cached_tokens"),
          .question_tokens = json.at("question_tokens"),
          .answer_tokens = json.at("answer_tokens"),
          .ratio = json.at("ratio"),
          .kv_bytes = json.at("kv_bytes"),
          .full_kv_bytes = json.at("full_kv_bytes"),
          .queue_seconds = seconds.at("queue"),
          .load_seconds = seconds.at("load"),
          .index_seconds = seconds.at("index"),
          .search_seconds = seconds.at("search"),
          .prefill_seconds = seconds.at("prefill"),
          .first_token_seconds = seconds.at("first_token"),
          .decode_seconds = seconds.at("decode"),
          .total_seconds = seconds.at("total"),
          .finish_reason = json.at("finish_reason")};
}

// Throws std::out_of_range, which TrialFromJson takes.
template <typename Enum, size_t N>
Enum ValueFrom(const std::string& name, const Enum (&values)[N],
               std::string_view (*name_of)(Enum)) {
  const auto value = ValueNamed(values, name_of, name);
  if (value) return *value;
  throw std::out_of_range("unknown name " + name);
}

absl::Status ErrorFrom(const Json& json) {
  const std::string name = json.at("code");
  auto code = absl::StatusCode::kUnknown;
  for (int i = 1; i <= 16; ++i) {
    const auto candidate = absl::StatusCode(i);
    if (absl::StatusCodeToString(candidate) == name) code = candidate;
  }
  return absl::Status(code, json.at("message").get<std::string>());
}

AnswerAdapter AnswerAdapterFrom(const Json& json) {
  if (json.contains("answer_adapter")) {
    return ValueFrom(json.at("answer_adapter"), kAnswerAdapters,
                     AnswerAdapterName);
  }
  return ValueFrom(json.value("reader", "frozen"), kAnswerAdapters,
                   OldAnswerAdapterName);
}

void ReadSamplePart(const Json& json, Trial* trial) {
  trial->sample = json.at("sample");
  trial->dataset = json.at("dataset");
  trial->document = json.at("document");
  trial->language = json.at("language");
  trial->family = json.at("family");
  trial->frame = json.at("frame");
  trial->choice = json.value("choice", "");
  trial->options = std::max(1, json.value("options", 3));
  trial->metric = json.at("metric");
  trial->question = json.at("question");
  trial->wanted = json.at("wanted").get<std::vector<std::string>>();
  trial->tokens = json.at("tokens");
  if (json.contains("depth")) trial->depth = json.at("depth").get<double>();
  trial->seed = json.at("seed");
}

Trial ReadTrial(const Json& json) {
  Trial trial;
  ReadSamplePart(json, &trial);
  trial.mode = ValueFrom(json.at("mode"), kModes, ModeName);
  trial.gists = json.at("gists");
  trial.answer_adapter = AnswerAdapterFrom(json);
  if (json.contains("error")) trial.error = ErrorFrom(json.at("error"));
  trial.answer = json.value("answer", "");
  trial.scores = ScoresFrom(json.at("scores"));
  trial.answer_kind = json.value("answer_kind", "");
  if (json.contains("costs")) trial.costs = CostsFrom(json.at("costs"));
  if (json.contains("peak_memory_bytes")) {
    trial.peak_memory_bytes = json.at("peak_memory_bytes").get<int64_t>();
  }
  if (json.contains("alone")) trial.uncontended = json.at("alone").get<bool>();
  trial.context_id = json.at("context_id");
  trial.adapter_fingerprint = json.at("adapter_fingerprint");
  trial.compress_seconds = json.at("compress_seconds");
  trial.compressed_here = json.at("compressed_here");
  trial.passages = json.at("passages");
  return trial;
}

Json SamplePart(const Trial& trial) {
  Json json = {{"sample", trial.sample},     {"dataset", trial.dataset},
               {"document", trial.document}, {"language", trial.language},
               {"family", trial.family},     {"frame", trial.frame}};
  if (!trial.choice.empty()) {
    json["choice"] = trial.choice;
    json["options"] = trial.options;
  }
  json["tokens"] = trial.tokens;
  json["length"] = LengthClass(trial.tokens);
  if (trial.depth) {
    json["depth"] = *trial.depth;
    json["depth_fifth"] = DepthFifth(*trial.depth);
  }
  json["seed"] = trial.seed;
  json["question"] = trial.question;
  json["wanted"] = trial.wanted;
  return json;
}

}  // namespace

std::string Title(const Source& source) {
  std::string title(ModeName(source.mode));
  if (source.gists > 0) title += fmt::format(" {}", source.gists);
  if (source.answer_adapter == AnswerAdapter::kOn) title += ", answer adapter";
  return title;
}

std::string_view OldAnswerAdapterName(AnswerAdapter adapter) {
  return adapter == AnswerAdapter::kOn ? "trained" : "frozen";
}

Json WithPresentNames(const Json& settings) {
  if (!settings.is_object()) return settings;
  Json renamed = Json::object();  // in the same order
  for (const auto& [key, value] : settings.items()) {
    if (key == "readers") {
      for (const Json& name : value) {
        renamed["answer_adapters"].push_back(AnswerAdapterName(
            name == "trained" ? AnswerAdapter::kOn : AnswerAdapter::kOff));
      }
    } else if (key == "reader_fingerprint") {
      renamed["answer_adapter_fingerprint"] = value;
    } else {
      renamed[key] = value;
    }
  }
  return renamed;
}

std::string TrialKey(std::string_view sample, const Source& source) {
  return fmt::format("{} {} {} {}", sample, ModeName(source.mode), source.gists,
                     AnswerAdapterName(source.answer_adapter));
}

int64_t LengthClass(int64_t tokens) {
  if (tokens <= 0) return 0;
  for (const int64_t small : {256, 512}) {
    if (tokens <= small) return small;
  }
  if (tokens <= kLastStep) return (tokens + kStep - 1) / kStep * kStep;
  int64_t length = kLastStep;
  while (length < tokens && length <= INT64_MAX / 2) length *= 2;
  return length;
}

int DepthFifth(double depth) {
  return std::min(int(std::clamp(depth, 0.0, 1.0) * kFifths), kFifths - 1);
}

Json ToJson(const Trial& trial) {
  Json json = SamplePart(trial);
  json["mode"] = ModeName(trial.mode);
  json["gists"] = trial.gists;
  json["answer_adapter"] = AnswerAdapterName(trial.answer_adapter);
  if (trial.error) {
    json["error"] = ToJson(*trial.error);
  } else {
    json["answer"] = trial.answer;
    json["answer_kind"] = trial.answer_kind;
  }
  json["metric"] = trial.metric;
  json["scores"] = ToJson(trial.scores);
  if (trial.costs) json["costs"] = ToJson(*trial.costs);
  if (trial.peak_memory_bytes) {
    json["peak_memory_bytes"] = *trial.peak_memory_bytes;
  }
  if (trial.uncontended) json["alone"] = *trial.uncontended;
  json["context_id"] = trial.context_id;
  json["adapter_fingerprint"] = trial.adapter_fingerprint;
  json["compress_seconds"] = trial.compress_seconds;
  json["compressed_here"] = trial.compressed_here;
  json["passages"] = trial.passages;
  return json;
}

absl::StatusOr<Trial> TrialFromJson(const Json& json) {
  try {
    return ReadTrial(json);
  } catch (const std::exception& error) {
    return absl::DataLossError(fmt::format("is no record: {}", error.what()));
  }
}

}  // namespace gist::client

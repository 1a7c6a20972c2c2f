#include "client/eval/summary.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "core/scoring/answer_kind.h"

namespace gist::client {
namespace {

constexpr int kResamples = 1000;

using Trials = std::vector<const Trial*>;

Share ShareOf(int64_t hits, int64_t total) {
  return {hits, total, total == 0 ? 0 : double(hits) / double(total),
          WilsonInterval(hits, total)};
}

template <typename Predicate>
Share ShareOf(const Trials& trials, Predicate hit) {
  return ShareOf(std::count_if(trials.begin(), trials.end(),
                               [&](const Trial* t) { return hit(*t); }),
                 int64_t(trials.size()));
}

template <typename Predicate>
Trials Where(const Trials& trials, Predicate keep) {
  Trials kept;
  std::copy_if(trials.begin(), trials.end(), std::back_inserter(kept),
               [&](const Trial* trial) { return keep(*trial); });
  return kept;
}

Mean MeanOf(const Trials& trials, double Scores::*score, uint64_t seed) {
  std::vector<double> scores;
  for (const Trial* trial : trials) scores.push_back(trial->scores.*score);
  std::sort(scores.begin(), scores.end());  // the order of asking is no matter
  if (scores.empty()) return {};
  double sum = 0;
  for (const double each : scores) sum += each;
  Mean mean{.value = sum / double(scores.size())};
  const bool whole = std::all_of(scores.begin(), scores.end(),
                                 [](double s) { return s == 0 || s == 1; });
  mean.interval =
      whole ? WilsonInterval(std::llround(sum), int64_t(scores.size()))
            : BootstrapInterval(scores, kResamples, seed);
  return mean;
}

Spread SpreadOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  double sum = 0;
  for (const double value : values) sum += value;
  const size_t p95 = size_t(std::ceil(0.95 * double(n))) - 1;
  return {.median = n % 2 == 1 ? values[n / 2]
                               : (values[n / 2 - 1] + values[n / 2]) / 2,
          .p95 = values[std::min(p95, n - 1)],
          .mean = sum / double(n)};
}

template <typename Get>
Spread SpreadOf(const Trials& answered, Get get) {
  std::vector<double> values;
  for (const Trial* trial : answered) {
    values.push_back(double(get(*trial, *trial->costs)));
  }
  return SpreadOf(std::move(values));
}

double PrepareSeconds(const Trial& trial, const Costs& costs) {
  return costs.index_seconds +
         (UsesGists(trial.mode) ? trial.compress_seconds : 0);
}

std::optional<Cost> CostOf(const Trials& answered) {
  if (answered.empty()) return std::nullopt;
  const auto of = [&](auto get) { return SpreadOf(answered, get); };
  const auto field = [&](auto Costs::*member) {
    return of([=](const Trial&, const Costs& c) { return c.*member; });
  };
  return Cost{.ratio = field(&Costs::ratio),
              .bytes_ratio = of([](const Trial&, const Costs& c) {
                return c.kv_bytes > 0
                           ? double(c.full_kv_bytes) / double(c.kv_bytes)
                           : 0.0;
              }),
              .kv_bytes = field(&Costs::kv_bytes),
              .kv_tokens = field(&Costs::kv_tokens),
              .document_tokens = field(&Costs::document_tokens),
              .prepare_seconds = of(PrepareSeconds),
              .first_token_seconds = of([](const Trial&, const Costs& c) {
                return std::max(0.0, c.first_token_seconds - c.index_seconds);
              }),
              .total_seconds = of([](const Trial&, const Costs& c) {
                return std::max(0.0, c.total_seconds - c.index_seconds);
              }),
              .prefill_seconds = field(&Costs::prefill_seconds),
              .decode_seconds = field(&Costs::decode_seconds)};
}

std::optional<Spread> MemoryOf(const Trials& trials) {
  std::vector<double> bytes;
  for (const Trial* trial : trials) {
    if (trial->peak_memory_bytes && !trial->error) {
      bytes.push_back(double(*trial->peak_memory_bytes));
    }
  }
  if (bytes.empty()) return std::nullopt;
  return SpreadOf(std::move(bytes));
}

bool IsAbsent(const Trial& trial) { return trial.family == "absent"; }

std::optional<Part> PartOf(const Trials& trials, uint64_t seed) {
  if (trials.empty()) return std::nullopt;
  return Part{.asked = int64_t(trials.size()),
              .accuracy = MeanOf(trials, &Scores::score, seed),
              .exact = MeanOf(trials, &Scores::exact, seed)};
}

void Measure(const Trials& trials, uint64_t seed, Group* group) {
  const Trials answered =
      Where(trials, [](const Trial& t) { return !t.error && t.costs; });
  group->asked = int64_t(trials.size());
  group->errors =
      int64_t(Where(trials, [](const Trial& t) { return !!t.error; }).size());
  group->accuracy = MeanOf(trials, &Scores::score, seed);
  group->exact = MeanOf(trials, &Scores::exact, seed);
  group->containment = MeanOf(trials, &Scores::containment, seed);
  group->f1 = MeanOf(trials, &Scores::f1, seed);
  group->absent = PartOf(Where(trials, IsAbsent), seed);
  if (group->absent) {
    group->present = PartOf(
        Where(trials, [](const Trial& t) { return !IsAbsent(t); }), seed);
  }
  const Trials summaries = Where(
      trials, [](const Trial& t) { return t.metric.starts_with("rouge_l"); });
  if (!summaries.empty()) {
    group->rouge_l = MeanOf(summaries, &Scores::rouge_l, seed);
  }
  group->cost = CostOf(answered);
  group->peak_memory_bytes = MemoryOf(trials);
  group->not_alone = int64_t(Where(answered, [](const Trial& t) {
                               return t.uncontended == false;
                             }).size());
}

// What the trials of a group have in common, at one of the five levels.
using GroupKey = std::tuple<int, Source, std::optional<std::string>,
                            std::optional<std::string>, std::optional<int64_t>,
                            std::optional<int>>;
constexpr int kLevels = 5;

std::optional<GroupKey> KeyOf(const Trial& trial, int level) {
  GroupKey key{level, trial, {}, {}, {}, {}};
  if (level >= 1) std::get<2>(key) = trial.language;
  if (level >= 2) std::get<3>(key) = trial.family;
  if (level >= 3) std::get<4>(key) = LengthClass(trial.tokens);
  if (level < 4) return key;
  if (!trial.depth) return std::nullopt;
  std::get<5>(key) = DepthFifth(*trial.depth);
  return key;
}

std::vector<Group> GroupsOf(const Trials& trials, uint64_t seed) {
  std::map<GroupKey, Trials> members;
  for (const Trial* trial : trials) {
    for (int level = 0; level < kLevels; ++level) {
      const auto key = KeyOf(*trial, level);
      if (key) members[*key].push_back(trial);
    }
  }
  std::vector<Group> groups;
  for (const auto& [key, of] : members) {
    Group group;
    static_cast<Source&>(group) = std::get<1>(key);
    std::tie(std::ignore, std::ignore, group.language, group.family,
             group.length, group.depth_fifth) = key;
    Measure(of, seed, &group);
    groups.push_back(std::move(group));
  }
  return groups;
}

// Calls `make` with the trials of each source: of all
// languages, then, where there are several, of each.
template <typename Make>
void EachSource(const Trials& trials, Make make) {
  std::map<Source, Trials> sources;
  std::set<std::string> languages;
  for (const Trial* trial : trials) {
    sources[*trial].push_back(trial);
    languages.insert(trial->language);
  }
  for (const auto& [source, of] : sources) {
    make(source, std::optional<std::string>(), of);
    if (languages.size() < 2) continue;
    for (const std::string& language : languages) {
      make(source, std::optional<std::string>(language),
           Where(of, [&](const Trial& t) { return t.language == language; }));
    }
  }
}

bool IsFact(const Trial& trial) {
  return trial.family == "passkey" || trial.family == "keyed" ||
         trial.family == "needle" || trial.family == "overview";
}

bool IsKind(const Trial& trial, AnswerKind kind) {
  return trial.answer_kind == Name(kind);
}

// Errors are no answers: they neither refuse nor make anything up. Questions
// without a family count beside others that the text does not answer.
std::vector<Hallucination> HallucinationOf(const Trials& trials) {
  const bool has_absent =
      std::any_of(trials.begin(), trials.end(),
                  [](const Trial* t) { return IsAbsent(*t); });
  const auto is_present = [has_absent](const Trial& t) {
    return IsFact(t) || (has_absent && t.family == "custom");
  };
  const Trials asked = Where(trials, [&](const Trial& t) {
    return !t.error && (is_present(t) || IsAbsent(t));
  });
  std::vector<Hallucination> rows;
  EachSource(asked, [&](Source source, auto language, const Trials& of) {
    const Trials absent = Where(of, IsAbsent);
    const Trials present = Where(of, is_present);
    Hallucination row{source, language, {}, {}, {}, {}};
    row.confident = ShareOf(absent, [](const Trial& t) {
      return !IsKind(t, AnswerKind::kRight) && !IsKind(t, AnswerKind::kEmpty);
    });
    row.false_refusal = ShareOf(present, [](const Trial& t) {
      return IsKind(t, AnswerKind::kRefusal);
    });
    row.other_value = ShareOf(
        of, [](const Trial& t) { return IsKind(t, AnswerKind::kOtherValue); });
    row.other_document = ShareOf(of, [](const Trial& t) {
      return IsKind(t, AnswerKind::kOtherDocument);
    });
    rows.push_back(std::move(row));
  });
  return rows;
}

// Of one who guesses.
double ChanceOf(const Trials& choices) {
  double sum = 0;
  for (const Trial* trial : choices) sum += 1.0 / trial->options;
  return choices.empty() ? 0 : sum / double(choices.size());
}

std::vector<Understanding> UnderstandingOf(const Trials& trials) {
  const Trials choices =
      Where(trials, [](const Trial& t) { return t.metric == "choice"; });
  std::vector<Understanding> rows;
  EachSource(choices, [&](Source source, auto language, const Trials& of) {
    std::set<std::string> kinds;
    for (const Trial* trial : of) kinds.insert(trial->choice);
    const auto right = [](const Trial& t) { return t.scores.score == 1; };
    rows.push_back(
        {source, language, std::nullopt, ShareOf(of, right), ChanceOf(of)});
    for (const std::string& kind : kinds) {
      const Trials same =
          Where(of, [&](const Trial& t) { return t.choice == kind; });
      rows.push_back(
          {source, language, kind, ShareOf(same, right), ChanceOf(same)});
    }
  });
  return rows;
}

// Each document once, whatever was asked about it.
void MeasureCompressing(const Trials& answered, Throughput* row) {
  std::map<std::string, const Trial*> documents;
  for (const Trial* trial : answered) documents[trial->document] = trial;
  row->documents = int64_t(documents.size());
  if (!UsesGists(row->mode)) return;
  double tokens = 0, seconds = 0;
  for (const auto& [document, trial] : documents) {
    tokens += double(trial->costs->document_tokens);
    seconds += trial->compress_seconds;
  }
  if (seconds > 0) row->compress_tokens_per_second = tokens / seconds;
}

std::vector<Throughput> ThroughputOf(const Trials& trials) {
  const Trials answered =
      Where(trials, [](const Trial& t) { return !t.error && t.costs; });
  std::vector<Throughput> rows;
  EachSource(
      answered, [&](Source source, const auto& language, const Trials& of) {
        if (language) return;
        Throughput row{source};
        double tokens = 0, answer_tokens = 0, seconds = 0, decoding = 0;
        for (const Trial* trial : of) {
          const Costs& costs = *trial->costs;
          tokens += double(costs.document_tokens);
          answer_tokens += double(costs.answer_tokens);
          seconds += std::max(0.0, costs.total_seconds - costs.index_seconds);
          decoding += costs.decode_seconds;
        }
        if (seconds > 0) {
          row.document_tokens_per_second = tokens / seconds;
          row.questions_per_minute = 60 * double(of.size()) / seconds;
        }
        if (decoding > 0)
          row.answer_tokens_per_second = answer_tokens / decoding;
        MeasureCompressing(of, &row);
        rows.push_back(row);
      });
  return rows;
}

Json ToJson(const Interval& interval) { return {interval.low, interval.high}; }

Json ToJson(const Mean& mean) {
  return {{"mean", mean.value}, {"interval", ToJson(mean.interval)}};
}

Json ToJson(const Share& share) {
  return {{"hits", share.hits},
          {"of", share.total},
          {"share", share.value},
          {"interval", ToJson(share.interval)}};
}

Json ToJson(const Spread& spread) {
  return {
      {"median", spread.median}, {"p95", spread.p95}, {"mean", spread.mean}};
}

Json SourceJson(const Source& source) {
  return {{"mode", ModeName(source.mode)},
          {"gists", source.gists},
          {"answer_adapter", AnswerAdapterName(source.answer_adapter)}};
}

Json ToJson(const Part& part) {
  return {{"n", part.asked},
          {"accuracy", ToJson(part.accuracy)},
          {"exact", ToJson(part.exact)}};
}

Json ToJson(const Group& group) {
  Json json = SourceJson(group);
  if (group.language) json["language"] = *group.language;
  if (group.family) json["family"] = *group.family;
  if (group.length) json["length"] = *group.length;
  if (group.depth_fifth) json["depth_fifth"] = *group.depth_fifth;
  json["n"] = group.asked;
  json["errors"] = group.errors;
  json["accuracy"] = ToJson(group.accuracy);
  json["exact"] = ToJson(group.exact);
  json["containment"] = ToJson(group.containment);
  json["f1"] = ToJson(group.f1);
  if (group.present) json["present"] = ToJson(*group.present);
  if (group.absent) json["absent"] = ToJson(*group.absent);
  if (group.rouge_l) json["rouge_l"] = ToJson(*group.rouge_l);
  if (group.cost) {
    const Cost& cost = *group.cost;
    json["ratio"] = ToJson(cost.ratio);
    json["bytes_ratio"] = ToJson(cost.bytes_ratio);
    json["kv_bytes"] = ToJson(cost.kv_bytes);
    json["standing_tokens"] = ToJson(cost.kv_tokens);
    json["document_tokens"] = ToJson(cost.document_tokens);
    json["prepare_seconds"] = ToJson(cost.prepare_seconds);
    json["first_token_seconds"] = ToJson(cost.first_token_seconds);
    json["prefill_seconds"] = ToJson(cost.prefill_seconds);
    json["decode_seconds"] = ToJson(cost.decode_seconds);
    json["total_seconds"] = ToJson(cost.total_seconds);
  }
  if (group.peak_memory_bytes) {
    json["peak_memory_bytes"] = ToJson(*group.peak_memory_bytes);
  }
  json["not_alone"] = group.not_alone;
  return json;
}

Json ToJson(const Hallucination& row) {
  Json json = SourceJson(row);
  if (row.language) json["language"] = *row.language;
  json["confident_about_absent"] = ToJson(row.confident);
  json["false_refusal"] = ToJson(row.false_refusal);
  json["other_value"] = ToJson(row.other_value);
  json["other_document"] = ToJson(row.other_document);
  return json;
}

Json ToJson(const Understanding& row) {
  Json json = SourceJson(row);
  if (row.language) json["language"] = *row.language;
  if (row.choice) json["choice"] = *row.choice;
  json["right"] = ToJson(row.right);
  json["chance"] = row.chance;
  return json;
}

Json ToJson(const Throughput& row) {
  Json json = SourceJson(row);
  json["documents"] = row.documents;
  if (row.compress_tokens_per_second) {
    json["compress_tokens_per_second"] = *row.compress_tokens_per_second;
  }
  json["document_tokens_per_second"] = row.document_tokens_per_second;
  json["answer_tokens_per_second"] = row.answer_tokens_per_second;
  json["questions_per_minute"] = row.questions_per_minute;
  return json;
}

template <typename Row>
Json ListOf(const std::vector<Row>& rows) {
  Json list = Json::array();
  for (const Row& row : rows) list.push_back(ToJson(row));
  return list;
}

}  // namespace

EvalSummary Summarize(std::span<const Trial> trials, uint64_t seed) {
  Trials all;
  for (const Trial& trial : trials) all.push_back(&trial);
  return {.groups = GroupsOf(all, seed),
          .hallucination = HallucinationOf(all),
          .understanding = UnderstandingOf(all),
          .throughput = ThroughputOf(all)};
}

Json ToJson(const EvalSummary& summary) {
  return {{"groups", ListOf(summary.groups)},
          {"hallucination", ListOf(summary.hallucination)},
          {"understanding", ListOf(summary.understanding)},
          {"throughput", ListOf(summary.throughput)}};
}

}  // namespace gist::client

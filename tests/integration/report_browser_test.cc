// The report in a real Chromium: nothing to complain about, nothing too wide,
// and every value that is drawn is that of results.json.
#include <stdlib.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>

#include "client/eval/report.h"
#include "client/eval/results.h"
#include "core/base/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/eval/trials.h"
#include "tests/support/temp_dir.h"

namespace gist::client {
namespace {

constexpr char kHostile[] =
    "</td></table><script>document.title='owned'</script><img src=x "
    "onerror=\"document.title='owned'\"> \x01 \xff & a_word_without_any_space_"
    "that_goes_on_and_on_and_on_and_on_and_on_and_on_and_on_and_on_and_on";

// Four modes, one of them with the answer adapter, two languages, four
// families, eleven lengths.
std::vector<Trial> Trials() {
  Rng rng(20261125);
  std::vector<Trial> trials;
  const char* const families[] = {"passkey", "passkey", "keyed", "absent",
                                  "overview"};
  for (int i = 0; i < 120; ++i) {
    for (const auto& [mode, gists, answer_adapter] :
         {Source{Mode::kGist, 10},
          {Mode::kGist, 25},
          {Mode::kFull, 0, AnswerAdapter::kOn},
          {Mode::kRag, 0},
          {Mode::kHybrid, 10}}) {
      const bool right = rng.Uniform() < 0.6;
      Trial trial = MakeTrial(i, {.mode = mode,
                                  .gists = gists,
                                  .answer_adapter = answer_adapter,
                                  .score = right ? 1.0 : 0.0,
                                  .language = i % 2 == 0 ? "en" : "ko",
                                  .family = families[i % 5],
                                  .tokens = int64_t(2000 + rng.Below(6000)),
                                  .depth = rng.Uniform(),
                                  .kind = right                 ? "right"
                                          : rng.Uniform() < 0.5 ? "other"
                                                                : "other_value",
                                  .answer = right ? "ABC123" : kHostile});
      trial.costs->first_token_seconds += rng.Uniform();
      trial.costs->kv_bytes += int64_t(gists) * 23'040;
      trials.push_back(std::move(trial));
    }
  }
  trials.push_back(MakeError(
      200, {.mode = Mode::kFull, .answer_adapter = AnswerAdapter::kOn},
      kHostile));
  trials.back().question = kHostile;
  trials.back().wanted = {kHostile};
  return trials;
}

// Where a mark's values stand in results.json.
using Key = std::map<std::string, std::string>;

class ReportBrowserTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("command -v chromium >/dev/null 2>&1") != 0) {
      GTEST_SKIP() << "no chromium on the path: apt-get install chromium";
    }
  }

  void Open(const Results& results) {
    const EvalSummary summary = Summarize(results.trials, results.seed);
    results_ = Json::parse(Print(results, summary));
    Show(DrawReport(results, summary));
  }

  void Show(const std::string& html) {
    const std::string page = folder_ / "report.html";
    std::ofstream(page) << html;
    const std::string out = folder_ / "views.json";
    const std::string command = fmt::format(
        "python3 tests/integration/browse.py '{}' > '{}'", page, out);
    ASSERT_EQ(std::system(command.c_str()), 0);
    std::ifstream in(out);
    views_ = Json::parse(in);
    ASSERT_EQ(views_.size(), 4u);
  }

  void ExpectSound() const {
    for (const Json& view : views_) {
      SCOPED_TRACE(fmt::format("{} {}", view.at("scheme").get<std::string>(),
                               view.at("width").get<int>()));
      EXPECT_EQ(view.at("complaints"), Json::array());
      EXPECT_EQ(view.at("scripts"), 0);
      EXPECT_EQ(view.at("title"), "gistd evaluation");
      EXPECT_LE(view.at("page_width"), view.at("width"));
      EXPECT_EQ(view.at("too_wide"), Json::array());
    }
    EXPECT_NE(views_[0].at("background"), views_[2].at("background"));
    EXPECT_NE(views_[0].at("color"), views_[2].at("color"));
  }

  // Of one plot, in the view of 1,280 pixels.
  std::vector<Json> Marks(const std::string& plot) const {
    std::vector<Json> marks;
    for (const Json& mark : views_[1].at("marks")) {
      if (mark.at("plot") == plot) marks.push_back(mark);
    }
    return marks;
  }

  // The group that a mark stands for.
  Json GroupOf(const Json& mark) const {
    for (const Json& group : results_.at("summary").at("groups")) {
      const auto same = [&](const char* key, const char* data) {
        if (!mark.contains(data) || mark.at(data) == "") {
          return !group.contains(key);
        }
        if (!group.contains(key)) return false;
        const Json& value = group.at(key);
        return mark.at(data) ==
               (value.is_string() ? value.get<std::string>() : value.dump());
      };
      if (same("mode", "mode") && same("gists", "gists") &&
          same("answer_adapter", "answers") && same("language", "language") &&
          same("family", "family") && same("length", "length") &&
          same("depth_fifth", "fifth")) {
        return group;
      }
    }
    ADD_FAILURE() << "no group for " << mark.dump();
    return {};
  }

  size_t CountGroups(bool language, bool family, bool fifth) const {
    size_t count = 0;
    for (const Json& group : results_.at("summary").at("groups")) {
      count += group.contains("language") == language &&
               group.contains("family") == family &&
               group.contains("length") == fifth &&
               group.contains("depth_fifth") == fifth;
    }
    return count;
  }

  static double Number(const Json& mark, const char* data) {
    return std::stod(mark.at(data).get<std::string>());
  }

  TempDir folder_;
  Json results_, views_;
};

// Otherwise the other tests would prove nothing.
TEST_F(ReportBrowserTest, SeesFaultsWhereThereAreSome) {
  Show(
      "<!doctype html><meta name=viewport content='width=device-width'>"
      "<p style='width:600px' data-plot=a data-x=1>wide</p>"
      "<script>console.error('bad'); missing()</script>");
  const Json& view = views_[0];
  EXPECT_EQ(view.at("scripts"), 1);
  EXPECT_EQ(view.at("complaints").size(), 2u);
  EXPECT_GT(view.at("page_width"), 390);
  EXPECT_EQ(view.at("marks").at(0).at("x"), "1");
}

TEST_F(ReportBrowserTest, DrawsWhatResultsSay) {
  Open(MakeResults(Trials()));
  ExpectSound();

  const auto headline = Marks("headline");
  EXPECT_EQ(headline.size(), CountGroups(false, false, false));
  for (const Json& mark : headline) {
    EXPECT_EQ(Number(mark, "value"),
              GroupOf(mark).at("accuracy").at("mean").get<double>());
  }
  const auto families = Marks("family");
  EXPECT_EQ(families.size(), CountGroups(true, true, false));
  for (const Json& mark : families) {
    EXPECT_EQ(Number(mark, "value"),
              GroupOf(mark).at("accuracy").at("mean").get<double>());
  }
  const auto heat = Marks("heat");
  EXPECT_EQ(heat.size(), CountGroups(true, true, true));
  EXPECT_GT(heat.size(), 100u);
  for (const Json& mark : heat) {
    const Json group = GroupOf(mark);
    EXPECT_EQ(Number(mark, "value"),
              group.at("accuracy").at("mean").get<double>());
    EXPECT_EQ(Number(mark, "n"), group.at("n").get<double>());
    EXPECT_GT(mark.at("width"), 20);
  }
}

TEST_F(ReportBrowserTest, PlotsPointsAndBarsAtTheirValues) {
  Open(MakeResults(Trials()));
  const auto bytes = Marks("accuracy-bytes");
  EXPECT_EQ(bytes.size(), CountGroups(true, false, false));
  for (const Json& mark : bytes) {
    const Json group = GroupOf(mark);
    EXPECT_EQ(Number(mark, "x"), group.at("kv_bytes").at("mean").get<double>());
    EXPECT_EQ(Number(mark, "y"), group.at("accuracy").at("mean").get<double>());
    EXPECT_EQ(Number(mark, "low"),
              group.at("accuracy").at("interval").at(0).get<double>());
    EXPECT_EQ(Number(mark, "high"),
              group.at("accuracy").at("interval").at(1).get<double>());
  }
  std::map<std::string, Json> records;
  for (const Json& record : results_.at("records")) {
    records[fmt::format(
        "{} {} {} {}", record.at("sample").get<std::string>(),
        record.at("mode").get<std::string>(), record.at("gists").get<int>(),
        record.at("answer_adapter").get<std::string>())] = record;
  }
  const auto times = Marks("first-token");
  EXPECT_EQ(times.size(), 600u);  // the error has no time
  for (const Json& mark : times) {
    const Json& costs =
        records
            .at(fmt::format("{} {} {} {}", mark.at("sample").get<std::string>(),
                            mark.at("mode").get<std::string>(),
                            mark.at("gists").get<std::string>(),
                            mark.at("answers").get<std::string>()))
            .at("costs");
    EXPECT_EQ(Number(mark, "x"), costs.at("document_tokens").get<double>());
    EXPECT_EQ(Number(mark, "y"),
              costs.at("seconds").at("first_token").get<double>());
  }
  for (const auto& [plot, key, statistic] :
       {std::tuple("kv-bytes", "kv_bytes", "mean"),
        {"peak-memory", "peak_memory_bytes", "median"}}) {
    const auto bars = Marks(plot);
    ASSERT_EQ(bars.size(), CountGroups(false, false, false)) << plot;
    double scale = 0;  // pixels of a byte, where the bar is longest
    for (const Json& bar : bars) {
      scale =
          std::max(scale, bar.at("width").get<double>() / Number(bar, "value") *
                              (Number(bar, "value") > 1e7));
    }
    for (const Json& bar : bars) {
      const double value = Number(bar, "value");
      EXPECT_EQ(value, GroupOf(bar).at(key).at(statistic).get<double>());
      EXPECT_NEAR(bar.at("width").get<double>(), value * scale, 0.2);
    }
  }
}

TEST_F(ReportBrowserTest, PutsPointsInOrder) {
  Open(MakeResults(Trials()));
  const auto times = Marks("first-token");
  for (size_t i = 1; i < times.size(); ++i) {
    const Json &a = times[i - 1], &b = times[i];
    if (a.at("mode") != b.at("mode")) continue;
    const double dx = Number(b, "x") - Number(a, "x");
    const double moved =
        b.at("left").get<double>() - a.at("left").get<double>();
    if (std::abs(dx) > 100) {
      EXPECT_EQ(dx > 0, moved > 0) << b.dump();
    }
    const double ratio = Number(b, "y") / Number(a, "y");
    const double rose = a.at("top").get<double>() - b.at("top").get<double>();
    if (std::abs(std::log(ratio)) > 0.1) {
      EXPECT_EQ(ratio > 1, rose > 0) << b.dump();
    }
  }
}

TEST_F(ReportBrowserTest, IsSoundWithoutAnySampleAndWithOne) {
  Open(MakeResults({}));
  ExpectSound();
  EXPECT_EQ(views_[0].at("marks").size(), 0u);
  Open(MakeResults({MakeTrial(1, {})}));
  ExpectSound();
  EXPECT_EQ(Marks("heat").size(), 1u);
}

TEST_F(ReportBrowserTest, IsSoundWhereAModeFailsWholly) {
  Open(MakeResults(
      {MakeTrial(1, {}), MakeError(1, {.mode = Mode::kRag}, kHostile)}));
  ExpectSound();
  EXPECT_EQ(Marks("headline").size(), 2u);
  EXPECT_EQ(Marks("kv-bytes").size(), 1u);
}

}  // namespace
}  // namespace gist::client

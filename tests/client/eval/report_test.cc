#include "client/eval/report.h"

#include <algorithm>

#include "client/eval/html.h"
#include "client/eval/scoring.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/eval/trials.h"

namespace gist::client {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

std::string Report(const Results& results) {
  return DrawReport(results, Summarize(results.trials, results.seed));
}

// Every tag that is opened is closed, in the right order.
void ExpectBalanced(const std::string& html) {
  std::vector<std::string> open;
  const std::string_view single[] = {"meta", "br", "!doctype"};
  for (size_t at = html.find('<'); at != html.npos;
       at = html.find('<', at + 1)) {
    const size_t end = html.find('>', at);
    ASSERT_NE(end, html.npos);
    const std::string tag = html.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" \t\n/", 1));
    if (tag[0] == '/') {
      ASSERT_FALSE(open.empty()) << tag;
      ASSERT_EQ(open.back(), tag.substr(1)) << html.substr(at - 60, 80);
      open.pop_back();
    } else if (!tag.ends_with('/') &&
               std::find(std::begin(single), std::end(single), name) ==
                   std::end(single)) {
      open.push_back(name);
    }
  }
  EXPECT_TRUE(open.empty()) << open.back();
}

TEST(EscapeTest, LeavesNoMarkupNoControlsAndNoBrokenBytes) {
  EXPECT_EQ(Escape("<b a=\"1\" c='2'>&"),
            "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;");
  EXPECT_EQ(Escape(std::string("a\0b\x1b[31m\n\t\x7f", 11)),
            "a\xef\xbf\xbd"
            "b\xef\xbf\xbd[31m\n\t\xef\xbf\xbd");
  EXPECT_EQ(Escape("\xc2\x9b"), "\xef\xbf\xbd");  // a terminal's control
  EXPECT_EQ(Escape("\xff"), "\xef\xbf\xbd");
  EXPECT_EQ(Escape("a\u202eb\u2069"),
            "a\ufffd"
            "b\ufffd");
  EXPECT_EQ(Escape("“–” 가&"), "“–” 가&amp;");
  EXPECT_EQ(Quote("가나다", 2), "<bdi>가나…</bdi>");
}

TEST(ReportTest, EscapesHostileText) {
  Trial trial = MakeTrial(1, {.score = 0, .kind = "other"});
  const std::string hostile =
      "</td><script>alert(1)</script><img src=x onerror=alert(1)>\" ' & "
      "\x01\xff \xe2\x80\xae";
  trial.answer = trial.question = trial.family = trial.language = hostile;
  trial.wanted = {hostile};
  Trial error = MakeError(2, {.mode = Mode::kRag}, hostile);
  Results results = MakeResults({trial, error});
  results.command = {hostile};
  results.server["model"] = hostile;
  results.settings[hostile] = hostile;
  const std::string html = Report(results);
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("<img")));
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;"));
  EXPECT_EQ(html.find('\x01'), html.npos);
  EXPECT_EQ(ValidUtf8(html), html);
  ExpectBalanced(html);
}

TEST(ReportTest, NeedsNothingFromOutside) {
  const std::string html = Report(MakeResults({MakeTrial(1, {})}));
  for (const char* outside :
       {"http://", "https://", "url(", "<link", "@import", "<script", "src="}) {
    EXPECT_THAT(html, Not(HasSubstr(outside)));
  }
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
  EXPECT_THAT(html, HasSubstr("prefers-color-scheme:dark"));
}

TEST(ReportTest, SaysThatNothingWasAsked) {
  Results results = MakeResults({});
  results.planned = 12;
  const std::string html = Report(results);
  EXPECT_THAT(html, HasSubstr("Nothing was asked"));
  EXPECT_THAT(html, HasSubstr("Not complete: 0 of 12 answers"));
  EXPECT_THAT(html, Not(HasSubstr("nan")));
  ExpectBalanced(html);
}

TEST(ReportTest, DrawsOneSample) {
  const std::string html = Report(MakeResults({MakeTrial(1, {})}));
  EXPECT_THAT(html, HasSubstr("100.0\u00a0%"));
  EXPECT_THAT(html, HasSubstr("Every question was answered rightly"));
  EXPECT_THAT(html, Not(HasSubstr("nan")));
  EXPECT_THAT(html, Not(HasSubstr("inf\"")));
  ExpectBalanced(html);
}

TEST(ReportTest, TellsPresentFromAbsentQuestionsInItsHeadline) {
  const std::string one = Report(MakeResults({MakeTrial(1, {})}));
  EXPECT_THAT(one, Not(HasSubstr("data-label=\"absent\"")));
  const std::string html =
      Report(MakeResults({MakeTrial(1, {.score = 0, .kind = "other"}),
                          MakeTrial(2, {.family = "absent"}),
                          MakeTrial(3, {.mode = Mode::kFull})}));
  EXPECT_THAT(html, HasSubstr("<th scope=\"col\">present</th>"));
  EXPECT_THAT(html, HasSubstr("data-label=\"present\" class=\"wide\">0.0"));
  EXPECT_THAT(html, HasSubstr("data-label=\"absent\" class=\"wide\">100.0"));
  EXPECT_THAT(html, Not(HasSubstr("data-label=\"accuracy\"")));
  ExpectBalanced(html);
}

TEST(ReportTest, DrawsAModeThatFailsWholly) {
  const std::string html = Report(MakeResults(
      {MakeTrial(1, {}), MakeError(1, {.mode = Mode::kRag}, "no embedder"),
       MakeError(2, {.mode = Mode::kRag}, "no embedder")}));
  EXPECT_THAT(html, HasSubstr("2 errors"));
  EXPECT_THAT(html, HasSubstr("no embedder"));
  EXPECT_THAT(html, HasSubstr("0.0\u00a0%"));
  EXPECT_THAT(html, Not(HasSubstr("nan")));
  ExpectBalanced(html);
}

TEST(ReportTest, DrawsAPictureForAPageOfOnesOwn) {
  Trial hostile = MakeTrial(2, {});
  hostile.language = "<b>&";
  const Results results = MakeResults({MakeTrial(1, {}), hostile});
  const EvalSummary summary = Summarize(results.trials, results.seed);
  const std::string svg = DrawPicture(summary), html = Report(results);
  EXPECT_TRUE(svg.starts_with("<svg xmlns="));
  ExpectBalanced(svg);
  EXPECT_THAT(svg, Not(HasSubstr("<b>")));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  // Its marks are those of the page.
  const size_t begin = svg.find("<g class=\"mark m-gist\"");
  ASSERT_NE(begin, svg.npos);
  EXPECT_THAT(html,
              HasSubstr(svg.substr(begin, svg.find("</g>", begin) - begin)));
}

// librsvg knows no CSS variables: what they colour it draws black.
void ExpectFixedColors(const std::string& svg) {
  for (const char* outside : {"var(", "currentColor", "@media", "<style"}) {
    EXPECT_THAT(svg, Not(HasSubstr(outside)));
  }
  for (const char* part : {"<text ", "<line ", "<rect ", "<g class=\"mark"}) {
    for (size_t at = svg.find(part); at != svg.npos;
         at = svg.find(part, at + 1)) {
      const std::string tag = svg.substr(at, svg.find('>', at) - at);
      // A mark's shapes take its colour.
      if (tag.starts_with("<rect x=\"-.9\"")) continue;
      EXPECT_THAT(tag, AnyOf(HasSubstr(" fill=\"#"), HasSubstr(" stroke=\"#")));
    }
  }
}

TEST(ReportTest, DrawsWithFixedColors) {
  const Results results =
      MakeResults({MakeTrial(1, {}), MakeTrial(1, {.mode = Mode::kFull}),
                   MakeTrial(1, {.mode = Mode::kRag,
                                 .answer_adapter = AnswerAdapter::kOn})});
  ExpectFixedColors(DrawPicture(Summarize(results.trials, results.seed)));
  const std::string html = Report(results);
  int charts = 0;
  for (size_t at = html.find("<svg"); at != html.npos;
       at = html.find("<svg", at + 1), ++charts) {
    ExpectFixedColors(html.substr(at, html.find("</svg>", at) - at));
  }
  EXPECT_GT(charts, 3);
}

TEST(ReportTest, DrawsThreeThousandMarksAtMost) {
  std::vector<Trial> trials;
  for (int i = 0; i < 3100; ++i) trials.push_back(MakeTrial(i, {}));
  const std::string html = Report(MakeResults(trials));
  // Not by a matcher, which would print the page.
  EXPECT_NE(html.find("English, 3,000 of 3,100 answers"), html.npos);
  size_t marks = 0;
  const std::string mark = "data-plot=\"first-token\"";
  for (size_t at = html.find(mark); at != html.npos;
       at = html.find(mark, at + 1)) {
    ++marks;
  }
  EXPECT_EQ(marks, 3000u);
}

TEST(ReportTest, DrawsCostsOfZero) {
  Trial trial = MakeTrial(1, {});
  trial.costs = Costs{};
  trial.peak_memory_bytes = 0;
  const std::string html = Report(MakeResults({trial}));
  EXPECT_THAT(html, Not(HasSubstr("nan")));
  EXPECT_THAT(html, Not(HasSubstr("inf")));
  ExpectBalanced(html);
}

TEST(ReportTest, WarnsOfWhatSpoilsTheTimes) {
  Trial trial = MakeTrial(1, {});
  trial.uncontended = false;
  Results results = MakeResults({trial});
  results.settings["concurrency"] = 4;
  const std::string html = Report(results);
  EXPECT_THAT(html, HasSubstr("4 documents were in flight"));
  EXPECT_THAT(html, HasSubstr("During 1 answer something else used"));
}

}  // namespace
}  // namespace gist::client

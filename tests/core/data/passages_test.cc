#include "core/data/passages.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gist {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(PassagesTest, TellsFormatsByName) {
  EXPECT_EQ(FormatOf("/a/b.txt"), TextFormat::kPlain);
  EXPECT_EQ(FormatOf("perl.pod"), TextFormat::kPod);
  EXPECT_EQ(FormatOf("Carp.pm"), TextFormat::kPod);
  EXPECT_EQ(FormatOf("help/index.html"), TextFormat::kHtml);
  EXPECT_EQ(FormatOf("/usr/share/games/fortunes/riddles"),
            TextFormat::kFortune);
  EXPECT_EQ(FormatOf("/usr/share/games/fortunes/riddles.dat"),
            TextFormat::kPlain);
}

TEST(PassagesTest, SplitsPlainTextAtBlankLines) {
  EXPECT_THAT(Paragraphs("One\n two.\n\n \nThree.\n", TextFormat::kPlain),
              ElementsAre("One two.", "Three."));
  EXPECT_THAT(Paragraphs("", TextFormat::kPlain), IsEmpty());
}

TEST(PassagesTest, DropsWhatIsNotUtf8) {
  EXPECT_THAT(Paragraphs("caf\xe9\n\ngood", TextFormat::kPlain),
              ElementsAre("good"));
}

TEST(PassagesTest, ReadsPodWithoutItsCommandsAndCode) {
  const char pod[] =
      "package A;\n\n=head1 NAME\n\nSee L<perlfunc|perl functions> or C<< a > "
      "b "
      ">>, B<now>.X<index>\n\n  code();\n\n=cut\n\nmy $x;\n";
  EXPECT_THAT(Paragraphs(pod, TextFormat::kPod),
              ElementsAre("See perlfunc or a > b , now."));
}

TEST(PassagesTest, ReadsHtmlAsItIsShown) {
  const char html[] =
      "<html><head><title>T</title></head><body><h1>Head</h1><p>One <b>two</b> "
      "&amp; three.</p><pre>code</pre><script>x</script><p>Four"
      "<span hidden=\"true\">no</span> five.</p></body>";
  EXPECT_THAT(Paragraphs(html, TextFormat::kHtml),
              ElementsAre("Head", "One two & three.", "Four five."));
}

TEST(PassagesTest, SurvivesHtmlThatEndsAnywhere) {
  const std::string html = "<p>One<span hidden>x</span>&amp;<pre>a</pre></p>";
  for (size_t size = 0; size <= html.size(); ++size) {
    Paragraphs(html.substr(0, size), TextFormat::kHtml);
    Paragraphs(html.substr(size), TextFormat::kHtml);
  }
}

TEST(PassagesTest, SurvivesPodThatEndsAnywhere) {
  const std::string pod = "=pod\n\nA C<b B<< c >> d> L<e|f>\n\n=cut\n";
  for (size_t size = 0; size <= pod.size(); ++size) {
    Paragraphs(pod.substr(0, size), TextFormat::kPod);
  }
}

TEST(PassagesTest, SplitsFortunesAtPercentLines) {
  EXPECT_THAT(Paragraphs("One.\n%\nTwo\nthree.\n%\n", TextFormat::kFortune),
              ElementsAre("One.", "Two three."));
}

TEST(PassagesTest, TellsLanguages) {
  EXPECT_EQ(LanguageOf("A harbour is awake."), "en");
  EXPECT_EQ(LanguageOf("항구는 마을보다 먼저 깨어난다."), "ko");
  EXPECT_EQ(LanguageOf("LibreOffice 설정을 지정합니다."), "");
  EXPECT_EQ(LanguageOf("Übermäßig große Bäume wären schön."), "");
  EXPECT_EQ(LanguageOf("12 34."), "");
}

TEST(PassagesTest, CutsSentencesOfProse) {
  EXPECT_THAT(
      Sentences("The first of them is short. Mr. Hale, e.g. today, knew it "
                "well! What did the other one say? lower case is dropped.",
                "en"),
      ElementsAre("The first of them is short.",
                  "Mr. Hale, e.g. today, knew it well!",
                  "What did the other one say? lower case is dropped."));
  EXPECT_THAT(
      Sentences("바퀴 소리도 발소리도 없다. 눈은 소리를 먼저 바꾼다.", "ko"),
      ElementsAre("바퀴 소리도 발소리도 없다.", "눈은 소리를 먼저 바꾼다."));
}

TEST(PassagesTest, DropsCodeListsAndFragments) {
  EXPECT_THAT(Sentences("Call my $x = f(); and then go on with it.", "en"),
              IsEmpty());
  EXPECT_THAT(Sentences("No end mark at the end of this one", "en"), IsEmpty());
  EXPECT_THAT(Sentences("Too short.", "en"), IsEmpty());
  EXPECT_THAT(Sentences("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15.", "en"),
              IsEmpty());
  EXPECT_THAT(Sentences("Word " + std::string(500, 'x') + ".", "en"),
              IsEmpty());
}

TEST(PassagesTest, DropsParagraphsThatTalkOfPasskeys) {
  EXPECT_THAT(
      Sentences("All is well in the town. The Passkey is here now.", "en"),
      IsEmpty());
  EXPECT_THAT(Sentences("여기에서 새 비밀번호를 입력하십시오.", "ko"),
              IsEmpty());
}

}  // namespace
}  // namespace gist

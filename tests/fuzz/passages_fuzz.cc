// Any bytes as a text of each format: paragraphs are folded UTF-8, and
// sentences are parts of them.
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/utf8.h"
#include "core/data/passages.h"
#include "tests/fuzz/check.h"

namespace gist {
namespace {

void CheckParagraph(const std::string& paragraph) {
  FuzzCheck(!paragraph.empty(), "a paragraph holds something");
  FuzzCheck(FirstInvalidUtf8(paragraph) == paragraph.size(), "in UTF-8");
  FuzzCheck(paragraph.find("  ") == paragraph.npos, "with single spaces");
  for (const std::string_view language : {"en", "ko"}) {
    for (const std::string& sentence : Sentences(paragraph, language)) {
      FuzzCheck(paragraph.find(sentence) != paragraph.npos,
                "a sentence is part of its paragraph");
      FuzzCheck(LanguageOf(sentence) == language, "in its language");
    }
  }
}

}  // namespace
}  // namespace gist

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using gist::TextFormat;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto format : {TextFormat::kPlain, TextFormat::kPod,
                            TextFormat::kHtml, TextFormat::kFortune}) {
    for (const std::string& paragraph : gist::Paragraphs(text, format)) {
      gist::CheckParagraph(paragraph);
    }
  }
  return 0;
}

// Any bytes: valid UTF-8 comes back byte for byte from its tokens, whatever the
// pre-tokenizer; all else is kInvalidArgument.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/utf8.h"
#include "core/text/tokenizer.h"
#include "tests/core/text/vocabulary.h"
#include "tests/fuzz/check.h"

namespace gist {
namespace {

std::unique_ptr<Tokenizer> Create(std::string_view pre_tokenizer) {
  auto tokenizer =
      Tokenizer::Create(ByteVocabulary(pre_tokenizer, {{"e", "r"},
                                                       {" ", " "},
                                                       {"a", "a"},
                                                       {"aa", "aa"},
                                                       {"\xEA", "\xB0"},
                                                       {"\xEA\xB0", "\x80"},
                                                       {"'", "s"},
                                                       {"1", "1"},
                                                       {"  ", "  "}}));
  FuzzCheck(tokenizer.ok(), "the vocabulary is sound");
  return *std::move(tokenizer);
}

void CheckRoundTrip(const Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.Encode(text);
  if (FirstInvalidUtf8(text) != text.size()) {
    FuzzCheck(absl::IsInvalidArgument(ids.status()), "only UTF-8 is encoded");
    return;
  }
  FuzzCheck(ids.ok(), "all UTF-8 is encoded");
  std::string decoded;
  for (const int32_t id : *ids) decoded += tokenizer.Bytes(id);
  FuzzCheck(decoded == text, "the tokens' bytes are the text");
}

}  // namespace
}  // namespace gist

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto smollm = gist::Create("smollm");
  static const auto gpt2 = gist::Create("gpt2");
  static const auto tekken = gist::Create("tekken");
  static const auto falcon = gist::Create("falcon");
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto* tokenizer : {&smollm, &gpt2, &tekken, &falcon}) {
    gist::CheckRoundTrip(**tokenizer, text);
  }
  return 0;
}

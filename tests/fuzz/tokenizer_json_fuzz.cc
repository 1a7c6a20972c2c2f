// Any bytes as a tokenizer.json: a tokenizer or an error, and its ids are those
// of its vocabulary.
#include <cstdint>
#include <string_view>

#include "core/text/tokenizer.h"
#include "core/text/tokenizer_files.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  auto spec = gist::FromTokenizerJson(json);
  if (!spec.ok()) return 0;
  const auto tokenizer = gist::Tokenizer::Create(*std::move(spec));
  if (!tokenizer.ok()) return 0;
  for (const std::string_view text :
       {"", "ab  aab 12\n", "a<|x|> \xE1\x84\x92\xE1\x85\xA1", "aaaaaaaaaab"}) {
    const auto ids = (*tokenizer)->Encode(text, {.special = true});
    if (!ids.ok()) continue;
    for (const int32_t id : *ids) {
      gist::FuzzCheck(id >= 0 && id < (*tokenizer)->vocab_size(),
                      "ids are those of the vocabulary");
    }
  }
  return 0;
}

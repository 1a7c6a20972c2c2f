#include "core/text/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <string>

#include "core/base/quoted.h"
#include "core/base/status.h"
#include "fmt/format.h"

namespace gist {
namespace {

// Insides of character classes. Each names in full what PCRE2's own tables
// might lack: Debian 12's are those of Unicode 14.
constexpr std::string_view kSpace =  // White_Space; PCRE2's \s adds U+180E
    R"( \t-\r\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F})"
    R"(\x{205F}\x{3000})";
constexpr std::string_view kLetter =
    R"(\p{L})"
    R"(\x{1C89}-\x{1C8A}\x{A7CB}-\x{A7CD}\x{A7DA}-\x{A7DC})"
    R"(\x{105C0}-\x{105F3}\x{10D4A}-\x{10D65}\x{10D6F}-\x{10D85})"
    R"(\x{10EC2}-\x{10EC4}\x{1123F}-\x{11240}\x{11380}-\x{11389}\x{1138B})"
    R"(\x{1138E}\x{11390}-\x{113B5}\x{113B7}\x{113D1}\x{113D3})"
    R"(\x{11BC0}-\x{11BE0}\x{11F02}\x{11F04}-\x{11F10}\x{11F12}-\x{11F33})"
    R"(\x{1342F}\x{13441}-\x{13446}\x{13460}-\x{143FA}\x{16100}-\x{1611D})"
    R"(\x{16D40}-\x{16D6C}\x{18CFF}\x{1B132}\x{1B155}\x{1DF25}-\x{1DF2A})"
    R"(\x{1E030}-\x{1E06D}\x{1E4D0}-\x{1E4EB}\x{1E5D0}-\x{1E5ED}\x{1E5F0})"
    R"(\x{2B739}\x{2EBF0}-\x{2EE5D}\x{31350}-\x{323AF})";
constexpr std::string_view kNumber =
    R"(\p{N})"
    R"(\x{10D40}-\x{10D49}\x{116D0}-\x{116E3}\x{11BF0}-\x{11BF9})"
    R"(\x{11F50}-\x{11F59}\x{16130}-\x{16139}\x{16D70}-\x{16D79})"
    R"(\x{1CCF0}-\x{1CCF9}\x{1D2C0}-\x{1D2D3}\x{1E4F0}-\x{1E4F9})"
    R"(\x{1E5F1}-\x{1E5FA})";
constexpr std::string_view kNumberSinceUnicode17 =
    R"(\x{11DE0}-\x{11DE9}\x{16FF4}-\x{16FF6})";

// White space leaves its last character to the word that follows.
std::string Gpt2Pattern() {
  return fmt::format(
      "'(?:[sdmt]|re|ve|ll)| ?[{L}]+| ?[{N}]+| ?[^{S}{L}{N}]+|[{S}]+(?![^{S}])|"
      "[{S}]+",
      fmt::arg("L", kLetter), fmt::arg("N", kNumber), fmt::arg("S", kSpace));
}

// As a number ends the stretch before it, white space keeps its last character
// there, and no space is joined to a number.
std::string SmolLmPattern() {
  const std::string number =
      fmt::format("{}{}", kNumber, kNumberSinceUnicode17);
  return fmt::format(
      "'(?:[sdmt]|re|ve|ll)| ?[{L}]+|[{N}]| ?[^{S}{L}{N}]+|[{S}]+(?![^{S}{N}])|"
      "[{S}]+",
      fmt::arg("L", kLetter), fmt::arg("N", number), fmt::arg("S", kSpace));
}

std::string ErrorText(int code) {
  std::array<PCRE2_UCHAR, 256> text = {};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

struct FreeMatch {
  void operator()(pcre2_match_data* match) const {
    pcre2_match_data_free(match);
  }
};

}  // namespace

void PreTokenizer::FreePattern::operator()(pcre2_real_code_8* pattern) const {
  pcre2_code_free(pattern);
}

absl::StatusOr<PreTokenizer> PreTokenizer::Create(std::string_view name) {
  std::string regex;
  if (name == "gpt2" || name == "gpt-2") {
    regex = Gpt2Pattern();
  } else if (name == "smollm") {
    regex = SmolLmPattern();
  } else {
    return absl::UnimplementedError(fmt::format(
        "pre-tokenizer: found {}, want \"smollm\" or \"gpt2\"", Quoted(name)));
  }
  int error = 0;
  size_t offset = 0;
  Pattern pattern(pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(regex.data()), regex.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &error, &offset, nullptr));
  if (pattern == nullptr) {
    return absl::InternalError(
        fmt::format("pre-tokenizer {}: PCRE2 refuses its pattern at {}: {}",
                    name, offset, ErrorText(error)));
  }
  // Without JIT (a kernel may forbid it) matching is slower, not different.
  pcre2_jit_compile(pattern.get(), PCRE2_JIT_COMPLETE);
  return PreTokenizer(std::move(pattern));
}

absl::StatusOr<std::vector<uint32_t>> PreTokenizer::WordEnds(
    std::string_view text) const {
  // Match data is this call's own: the pattern is shared between threads.
  const std::unique_ptr<pcre2_match_data, FreeMatch> match(
      pcre2_match_data_create(1, nullptr));
  if (match == nullptr) {
    return absl::ResourceExhaustedError("pre-tokenizer: out of memory");
  }
  const size_t* const range = pcre2_get_ovector_pointer(match.get());
  std::vector<uint32_t> ends;
  for (size_t at = 0; at < text.size(); at = range[1]) {
    const int matched =
        pcre2_match(pattern_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()),
                    text.size(), at, PCRE2_NO_UTF_CHECK, match.get(), nullptr);
    if (matched < 0) {
      return absl::InternalError(
          fmt::format("pre-tokenizer: byte {}: {}", at, ErrorText(matched)));
    }
    ends.push_back(static_cast<uint32_t>(range[1]));
  }
  return ends;
}

}  // namespace gist

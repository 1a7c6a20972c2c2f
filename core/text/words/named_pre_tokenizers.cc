#include "core/text/words/named_pre_tokenizers.h"

#include <algorithm>
#include <initializer_list>
#include <span>

#include "absl/strings/str_join.h"
#include "core/base/quoted.h"
#include "fmt/format.h"

namespace gist {
namespace {

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kDigit = R"(\p{Numeric})";
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen35 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}|)"
    R"( ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|)"
    R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// Letters that have a case, of Unicode 12.
constexpr std::string_view kDeepSeekLetters =
    R"(\s?[A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF})"
    R"(\x{1C4}-\x{293}\x{295}-\x{2AF}\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D})"
    R"(\x{37F}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5})"
    R"(\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5})"
    R"(\x{13A0}-\x{13F5}\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF})"
    R"(\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15})"
    R"(\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57})"
    R"(\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC})"
    R"(\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB})"
    R"(\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107})"
    R"(\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128})"
    R"(\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149})"
    R"(\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE})"
    R"(\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F})"
    R"(\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06})"
    R"(\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F})"
    R"(\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2})"
    R"(\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}]+)";
constexpr std::string_view kDeepSeekSigns =
    R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)";
constexpr std::string_view kDeepSeekEastAsian =
    R"([\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+)";
constexpr std::string_view kDeepSeek3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|)"
    R"([^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kBloom =
    R"( ?[^(\s|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{964}\x{6D4}\x{60C})]+)";

struct Named {
  std::vector<std::string_view> names;
  NamedPreTokenizer made;
};

NamedPreTokenizer Isolated(std::initializer_list<std::string_view> patterns,
                           NamedPreTokenizer made = {}) {
  for (const std::string_view pattern : patterns) {
    made.steps.push_back({std::string(pattern)});
  }
  return made;
}

NamedPreTokenizer Falcon() {
  NamedPreTokenizer made = Isolated({kGpt2});
  made.steps.insert(made.steps.begin(),
                    {R"(\p{Punctuation})", SplitBehavior::kContiguous});
  // Its file has these behind ByteLevel.
  made.steps.push_back({std::string(kDigit), SplitBehavior::kContiguous});
  made.steps.push_back({"[0-9][0-9][0-9]"});
  for (size_t i = 2; i < made.steps.size(); ++i) made.steps[i].on_bytes = true;
  return made;
}

const std::vector<Named>& NamedPreTokenizers() {
  const NamedPreTokenizer nfc = {.nfc = true};
  static const auto& named = *new std::vector<Named>{
      {{"gpt2", "gpt-2", "phi-2"}, Isolated({kGpt2})},
      {{"mpt", "olmo"}, Isolated({kGpt2}, nfc)},
      {{"smollm", "starcoder", "refact", "codeshell"},
       Isolated({kDigit, kGpt2})},
      {{"command-r"}, Isolated({kDigit, kGpt2}, nfc)},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral", "lfm2"},
       Isolated({kLlama3}, {.ignore_merges = true, .add_bos = true})},
      {{"dbrx", "smaug-bpe", "glm4", "chatglm-bpe"}, Isolated({kLlama3})},
      {{"qwen2", "deepseek-r1-qwen", "megrez"}, Isolated({kQwen2}, nfc)},
      {{"stablelm2"}, Isolated({kQwen2})},
      {{"qwen35"}, Isolated({kQwen35}, nfc)},
      {{"tekken"},
       Isolated({kTekken}, {.ignore_merges = true, .add_bos = true})},
      {{"gpt-4o", "llama4"}, Isolated({kGpt4o})},
      {{"deepseek-llm"},
       Isolated({R"([\r\n])", kDeepSeekLetters, kDeepSeekSigns, R"(\s+$)",
                 kDeepSeekEastAsian, kDigit})},
      {{"deepseek-coder"},
       Isolated({R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)",
                 kDeepSeekEastAsian, kDigit})},
      {{"deepseek-v3"},
       Isolated({R"(\p{N}{1,3})",
                 R"([\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)",
                 kDeepSeek3})},
      {{"falcon"}, Falcon()},
      {{"bloom", "poro-chat", "gpt3-finnish"}, Isolated({kBloom})},
      {{"viking"}, Isolated({kBloom, kDigit})}};
  return named;
}

}  // namespace

std::vector<SplitStep> Gpt2Steps() { return {{std::string(kGpt2)}}; }

std::vector<SplitStep> DigitSteps(bool individual) {
  return {{std::string(kDigit),
           individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous}};
}

absl::StatusOr<NamedPreTokenizer> FindPreTokenizer(std::string_view name) {
  std::vector<std::string_view> known;
  for (const Named& named : NamedPreTokenizers()) {
    if (std::ranges::find(named.names, name) != named.names.end()) {
      return named.made;
    }
    known.insert(known.end(), named.names.begin(), named.names.end());
  }
  return absl::UnimplementedError(
      fmt::format("pre-tokenizer: found {}, supported: {}", Quoted(name),
                  fmt::join(known, ", ")));
}

}  // namespace gist

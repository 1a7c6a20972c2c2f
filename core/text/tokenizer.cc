#include "core/text/tokenizer.h"

#include <array>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/base/utf8.h"
#include "core/text/merge_table.h"
#include "core/text/pre_tokenizer.h"
#include "fmt/format.h"

namespace gist {
namespace {

// GGUF's token types.
constexpr int64_t kNormal = 1;
constexpr int64_t kControl = 3;
constexpr int64_t kUserDefined = 4;
constexpr int64_t kLastType = 6;

constexpr size_t kMaxTextBytes = std::numeric_limits<int32_t>::max();

// GPT-2 writes each byte as one printable character: printable Latin-1 as
// itself, the other bytes, in order, as U+0100 and on.
constexpr std::array<uint16_t, 256> ByteToCharacter() {
  std::array<uint16_t, 256> characters = {};
  uint16_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable =
        (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    characters[byte] = printable ? static_cast<uint16_t>(byte) : next++;
  }
  return characters;
}

// Index: a character below U+0144; -1: it stands for no byte.
constexpr std::array<int16_t, 0x144> CharacterToByte() {
  std::array<int16_t, 0x144> bytes = {};
  for (int16_t& byte : bytes) byte = -1;
  constexpr auto characters = ByteToCharacter();
  for (int byte = 0; byte < 256; ++byte) {
    bytes[characters[byte]] = static_cast<int16_t>(byte);
  }
  return bytes;
}

// The bytes behind `token`; nullopt: it is not written in the byte alphabet.
std::optional<std::string> DecodeAlphabet(std::string_view token) {
  static constexpr auto kBytes = CharacterToByte();
  std::string bytes;
  for (size_t i = 0; i < token.size(); ++i) {
    unsigned character = static_cast<unsigned char>(token[i]);
    if (character >= 0x80) {  // the alphabet ends within two-byte sequences
      if (character < 0xC2 || character > 0xC5) return std::nullopt;
      if (++i == token.size() || (token[i] & 0xC0) != 0x80) return std::nullopt;
      character = (character & 0x1F) << 6 | (token[i] & 0x3F);
    }
    if (character >= kBytes.size() || kBytes[character] < 0) {
      return std::nullopt;
    }
    bytes.push_back(static_cast<char>(kBytes[character]));
  }
  return bytes;
}

template <typename... Args>
absl::Status Contradiction(fmt::format_string<Args...> format, Args&&... args) {
  return absl::DataLossError("tokenizer: " +
                             fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace

struct Tokenizer::Impl {
  class Builder;

  explicit Impl(PreTokenizer splitter) : words(std::move(splitter)) {
    byte_ids.fill(-1);
  }

  void AppendWord(std::string_view word, std::vector<int32_t>* ids) const {
    const size_t begin = ids->size();
    for (const char c : word) {
      const int32_t id = byte_ids[static_cast<unsigned char>(c)];
      if (id >= 0) ids->push_back(id);
    }
    merges.Apply(begin, ids);
  }

  PreTokenizer words;
  MergeTable merges;
  std::vector<std::string> bytes;     // by id
  std::array<int32_t, 256> byte_ids;  // -1: the vocabulary lacks the byte
  absl::flat_hash_map<std::string, int32_t> special;
};

// Reads a vocabulary into `impl`, and refuses one that contradicts itself.
class Tokenizer::Impl::Builder {
 public:
  explicit Builder(Impl* impl) : impl_(impl) {}

  absl::Status AddToken(const std::string& token, int64_t type) {
    const auto id = static_cast<int32_t>(impl_->bytes.size());
    if (const auto [at, is_new] = ids_.try_emplace(token, Known{id, type});
        !is_new) {
      return Contradiction("tokens {} and {} are both {}", at->second.id, id,
                           Quoted(token));
    }
    if (type == kNormal) return AddNormal(token, id);
    if (type < 1 || type > kLastType) {
      return Contradiction("token {} {} has type {}, want 1 to {}", id,
                           Quoted(token), type, kLastType);
    }
    if (type == kControl || type == kUserDefined) impl_->special[token] = id;
    impl_->bytes.push_back(type == kUserDefined ? token : "");
    return absl::OkStatus();
  }

  absl::Status AddMerge(const std::string& merge) {
    const size_t index = merges_++;
    const size_t space = merge.find(' ');
    if (space == merge.npos || merge.find(' ', space + 1) != merge.npos) {
      return Contradiction("merge {} is {}, want two tokens and one space",
                           index, Quoted(merge));
    }
    const std::string left = merge.substr(0, space);
    const std::string right = merge.substr(space + 1);
    std::array<int32_t, 3> ids;
    for (size_t i = 0; const auto& part : {left, right, left + right}) {
      const auto known = ids_.find(part);
      if (known == ids_.end() || known->second.type != kNormal) {
        return Contradiction("merge {} {} needs {}, which is no normal token",
                             index, Quoted(merge), Quoted(part));
      }
      ids[i++] = known->second.id;
    }
    if (!impl_->merges.Add(ids[0], ids[1], ids[2])) {
      return Contradiction("merge {} {} stands there twice", index,
                           Quoted(merge));
    }
    return absl::OkStatus();
  }

 private:
  struct Known {
    int32_t id;
    int64_t type;
  };

  absl::Status AddNormal(const std::string& token, int32_t id) {
    auto decoded = DecodeAlphabet(token);
    if (!decoded || decoded->empty()) {
      return Contradiction(
          "token {} is {}, want one or more characters of GPT-2's byte "
          "alphabet",
          id, Quoted(token));
    }
    if (decoded->size() == 1) {
      impl_->byte_ids[static_cast<unsigned char>(decoded->front())] = id;
    }
    impl_->bytes.push_back(*std::move(decoded));
    return absl::OkStatus();
  }

  Impl* const impl_;
  size_t merges_ = 0;
  absl::flat_hash_map<std::string, Known> ids_;  // keys as in the file
};

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl)
    : impl_(std::move(impl)) {}

Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Create(
    TokenizerSpec spec) {
  GIST_ASSIGN_OR_RETURN(PreTokenizer words,
                        PreTokenizer::Create(spec.pre_tokenizer));
  const size_t count = spec.tokens.size();
  if (count == 0 || count > std::numeric_limits<int32_t>::max()) {
    return Contradiction("{} tokens, want 1 to 2147483647", count);
  }
  if (spec.token_types.size() != count) {
    return Contradiction("{} token types for {} tokens, want one each",
                         spec.token_types.size(), count);
  }
  auto impl = std::make_unique<Impl>(std::move(words));
  Impl::Builder builder(impl.get());
  for (size_t id = 0; id < count; ++id) {
    GIST_RETURN_IF_ERROR(
        builder.AddToken(spec.tokens[id], spec.token_types[id]));
  }
  for (const std::string& merge : spec.merges) {
    GIST_RETURN_IF_ERROR(builder.AddMerge(merge));
  }
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::move(impl)));
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::Encode(
    std::string_view text) const {
  if (text.size() > kMaxTextBytes) {
    return absl::InvalidArgumentError(fmt::format(
        "text: {} bytes, want at most {}", text.size(), kMaxTextBytes));
  }
  if (const size_t bad = FirstInvalidUtf8(text); bad != text.size()) {
    return absl::InvalidArgumentError(
        fmt::format("text: byte {} is 0x{:02X}, want valid UTF-8", bad,
                    static_cast<unsigned char>(text[bad])));
  }
  GIST_ASSIGN_OR_RETURN(const auto ends, impl_->words.WordEnds(text));
  std::vector<int32_t> ids;
  size_t begin = 0;
  for (const uint32_t end : ends) {
    impl_->AppendWord(text.substr(begin, end - begin), &ids);
    begin = end;
  }
  return ids;
}

std::string_view Tokenizer::Bytes(int32_t id) const {
  if (id < 0 || id >= vocab_size()) return {};
  return impl_->bytes[id];
}

absl::StatusOr<int32_t> Tokenizer::SpecialId(std::string_view token) const {
  const auto found = impl_->special.find(std::string(token));
  if (found == impl_->special.end()) {
    return absl::NotFoundError(
        fmt::format("tokenizer: no special token {} among the {} tokens",
                    Quoted(token), vocab_size()));
  }
  return found->second;
}

int Tokenizer::vocab_size() const {
  return static_cast<int>(impl_->bytes.size());
}

}  // namespace gist

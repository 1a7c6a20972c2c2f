#include "core/text/vocabulary.h"

#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_replace.h"
#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/base/utf8.h"
#include "core/text/score_merges.h"
#include "core/text/words/byte_alphabet.h"
#include "core/text/words/code_points.h"
#include "core/text/words/normalizer.h"
#include "fmt/format.h"

namespace gist {
namespace {

template <typename... Args>
absl::Status Contradiction(fmt::format_string<Args...> format, Args&&... args) {
  return absl::DataLossError("tokenizer: " +
                             fmt::format(format, std::forward<Args>(args)...));
}

// The byte of a token such as "<0x0A>"; -1: not such a token.
int ByteOf(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') {
    return -1;
  }
  int byte = 0;
  for (const char c : token.substr(3, 2)) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'A' || c > 'F')) return -1;
    byte = byte * 16 + (digit ? c - '0' : c - 'A' + 10);
  }
  return byte;
}

int32_t FindIn(const absl::flat_hash_map<std::string, int32_t>& ids,
               std::string_view key) {
  const auto found = ids.find(absl::string_view(key.data(), key.size()));
  return found == ids.end() ? -1 : found->second;
}

absl::Status CheckCounts(const TokenizerSpec& spec) {
  const size_t count = spec.tokens.size();
  if (count == 0 || count > std::numeric_limits<int32_t>::max()) {
    return Contradiction("{} tokens, want 1 to 2147483647", count);
  }
  if (spec.token_types.size() != count) {
    return Contradiction("{} token types for {} tokens, want one each",
                         spec.token_types.size(), count);
  }
  if (!spec.scores.empty() && spec.scores.size() != count) {
    return Contradiction("{} scores for {} tokens, want one each",
                         spec.scores.size(), count);
  }
  for (size_t id = 0; id < spec.scores.size(); ++id) {
    if (std::isfinite(spec.scores[id])) continue;
    return Contradiction("token {} has score {}, want a finite one", id,
                         spec.scores[id]);
  }
  return absl::OkStatus();
}

}  // namespace

// Reads a vocabulary, and refuses one that contradicts itself.
class Vocabulary::Builder {
 public:
  Builder(const TokenizerSpec& spec, Vocabulary* made)
      : spec_(spec),
        is_byte_level_(spec.kind == TokenizerKind::kByteLevel),
        made_(*made) {}

  absl::Status Run() {
    for (size_t id = 0; id < spec_.tokens.size(); ++id) {
      GIST_RETURN_IF_ERROR(AddToken(spec_.tokens[id], spec_.token_types[id]));
    }
    for (const std::string& merge : spec_.merges) {
      GIST_RETURN_IF_ERROR(AddMerge(merge));
    }
    if (!is_byte_level_ && spec_.merges.empty()) AddMergesByScore();
    if (is_byte_level_ && !spec_.ignore_merges) made_.words_.clear();
    return absl::OkStatus();
  }

 private:
  absl::Status AddToken(const std::string& token, int64_t type);
  absl::Status AddNormal(const std::string& token, int32_t id);
  absl::Status AddByte(const std::string& token, int32_t id);
  absl::Status AddMerge(const std::string& merge);
  void AddMergesByScore();

  // What of a token merges may make or take.
  bool IsMergeable(int32_t id) const {
    const int64_t type = spec_.token_types[id];
    return type == kNormalToken || type == kUserDefinedToken;
  }

  const TokenizerSpec& spec_;
  const bool is_byte_level_;
  Vocabulary& made_;
  size_t merges_ = 0;
  absl::flat_hash_map<std::string, int32_t> ids_;  // keys as in the file
};

absl::Status Vocabulary::Builder::AddToken(const std::string& token,
                                           int64_t type) {
  const auto id = static_cast<int32_t>(made_.bytes_.size());
  if (type < kNormalToken || type > kByteToken) {
    return Contradiction("token {} {} has type {}, want 1 to 6", id,
                         Quoted(token), type);
  }
  if (type != kUnusedToken) {
    const auto [at, is_new] = ids_.try_emplace(token, id);
    if (!is_new) {
      return Contradiction("tokens {} and {} are both {}", at->second, id,
                           Quoted(token));
    }
  }
  if (type == kNormalToken) return AddNormal(token, id);
  if (type == kByteToken && !is_byte_level_) return AddByte(token, id);
  if (type == kUnknownToken && made_.unknown_id_ < 0) made_.unknown_id_ = id;
  const bool is_user_defined = type == kUserDefinedToken;
  if (type == kControlToken || is_user_defined) made_.special_[token] = id;
  if (is_user_defined && !is_byte_level_) made_.words_[token] = id;
  made_.bytes_.push_back(is_user_defined ? token : "");
  return absl::OkStatus();
}

absl::Status Vocabulary::Builder::AddNormal(const std::string& token,
                                            int32_t id) {
  if (!is_byte_level_) {
    if (token.empty() || FirstInvalidUtf8(token) != token.size()) {
      return Contradiction("token {} is {}, want valid UTF-8", id,
                           Quoted(token));
    }
    made_.words_[token] = id;
    made_.bytes_.push_back(
        absl::StrReplaceAll(token, {{kSpaceMark.data(), " "}}));
    return absl::OkStatus();
  }
  auto decoded = FromByteAlphabet(token);
  if (!decoded || decoded->empty()) {
    return Contradiction(
        "token {} is {}, want one or more characters of GPT-2's byte alphabet",
        id, Quoted(token));
  }
  if (decoded->size() == 1) {
    made_.byte_ids_[static_cast<unsigned char>(decoded->front())] = id;
  }
  made_.words_[*decoded] = id;
  made_.bytes_.push_back(*std::move(decoded));
  return absl::OkStatus();
}

absl::Status Vocabulary::Builder::AddByte(const std::string& token,
                                          int32_t id) {
  const int byte = ByteOf(token);
  if (byte < 0) {
    return Contradiction("byte token {} is {}, want <0x00> to <0xFF>", id,
                         Quoted(token));
  }
  made_.byte_ids_[byte] = id;
  made_.bytes_.push_back(std::string(1, static_cast<char>(byte)));
  return absl::OkStatus();
}

absl::Status Vocabulary::Builder::AddMerge(const std::string& merge) {
  const size_t index = merges_++;
  const size_t space = merge.find(' ');
  if (space == merge.npos || merge.find(' ', space + 1) != merge.npos) {
    return Contradiction("merge {} is {}, want two tokens and one space", index,
                         Quoted(merge));
  }
  const std::string left = merge.substr(0, space);
  const std::string right = merge.substr(space + 1);
  std::array<int32_t, 3> ids;
  for (size_t i = 0; const auto& part : {left, right, left + right}) {
    const int32_t id = FindIn(ids_, part);
    if (id < 0 || !IsMergeable(id)) {
      return Contradiction("merge {} {} needs {}, which is no normal token",
                           index, Quoted(merge), Quoted(part));
    }
    ids[i++] = id;
  }
  if (!made_.merges_.Add(ids[0], ids[1], ids[2])) {
    return Contradiction("merge {} {} stands there twice", index,
                         Quoted(merge));
  }
  return absl::OkStatus();
}

void Vocabulary::Builder::AddMergesByScore() {
  std::vector<double> scores = spec_.scores;
  scores.resize(spec_.tokens.size());
  for (const ScoredMerge& merge : MergesByScore(made_.words_, scores)) {
    made_.merges_.Add(merge.left, merge.right, merge.merged);
  }
}

absl::StatusOr<Vocabulary> Vocabulary::Create(const TokenizerSpec& spec) {
  GIST_RETURN_IF_ERROR(CheckCounts(spec));
  Vocabulary made;
  made.kind_ = spec.kind;
  made.ignore_merges_ = spec.ignore_merges;
  made.fuse_unknown_ = spec.fuse_unknown;
  made.unknown_id_ = spec.unknown_id.value_or(-1);
  GIST_RETURN_IF_ERROR(Builder(spec, &made).Run());
  return made;
}

int32_t Vocabulary::Find(std::string_view word) const {
  return FindIn(words_, word);
}

int32_t Vocabulary::SpecialId(std::string_view token) const {
  return FindIn(special_, token);
}

bool Vocabulary::AppendByteTokens(std::string_view character,
                                  std::vector<int32_t>* ids) const {
  const size_t begin = ids->size();
  for (const char c : character) {
    const int32_t id = byte_ids_[static_cast<unsigned char>(c)];
    if (id >= 0) ids->push_back(id);
  }
  if (ids->size() - begin == character.size()) return true;
  ids->resize(begin);
  return false;
}

// An unknown character waits: the reference puts it behind bytes that follow.
void Vocabulary::AppendCharacters(std::string_view word,
                                  std::vector<int32_t>* ids) const {
  const bool bytes = kind_ == TokenizerKind::kByteLevel;
  bool waits = false;
  const auto end_unknown = [&] {
    if (waits) ids->push_back(unknown_id_);
    waits = false;
  };
  for (size_t at = 0, end = 0; at < word.size(); at = end) {
    end = bytes ? at + 1 : CharEnd(word, at);
    const std::string_view character = word.substr(at, end - at);
    const int32_t id = bytes ? byte_ids_[static_cast<unsigned char>(word[at])]
                             : Find(character);
    if (id >= 0) {
      end_unknown();
      ids->push_back(id);
    } else if (bytes || !AppendByteTokens(character, ids)) {
      if (!fuse_unknown_) end_unknown();
      waits = unknown_id_ >= 0;
    }
  }
  end_unknown();
}

void Vocabulary::AppendMadeIds(std::vector<int32_t>* ids) const {
  bool lacks_a_byte = false;
  for (const int32_t id : byte_ids_) {
    if (id >= 0) ids->push_back(id);
    lacks_a_byte |= id < 0;
  }
  if (lacks_a_byte && unknown_id_ >= 0) ids->push_back(unknown_id_);
  for (const auto& [word, id] : words_) {
    if (ignore_merges_ || CharEnd(word, 0) == word.size()) ids->push_back(id);
  }
  merges_.AppendMerged(ids);
}

void Vocabulary::AppendWord(std::string_view word,
                            std::vector<int32_t>* ids) const {
  if (ignore_merges_) {
    if (const int32_t id = Find(word); id >= 0) {
      ids->push_back(id);
      return;
    }
  }
  const size_t begin = ids->size();
  AppendCharacters(word, ids);
  merges_.Apply(begin, ids);
}

}  // namespace gist

#include "core/text/tokenizer_files.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/format/json_file.h"
#include "core/text/tokenizer_steps.h"
#include "core/text/vocabulary.h"
#include "core/text/words/byte_alphabet.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

using Json = nlohmann::json;

// Beyond it no vocabulary goes; ids of a file are bounded before any memory is
// taken for them.
constexpr uint64_t kMaxTokenId = 1 << 22;

absl::Status ReadVocabulary(const Json& model, TokenizerSpec* spec) {
  const Json& vocabulary = FieldOf(model, "vocab");
  if (!vocabulary.is_object()) {
    return WrongType("model.vocab", vocabulary, "an object");
  }
  const bool has_bytes = IsOn(model, "byte_fallback");
  for (const auto& [token, id] : vocabulary.items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > kMaxTokenId) {
      return WrongType(fmt::format("the id of {}", Quoted(token)), id,
                       fmt::format("0 to {}", kMaxTokenId));
    }
    const size_t at = id.get<size_t>();
    if (at >= spec->tokens.size()) {
      spec->tokens.resize(at + 1);
      spec->token_types.resize(at + 1, kUnusedToken);
    }
    if (spec->token_types[at] != kUnusedToken) {
      return WrongType(fmt::format("the id of {}", Quoted(token)), id,
                       "one for each token");
    }
    spec->tokens[at] = token;
    spec->token_types[at] = has_bytes && token.size() == 6 &&
                                    token.starts_with("<0x") &&
                                    token.ends_with('>')
                                ? kByteToken
                                : kNormalToken;
  }
  return absl::OkStatus();
}

// "left right", or since 2024 ["left", "right"].
absl::Status ReadMerges(const Json& model, TokenizerSpec* spec) {
  const Json& merges = FieldOf(model, "merges");
  if (!merges.is_array()) return WrongType("model.merges", merges, "a list");
  for (const Json& merge : merges) {
    if (merge.is_string()) {
      spec->merges.push_back(merge.get<std::string>());
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      spec->merges.push_back(merge[0].get<std::string>() + " " +
                             merge[1].get<std::string>());
    } else {
      return WrongType("a merge", merge, "two tokens");
    }
  }
  return absl::OkStatus();
}

absl::Status ReadModel(const Json& model, TokenizerSpec* spec) {
  const Json& type = FieldOf(model, "type");
  if (!type.is_null() && type != "BPE") {
    return NotSupported("model.type", type, "BPE");
  }
  for (const char* field :
       {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json& affix = FieldOf(model, field);
    if (!affix.is_null() && affix != "") {
      return NotSupported(field, affix, "none");
    }
  }
  GIST_RETURN_IF_ERROR(ReadVocabulary(model, spec));
  GIST_RETURN_IF_ERROR(ReadMerges(model, spec));
  spec->ignore_merges = IsOn(model, "ignore_merges");
  spec->fuse_unknown = IsOn(model, "fuse_unk");
  const Json& unknown = FieldOf(model, "unk_token");
  if (unknown.is_null()) return absl::OkStatus();
  const Json& vocabulary = FieldOf(model, "vocab");
  const auto known = unknown.is_string()
                         ? vocabulary.find(unknown.get<std::string>())
                         : vocabulary.end();
  if (known == vocabulary.end()) {
    return WrongType("model.unk_token", unknown, "one of model.vocab");
  }
  spec->unknown_id = known->get<int32_t>();
  return absl::OkStatus();
}

absl::Status ReadAddedToken(const Json& token, TokenizerSpec* spec) {
  GIST_ASSIGN_OR_RETURN(const std::string content, TextOf(token, "content"));
  const Json& id = FieldOf(token, "id");
  if (!id.is_number_unsigned() || id.get<uint64_t>() > kMaxTokenId) {
    return WrongType(fmt::format("the id of {}", Quoted(content)), id,
                     fmt::format("0 to {}", kMaxTokenId));
  }
  const auto at = id.get<int32_t>();
  if (size_t(at) >= spec->tokens.size()) {
    spec->tokens.resize(at + 1);
    spec->token_types.resize(at + 1, kUnusedToken);
  }
  const bool special = IsOn(token, "special");
  if (!special && IsOn(token, "single_word")) {
    return NotSupported("single_word of a token", token, "false");
  }
  spec->tokens[at] = content;
  spec->token_types[at] = special ? kControlToken : kUserDefinedToken;
  const SpaceAround around = {IsOn(token, "lstrip"), IsOn(token, "rstrip")};
  if (around.strip_left || around.strip_right) spec->space_around[at] = around;
  if (!special && IsOn(token, "normalized") && !spec->normalizer.empty()) {
    spec->normalized_ids.push_back(at);
  }
  return absl::OkStatus();
}

// Tokens of a byte-level vocabulary that no text can give.
void SetForeignTokensAside(TokenizerSpec* spec) {
  for (size_t id = 0; id < spec->tokens.size(); ++id) {
    if (spec->token_types[id] != kNormalToken) continue;
    const auto bytes = FromByteAlphabet(spec->tokens[id]);
    if (!bytes || bytes->empty()) spec->token_types[id] = kUnusedToken;
  }
}

// The token that the post-processor puts in front of a text.
absl::Status ReadBos(const Json& file, TokenizerSpec* spec) {
  spec->add_bos = false;
  for (const Json& step :
       StepsIn(FieldOf(file, "post_processor"), "processors")) {
    const Json& single = FieldOf(step, "single");
    if (!single.is_array() || single.empty()) continue;
    const Json& first = FieldOf(FieldOf(single[0], "SpecialToken"), "id");
    if (!first.is_string()) continue;
    const auto known =
        std::ranges::find(spec->tokens, first.get_ref<const std::string&>());
    if (known == spec->tokens.end()) {
      return WrongType("post_processor's first token", first,
                       "one of the tokens");
    }
    spec->bos_id = static_cast<int32_t>(known - spec->tokens.begin());
    spec->add_bos = true;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TokenizerSpec> FromTokenizerJson(std::string_view json) {
  GIST_ASSIGN_OR_RETURN(const Json file, ParseJson(json, "tokenizer.json"));
  TokenizerSpec spec;
  spec.kind = TokenizerKind::kSentencePiece;
  GIST_RETURN_IF_ERROR(ReadModel(FieldOf(file, "model"), &spec));
  GIST_RETURN_IF_ERROR(ReadNormalizerSteps(FieldOf(file, "normalizer"), &spec));
  GIST_RETURN_IF_ERROR(
      ReadPreTokenizerSteps(FieldOf(file, "pre_tokenizer"), &spec));
  for (const Json& token : FieldOf(file, "added_tokens")) {
    GIST_RETURN_IF_ERROR(ReadAddedToken(token, &spec));
  }
  GIST_RETURN_IF_ERROR(ReadBos(file, &spec));
  if (spec.kind == TokenizerKind::kByteLevel) SetForeignTokensAside(&spec);
  return spec;
}

}  // namespace gist

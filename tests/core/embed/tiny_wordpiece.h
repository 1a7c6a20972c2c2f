// The tokenizer of tests/data/wordpiece/tiny.json: 600 tokens.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <memory>

#include "core/text/sentence_tokenizer.h"
#include "nlohmann/json.hpp"
#include "tests/support/temp_dir.h"

namespace gist {

inline nlohmann::json ReadTinyGolden() {
  std::ifstream file("tests/data/wordpiece/tiny.json");
  return nlohmann::json::parse(file);
}

// Loads what `tokenizer_json` says from a folder of its own.
inline absl::StatusOr<std::unique_ptr<SentenceTokenizer>> LoadWordPiece(
    const nlohmann::json& tokenizer_json) {
  const TempDir folder;
  std::ofstream(folder / "tokenizer.json") << tokenizer_json.dump();
  return SentenceTokenizer::Load(folder.path());
}

inline std::unique_ptr<SentenceTokenizer> LoadTinyWordPiece() {
  auto loaded = LoadWordPiece(ReadTinyGolden()["tokenizer"]);
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return loaded.ok() ? *std::move(loaded) : nullptr;
}

}  // namespace gist

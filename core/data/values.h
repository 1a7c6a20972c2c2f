// The values that questions ask for, divided into splits by their own hash:
// what is trained on is never asked for in a test.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/base/random.h"
#include "core/data/split.h"

namespace gist {

enum class ValueKind {
  kCode,    // "ABC123": letters without I and O, digits
  kNumber,  // 3 to 8 digits, the first is not 0
  kName,    // "Miriam Castell", "윤서진"
  kUuid,    // version 4
  kDate,    // "14 March 1987", "1987년 3월 14일"
};

// "code", "number", "name", "uuid", "date"
std::string_view Name(ValueKind kind);

// The letters of a code.
constexpr std::string_view kCodeLetters = "ABCDEFGHJKLMNPQRSTUVWXYZ";
constexpr size_t kCodeLetterCount = 3;  // of one code

// `language`: "en" or "ko". `code_parts`: one to three of kCodeLetters each;
// every second code is made around one of them, drawn evenly.
std::string RandomValue(ValueKind kind, std::string_view language, Split split,
                        Rng& rng, std::span<const std::string> code_parts = {});

// What facts are told about: "Harbour archive", "항구 문서고".
std::string RandomKey(std::string_view language, Split split, Rng& rng);
// What a text can be about: "beekeeping", "양봉".
std::string RandomTopic(std::string_view language, Split split, Rng& rng);
// What can take place: "the flood", "홍수".
std::string RandomEvent(std::string_view language, Split split, Rng& rng);

}  // namespace gist

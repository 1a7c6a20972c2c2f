// The printable characters that byte-level tokenizers write bytes in.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gist {

// GPT-2's alphabet: printable Latin-1 stands for itself, the other bytes, in
// order, are U+0100 and on.
std::string ToByteAlphabet(std::string_view bytes);

// The bytes behind `token`; nullopt: it is not written in the alphabet.
std::optional<std::string> FromByteAlphabet(std::string_view token);

}  // namespace gist

#include "core/text/words/byte_alphabet.h"

#include <array>
#include <cstdint>

namespace gist {
namespace {

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

}  // namespace

std::optional<std::string> FromByteAlphabet(std::string_view token) {
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

std::string ToByteAlphabet(std::string_view bytes) {
  static constexpr auto kCharacters = ByteToCharacter();
  std::string written;
  for (const char byte : bytes) {
    const unsigned character = kCharacters[static_cast<unsigned char>(byte)];
    if (character < 0x80) {
      written.push_back(static_cast<char>(character));
    } else {
      written.push_back(static_cast<char>(0xC0 | character >> 6));
      written.push_back(static_cast<char>(0x80 | (character & 0x3F)));
    }
  }
  return written;
}

}  // namespace gist

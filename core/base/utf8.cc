#include "core/base/utf8.h"

#include <algorithm>

namespace gist {
namespace {

// What may follow a first byte: the sequence's length (0: it starts none) and
// the range of the second byte, which excludes overlong forms, surrogates and
// values beyond U+10FFFF. Source: RFC 3629, section 4.
struct Lead {
  size_t length;
  unsigned char second_min = 0x80;
  unsigned char second_max = 0xbf;
};

Lead LeadOf(unsigned char byte) {
  if (byte < 0x80) return {1};
  if (byte < 0xc2) return {0};
  if (byte < 0xe0) return {2};
  if (byte == 0xe0) return {3, 0xa0, 0xbf};
  if (byte == 0xed) return {3, 0x80, 0x9f};
  if (byte < 0xf0) return {3};
  if (byte == 0xf0) return {4, 0x90, 0xbf};
  if (byte < 0xf4) return {4};
  if (byte == 0xf4) return {4, 0x80, 0x8f};
  return {0};
}

struct Sequence {
  size_t length;  // as the first byte has it; 0 if it is malformed
  bool whole;     // false: the text ends before the sequence does
};

// The sequence at the start of `text`, which is not empty.
Sequence FirstSequence(std::string_view text) {
  const auto byte = [&](size_t i) { return (unsigned char)text[i]; };
  const Lead lead = LeadOf(byte(0));
  const size_t present = std::min(lead.length, text.size());
  for (size_t i = 1; i < present; ++i) {
    const unsigned char min = i == 1 ? lead.second_min : 0x80;
    const unsigned char max = i == 1 ? lead.second_max : 0xbf;
    if (byte(i) < min || byte(i) > max) return {0, false};
  }
  return {lead.length, present == lead.length};
}

}  // namespace

size_t FirstInvalidUtf8(std::string_view text) {
  size_t offset = 0;
  while (offset < text.size()) {
    const Sequence sequence = FirstSequence(text.substr(offset));
    if (sequence.length == 0 || !sequence.whole) return offset;
    offset += sequence.length;
  }
  return text.size();
}

size_t CompleteUtf8Prefix(std::string_view bytes) {
  // A sequence that waits for more has at most three bytes so far.
  const size_t reach = std::min<size_t>(bytes.size(), 3);
  for (size_t back = 1; back <= reach; ++back) {
    const size_t start = bytes.size() - back;
    const Sequence sequence = FirstSequence(bytes.substr(start));
    if (sequence.length != 0 && !sequence.whole) return start;
  }
  return bytes.size();
}

}  // namespace gist

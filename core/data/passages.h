// Natural text out of files: paragraphs without markup, sentences of prose.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gist {

enum class TextFormat { kPlain, kPod, kHtml, kFortune };

// By the name's ending; names without one below a folder "fortunes" are
// fortunes. Plain text otherwise.
TextFormat FormatOf(std::string_view path);

// The paragraphs of a file, white space folded to single spaces. Headings, code
// and lists of options may still be among them: Sentences drops what is no
// prose. Bytes that are not UTF-8 end a plain text's or a fortune's paragraph.
std::vector<std::string> Paragraphs(std::string_view bytes, TextFormat format);

// "ko" or "en" by the share of Hangul among the letters; "" for text in other
// scripts and for mixtures.
std::string_view LanguageOf(std::string_view text);

// The sentences of a paragraph in `language` that read as prose: of 20 to 400
// bytes, with an end mark, mostly letters, no code. None where one mentions
// what questions ask for (passkeys, passwords, access codes).
std::vector<std::string> Sentences(std::string_view paragraph,
                                   std::string_view language);

}  // namespace gist

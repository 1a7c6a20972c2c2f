// Classes of code points as BERT's normalizer and pre-tokenizer know them.
#pragma once

namespace gist {

enum class BertClass : unsigned char {
  kWord,         // what words are made of
  kSpace,        // ends a word
  kDropped,      // control, format and private-use characters; U+FFFD
  kMark,         // a nonspacing mark, dropped once accents are decomposed
  kOrdered,      // a letter that canonical order moves among marks
  kPunctuation,  // a word of its own
  kIdeograph,    // CJK: a word of its own
};

// The classes are those of Hugging Face's `tokenizers`, which stay at its
// tables of Unicode 8 however new the library: an accent of a script that is
// younger is a letter.
BertClass BertClassOf(char32_t code_point);

}  // namespace gist

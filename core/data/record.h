// One sample: a document, a question over it, the right answer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gist {

// A line of a JSON Lines file of samples; the fields are the line's keys. The
// first six are the mission's, in this order; users' own files may stop there.
struct Record {
  std::string context;
  std::string question;
  std::string answer;
  std::string needle;  // the sentence(s) that hold the answer; may be empty
  double needle_position = 0;  // of the needle's start, share of the characters
  int64_t context_length_chars = 0;  // Unicode code points of `context`

  std::string language;  // "en", "ko"
  std::string family;    // of Task
  std::string frame;     // of Task
  int tokens = 0;        // of `context`, in the model in use
  double depth = 0;      // of the needle's start, share of the tokens
  std::string filler;    // name of the text that it is hidden in
  uint64_t seed = 0;     // of the file

  // Each is right, `answer` is the first; empty: `answer` alone.
  std::vector<std::string> answers = {};
  // Of a multiple-choice question, two or more, all right answers among them;
  // empty: the answer is free.
  std::vector<std::string> options = {};
};

}  // namespace gist

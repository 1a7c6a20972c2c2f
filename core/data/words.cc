#include "core/data/words.h"

#include "core/data/tables.h"

namespace gist {
namespace {

// The lists of a language, which stay where they are.
class WordLists {
 public:
  explicit WordLists(std::string_view name)
      : lists_(
            CompiledIn(ParseLists(name, TableText(name),
                                  {"given_names", "family_names", "key_heads",
                                   "key_tails", "topics", "events"}))),
        words_{lists_[0], lists_[1], lists_[2],
               lists_[3], lists_[4], lists_[5]} {}
  WordLists(const WordLists&) = delete;
  WordLists& operator=(const WordLists&) = delete;

  const Words& words() const { return words_; }

 private:
  std::vector<TableRow> lists_;
  Words words_;
};

}  // namespace

const Words& EnglishWords() {
  static const WordLists kLists("words_en.txt");
  return kLists.words();
}

const Words& KoreanWords() {
  static const WordLists kLists("words_ko.txt");
  return kLists.words();
}

}  // namespace gist

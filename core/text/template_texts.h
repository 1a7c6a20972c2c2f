// The texts of a Jinja template, read without running it. For this folder.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"

namespace gist {

// Jinja's string literals may spell a newline or a quote as an escape.
inline std::string Unescaped(std::string_view jinja) {
  return absl::StrReplaceAll({jinja.data(), jinja.size()},
                             {{"\\n", "\n"}, {"\\'", "'"}, {"\\\"", "\""}});
}

inline bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != text.npos;
}

// What a template may write: its string literals, and its text outside of {}.
class TemplateTexts {
 public:
  explicit TemplateTexts(std::string_view jinja) : jinja_(jinja) {
    while (at_ < jinja_.size()) {
      const size_t open = FindBrace();
      Add(jinja_.substr(at_, open - at_));
      at_ = open;
      if (at_ < jinja_.size()) ReadBlock();
    }
  }

  // The first text with `part`; empty: there is none.
  std::string_view With(std::string_view part) const {
    for (const std::string& text : texts_) {
      if (Has(text, part)) return text;
    }
    return {};
  }
  // Between `begin` and `end`, of the first text with both.
  std::optional<std::string> Between(std::string_view begin,
                                     std::string_view end) const {
    for (const std::string_view text : texts_) {
      const size_t at = text.find(begin);
      if (at == text.npos) continue;
      const std::string_view rest = text.substr(at + begin.size());
      if (Has(rest, end)) return std::string(rest.substr(0, rest.find(end)));
    }
    return std::nullopt;
  }

 private:
  void Add(std::string_view text) {
    if (!text.empty()) texts_.push_back(Unescaped(text));
  }

  size_t FindBrace() const {
    size_t at = at_;
    while ((at = jinja_.find('{', at)) != jinja_.npos) {
      const char next = at + 1 < jinja_.size() ? jinja_[at + 1] : '\0';
      if (next == '{' || next == '%' || next == '#') return at;
      ++at;
    }
    return jinja_.size();
  }

  // {{ }}, {% %} or {# #} at at_.
  void ReadBlock() {
    const char kind = jinja_[at_ + 1];
    const char close[] = {kind == '{' ? '}' : kind, '}', '\0'};
    at_ += 2;
    while (at_ < jinja_.size() && !jinja_.substr(at_).starts_with(close)) {
      const char c = jinja_[at_++];
      if (kind != '#' && (c == '\'' || c == '"')) ReadLiteral(c);
    }
    at_ = std::min(at_ + 2, jinja_.size());
  }

  void ReadLiteral(char quote) {
    const size_t begin = at_;
    while (at_ < jinja_.size() && jinja_[at_] != quote) {
      at_ += jinja_[at_] == '\\' ? 2 : 1;
    }
    at_ = std::min(at_, jinja_.size());
    Add(jinja_.substr(begin, at_ - begin));
    ++at_;
  }

  const std::string_view jinja_;
  size_t at_ = 0;
  std::vector<std::string> texts_;
};

// The terms of a sum, without white space around; a literal is unescaped, with
// one ' in front and none behind. Empty: a literal does not end.
inline std::vector<std::string> JinjaTerms(std::string_view sum) {
  std::vector<std::string> terms(1);
  for (size_t at = 0; at < sum.size(); ++at) {
    const char c = sum[at];
    if (c == '+' || c == '~') {
      terms.emplace_back();
    } else if (terms.back().empty() && (c == '\'' || c == '"')) {
      size_t end = at + 1;
      while (end < sum.size() && sum[end] != c) end += sum[end] == '\\' ? 2 : 1;
      if (end >= sum.size()) return {};
      terms.back() = "'" + Unescaped(sum.substr(at + 1, end - at - 1));
      at = end;
    } else if (!absl::ascii_isspace(c)) {
      terms.back() += c;
    }
  }
  return terms;
}

// The text that `{% set NAME = "..." + today + "..." %}` gives NAME, `today`
// being what the template has as strftime_now("%Y-%m-%d"). nullopt: no such
// statement, or another expression.
inline std::optional<std::string> AssignedText(std::string_view jinja,
                                               std::string_view name,
                                               std::string_view today) {
  const std::string begin = "set " + std::string(name) + " = ";
  const size_t at = jinja.find(begin);
  if (at == jinja.npos) return std::nullopt;
  std::string_view sum = jinja.substr(at + begin.size());
  if (!Has(sum, "%}")) return std::nullopt;
  sum = sum.substr(0, sum.find("%}"));
  if (sum.ends_with('-')) sum.remove_suffix(1);
  std::string made;
  for (const std::string& term : JinjaTerms(sum)) {
    const std::string date = "set " + term + " = strftime_now(\"%Y-%m-%d\")";
    if (!term.starts_with('\'') && !Has(jinja, date)) return std::nullopt;
    made += term.starts_with('\'') ? term.substr(1) : std::string(today);
  }
  return made;
}

// A {{ }} of a template.
struct JinjaPrint {
  std::vector<std::string> terms;
  // What the template writes up to the next block: a newline or nothing, as
  // transformers sets trim_blocks and lstrip_blocks.
  std::string behind;
};

// All of a template but those with other text beside them.
inline std::vector<JinjaPrint> JinjaPrints(std::string_view jinja) {
  std::vector<JinjaPrint> prints;
  for (size_t at = 0; (at = jinja.find("{{", at)) != jinja.npos;) {
    const size_t end = jinja.find("}}", at);
    if (end == jinja.npos) break;
    const std::string_view before = jinja.substr(0, at);
    std::string_view sum = jinja.substr(at + 2, end - at - 2);
    std::string_view behind = jinja.substr(end + 2);
    at = end + 2;
    behind = behind.substr(0, behind.find('{'));
    const std::string_view next = jinja.substr(at + behind.size());
    const bool strips = sum.ends_with('-') || next.starts_with("{%-") ||
                        next.starts_with("{{-");
    if (sum.ends_with('-')) sum.remove_suffix(1);
    const bool is_first = sum.starts_with('-') || before.empty() ||
                          before.ends_with("}") || before.ends_with("%}\n");
    if (sum.starts_with('-')) sum.remove_prefix(1);
    const size_t line = behind.rfind('\n');
    if (next.starts_with("{%") && line != behind.npos)
      behind = behind.substr(0, line + 1);
    const bool is_blank = std::ranges::all_of(behind, absl::ascii_isspace);
    if (!is_first || !is_blank) continue;
    prints.push_back({JinjaTerms(sum), std::string(strips ? "" : behind)});
  }
  return prints;
}

}  // namespace gist

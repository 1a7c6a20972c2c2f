// Help without CLI11's type annotations: "--gists N", not "--gists N:POSITIVE".
#pragma once

#include <string>

#include "CLI/CLI.hpp"

namespace gist::client {

class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(26); }

  // A validator's description follows the type's name and a colon.
  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string type = option->get_type_name();
    const std::string name = type.substr(0, type.find(':'));
    if (option->get_type_size() == 0 || name.empty()) return "";
    return " " + name;
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    std::string text = option->get_description();
    const std::string value = option->get_default_str();
    if (!value.empty()) text += " (default " + value + ")";
    return Wrapped(text);
  }

  std::string make_option_usage(const CLI::Option* option) const override {
    return option->get_name(true);
  }

 private:
  static constexpr size_t kDescriptionColumns = 80 - 26;

  static std::string Wrapped(std::string text) {
    size_t line = 0;
    while (text.size() - line > kDescriptionColumns) {
      const size_t space = text.rfind(' ', line + kDescriptionColumns);
      if (space == std::string::npos || space <= line) break;
      text[space] = '\n';
      line = space + 1;
    }
    return text;
  }
};

}  // namespace gist::client

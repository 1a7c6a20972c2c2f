// A first program: compresses a document and asks one question.
// usage: first_call FILE "QUESTION"        gistd listens on 127.0.0.1:50051
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "client/gist_client.h"

namespace {

// [readme]
absl::Status FirstCall(const std::string& text, const std::string& question) {
  const gist::client::GistClient client({.target = "127.0.0.1:50051"});
  const auto made = client.Compress(text, {});
  if (!made.ok()) return made.status();
  const auto print = [](std::string_view piece) {
    std::cout << piece << std::flush;
    return absl::OkStatus();
  };
  gist::client::Question ask;
  ask.context_ids = {made->context().context_id()};
  ask.text = question;
  return client.Ask(ask, print).status();
}
// [/readme]

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: first_call FILE \"QUESTION\"\n";
    return 2;
  }
  std::stringstream text;
  text << std::ifstream(argv[1]).rdbuf();
  const absl::Status status = FirstCall(text.str(), argv[2]);
  std::cout << "\n";
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}

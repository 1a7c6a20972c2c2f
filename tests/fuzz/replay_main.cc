// Runs a fuzzer without libFuzzer, as a unit test: over each file of the corpus
// folder argv[1], and over the same few thousand mutations of them every time.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <system_error>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr size_t kRunsOfAll = 6000;

// In memory of exactly its size, so that a sanitizer sees a read past its end.
void Run(const std::string& input) {
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

void RunTruncations(const std::string& input, size_t runs) {
  const size_t step = std::max<size_t>(1, input.size() / runs);
  for (size_t size = 0; size < input.size(); size += step)
    Run(input.substr(0, size));
}

void RunByteFlips(const std::string& input, size_t runs, std::mt19937& random) {
  const size_t step = std::max<size_t>(1, input.size() * 3 / runs);
  for (size_t at = 0; at < input.size(); at += step) {
    for (char flip : {char(1u << random() % 8), '\xff', input[at]}) {
      std::string mutated = input;
      mutated[at] ^= flip;  // the last of the three makes it zero
      Run(mutated);
    }
  }
}

// A few edits at once: bytes set, cut out or doubled.
void RunEdits(const std::string& input, size_t runs, std::mt19937& random) {
  for (size_t run = 0; run < runs; ++run) {
    std::string mutated = input;
    for (unsigned edits = 1 + random() % 4; edits > 0; --edits) {
      const size_t at = random() % (mutated.size() + 1);
      const size_t length = random() % 16;
      switch (random() % 3) {
        case 0:
          if (at < mutated.size()) mutated[at] = char(random());
          break;
        case 1:
          mutated.erase(at, length);
          break;
        case 2:
          mutated.insert(at, mutated.substr(at, length));
          break;
      }
    }
    Run(mutated);
  }
}

// Sorted: the order, and so the mutations, are the same on every machine.
std::vector<std::filesystem::path> FilesIn(const char* folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.is_regular_file(error)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  const auto files =
      argc == 2 ? FilesIn(argv[1]) : std::vector<std::filesystem::path>();
  if (files.empty()) {
    std::fprintf(stderr, "usage: %s FOLDER: want a corpus with files in it\n",
                 argv[0]);
    return 1;
  }
  const size_t runs = std::max<size_t>(3, kRunsOfAll / files.size() / 3);
  std::mt19937 random(1);
  for (const std::filesystem::path& path : files) {
    std::ifstream stream(path, std::ios::binary);
    const std::string input{std::istreambuf_iterator<char>(stream), {}};
    if (!stream.is_open()) {
      std::fprintf(stderr, "cannot read %s\n", path.c_str());
      return 1;
    }
    std::printf("%s: %zu B\n", path.c_str(), input.size());
    Run(input);
    RunTruncations(input, runs);
    RunByteFlips(input, runs, random);
    RunEdits(input, runs, random);
  }
  return 0;
}

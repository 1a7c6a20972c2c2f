// Times libllama, the peer of tests/bench/peers.py, on one GGUF file.
//
//   llama_bench FILE.gguf TEXT WORK_FOLDER
//   llama_bench FILE.gguf --quantize OUT.gguf f16|q8_0|q4_0|q4_k
//
// Prints one line of JSON when the file is loaded. Then it runs one job for
// each line of standard input and answers with one line of JSON. Flash
// attention is on, micro-batches have 512 tokens, and the KV cache is in f16.
// tests/bench/peers.sh compiles this file against the library that it builds.
//
//   prefill THREADS TOKENS
//   decode THREADS PREFIX_TOKENS STEPS
//   batch THREADS PREFIX_TOKENS STEPS ANSWERS
//   restore THREADS TOKENS QUESTION_TOKENS
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "llama.h"

namespace {

constexpr int kBatchTokens = 512;
constexpr int kWarmTokens = 16;

[[noreturn]] void Die(const std::string& message) {
  std::fprintf(stderr, "llama_bench: %s\n", message.c_str());
  std::exit(1);
}

double Wall() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Of all threads of this process.
double Processor() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

// Seconds since it was made, as members of a JSON object.
class Stopwatch {
 public:
  double wall() const { return Wall() - wall_; }
  std::string json() const {
    std::ostringstream out;
    out << "\"seconds\": " << wall()
        << ", \"processor_seconds\": " << Processor() - processor_;
    return out.str();
  }

 private:
  double wall_ = Wall();
  double processor_ = Processor();
};

using Context = std::unique_ptr<llama_context, decltype(&llama_free)>;

class Bench {
 public:
  Bench(const std::string& model, const std::string& text, std::string work);
  std::string About() const;

  std::string Prefill(std::istream& in);
  std::string Decode(std::istream& in);
  std::string Batch(std::istream& in);
  std::string Restore(std::istream& in);

 private:
  Context MakeContext(int tokens, int sequences, int threads);
  void Read(llama_context* context, size_t begin, size_t end);
  void CheckTokens(int tokens) const;
  llama_token Likeliest(llama_context* context, int row) const;
  std::string StateOf(int tokens, int threads);

  const std::string work_;
  double load_seconds_ = 0;
  llama_model* model_ = nullptr;
  const llama_vocab* vocab_ = nullptr;
  std::vector<llama_token> ids_;
  std::map<int, std::string> states_;  // files, by their tokens
};

Bench::Bench(const std::string& model, const std::string& text,
             std::string work)
    : work_(std::move(work)) {
  const Stopwatch watch;
  model_ =
      llama_model_load_from_file(model.c_str(), llama_model_default_params());
  if (model_ == nullptr) Die(model + ": cannot be loaded");
  load_seconds_ = watch.wall();
  vocab_ = llama_model_get_vocab(model_);
  std::ifstream file(text, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  ids_.resize(bytes.size() + 16);
  const int count =
      llama_tokenize(vocab_, bytes.data(), int32_t(bytes.size()), ids_.data(),
                     int32_t(ids_.size()), false, false);
  if (count <= 0) Die(text + ": no tokens; want a readable UTF-8 text");
  ids_.resize(size_t(count));
}

std::string Bench::About() const {
  char name[128] = "";
  llama_model_desc(model_, name, sizeof(name));
  const auto vocabulary = uint64_t(llama_vocab_n_tokens(vocab_)) *
                          uint64_t(llama_model_n_embd(model_));
  std::ostringstream out;
  out << "{\"about\": \"" << name << "\", \"version\": \"" << llama_version()
      << "\", \"load_seconds\": " << load_seconds_
      << ", \"bytes\": " << llama_model_size(model_)
      << ", \"layer_parameters\": " << llama_model_n_params(model_) - vocabulary
      << ", \"text_tokens\": " << ids_.size() << "}";
  return out.str();
}

Context Bench::MakeContext(int tokens, int sequences, int threads) {
  llama_context_params params = llama_context_default_params();
  params.n_ctx = uint32_t(tokens);
  params.n_batch = params.n_ubatch = kBatchTokens;
  params.n_seq_max = uint32_t(sequences);
  params.n_threads = params.n_threads_batch = threads;
  params.kv_unified = false;  // faster where sequences share nothing
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
  Context context(llama_init_from_model(model_, params), llama_free);
  if (context == nullptr) Die("no context; want less memory in use");
  Read(context.get(), 0, kWarmTokens);
  llama_memory_clear(llama_get_memory(context.get()), true);
  return context;
}

// The tokens of the text from `begin` to below `end`, behind what is held.
void Bench::Read(llama_context* context, size_t begin, size_t end) {
  for (size_t at = begin; at < end; at += kBatchTokens) {
    const size_t count = std::min<size_t>(kBatchTokens, end - at);
    const llama_batch batch =
        llama_batch_get_one(ids_.data() + at, int32_t(count));
    if (llama_decode(context, batch) != 0) Die("llama_decode failed");
  }
  llama_synchronize(context);
}

void Bench::CheckTokens(int tokens) const {
  if (tokens > 0 && size_t(tokens) <= ids_.size()) return;
  Die("the text has " + std::to_string(ids_.size()) + " tokens, wanted " +
      std::to_string(tokens));
}

llama_token Bench::Likeliest(llama_context* context, int row) const {
  const float* logits = llama_get_logits_ith(context, row);
  if (logits == nullptr) Die("no logits");
  const int count = llama_vocab_n_tokens(vocab_);
  return llama_token(std::max_element(logits, logits + count) - logits);
}

std::string Bench::Prefill(std::istream& in) {
  int threads = 0, tokens = 0;
  in >> threads >> tokens;
  CheckTokens(tokens);
  const Context context = MakeContext(tokens + 64, 1, threads);
  const Stopwatch watch;
  Read(context.get(), 0, size_t(tokens));
  return watch.json();
}

std::string Bench::Decode(std::istream& in) {
  int threads = 0, prefix = 0, steps = 0;
  in >> threads >> prefix >> steps;
  CheckTokens(prefix);
  const Context context = MakeContext(prefix + steps + 64, 1, threads);
  Read(context.get(), 0, size_t(prefix));
  llama_token next = Likeliest(context.get(), -1);
  const auto step = [&] {
    if (llama_decode(context.get(), llama_batch_get_one(&next, 1)) != 0)
      Die("llama_decode failed");
    next = Likeliest(context.get(), -1);
  };
  step();
  step();
  const Stopwatch watch;
  for (int i = 0; i < steps; ++i) step();
  return watch.json();
}

// One row of a batch; its logits are wanted for the last token of a prefix and
// for each token of an answer.
void AddRow(llama_batch& batch, llama_token token, int position, int sequence,
            bool logits) {
  const int row = batch.n_tokens++;
  batch.token[row] = token;
  batch.pos[row] = position;
  batch.n_seq_id[row] = 1;
  batch.seq_id[row][0] = sequence;
  batch.logits[row] = logits;
}

std::string Bench::Batch(std::istream& in) {
  int threads = 0, prefix = 0, steps = 0, answers = 0;
  in >> threads >> prefix >> steps >> answers;
  CheckTokens(prefix);
  const Context context =
      MakeContext((prefix + steps + 64) * answers, answers, threads);
  llama_batch batch = llama_batch_init(kBatchTokens, 0, answers);
  std::vector<llama_token> next(static_cast<size_t>(answers));
  for (int one = 0; one < answers; ++one) {
    batch.n_tokens = 0;
    for (int i = 0; i < prefix; ++i)
      AddRow(batch, ids_[size_t(i)], i, one, i == prefix - 1);
    if (llama_decode(context.get(), batch) != 0) Die("llama_decode failed");
    next[size_t(one)] = Likeliest(context.get(), -1);
  }
  int position = prefix;
  const auto step = [&] {
    batch.n_tokens = 0;
    for (int one = 0; one < answers; ++one)
      AddRow(batch, next[size_t(one)], position, one, true);
    if (llama_decode(context.get(), batch) != 0) Die("llama_decode failed");
    for (int one = 0; one < answers; ++one)
      next[size_t(one)] = Likeliest(context.get(), one);
    ++position;
  };
  step();
  step();
  const Stopwatch watch;
  for (int i = 0; i < steps; ++i) step();
  const std::string took = watch.json();
  llama_batch_free(batch);
  return took;
}

// The file of the state after so many tokens, made at its first use.
std::string Bench::StateOf(int tokens, int threads) {
  std::string& path = states_[tokens];
  if (!path.empty()) return path;
  const Context context = MakeContext(tokens + 64, 1, threads);
  Read(context.get(), 0, size_t(tokens));
  path = work_ + "/state-" + std::to_string(tokens);
  if (!llama_state_save_file(context.get(), path.c_str(), ids_.data(),
                             size_t(tokens)))
    Die(path + ": cannot be written");
  return path;
}

std::string Bench::Restore(std::istream& in) {
  int threads = 0, tokens = 0, question = 0;
  in >> threads >> tokens >> question;
  CheckTokens(tokens + question);
  const std::string path = StateOf(tokens, threads);
  const Context context = MakeContext(tokens + question + 64, 1, threads);
  std::vector<llama_token> restored(size_t(tokens) + 16);
  size_t count = 0;
  const Stopwatch watch;
  if (!llama_state_load_file(context.get(), path.c_str(), restored.data(),
                             restored.size(), &count))
    Die(path + ": cannot be read");
  const double load_seconds = watch.wall();
  Read(context.get(), size_t(tokens), size_t(tokens + question));
  Likeliest(context.get(), -1);
  const std::string took = watch.json();
  std::ifstream file(path, std::ios::ate | std::ios::binary);
  std::ostringstream out;
  out << took << ", \"load_seconds\": " << load_seconds
      << ", \"bytes\": " << file.tellg();
  return out.str();
}

int Quantize(const std::string& from, const std::string& to,
             const std::string& name) {
  const std::map<std::string, llama_ftype> types = {
      {"f16", LLAMA_FTYPE_MOSTLY_F16},
      {"q8_0", LLAMA_FTYPE_MOSTLY_Q8_0},
      {"q4_0", LLAMA_FTYPE_MOSTLY_Q4_0},
      {"q4_k", LLAMA_FTYPE_MOSTLY_Q4_K_M}};
  const auto type = types.find(name);
  if (type == types.end()) Die(name + ": want f16, q8_0, q4_0 or q4_k");
  llama_model_quantize_params params = llama_model_quantize_default_params();
  params.ftype = type->second;
  params.allow_requantize = true;
  params.nthread = 2;
  return int(llama_model_quantize(from.c_str(), to.c_str(), &params));
}

int Run(Bench& bench) {
  const std::map<std::string, std::string (Bench::*)(std::istream&)> jobs = {
      {"prefill", &Bench::Prefill},
      {"decode", &Bench::Decode},
      {"batch", &Bench::Batch},
      {"restore", &Bench::Restore}};
  std::cout << bench.About() << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream in(line);
    std::string name;
    in >> name;
    const auto job = jobs.find(name);
    if (job == jobs.end()) Die("no such job: " + line);
    std::cout << "{" << (bench.*job->second)(in) << "}" << std::endl;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto quiet = [](ggml_log_level level, const char* text, void*) {
    if (level >= GGML_LOG_LEVEL_ERROR && level != GGML_LOG_LEVEL_CONT)
      std::fputs(text, stderr);
  };
  llama_log_set(quiet, nullptr);
  llama_backend_init();
  if (words.size() == 4 && words[1] == "--quantize")
    return Quantize(words[0], words[2], words[3]);
  if (words.size() != 3) Die("want FILE.gguf TEXT WORK_FOLDER");
  Bench bench(words[0], words[1], words[2]);
  return Run(bench);
}

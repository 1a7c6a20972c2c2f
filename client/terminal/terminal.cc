#include "client/terminal/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <stop_token>
#include <utility>

#include "client/terminal/units.h"
#include "fmt/format.h"

namespace gist::client {
namespace {

constexpr std::chrono::milliseconds kRedraw(100);
constexpr std::chrono::milliseconds kStepRedraw(500);
constexpr int kBarColumns = 30;
constexpr int kLeastBarColumns = 8;

std::string FormatAmount(Unit unit, int64_t amount) {
  return unit == Unit::kBytes ? FormatBytes(amount) : FormatCount(amount);
}

// "512/s"; where that would be 0 or 1, "30/min".
std::string FormatRate(Unit unit, double per_second) {
  if (unit != Unit::kBytes && per_second < 2) {
    return fmt::format("{:.{}f}/min", 60 * per_second,
                       per_second < 0.05 ? 1 : 0);
  }
  return FormatAmount(unit, int64_t(per_second)) + "/s";
}

std::string Numbers(const Progress& progress) {
  std::string text = FormatAmount(progress.unit, progress.done);
  if (progress.total > 0) {
    text += " / " + FormatAmount(progress.unit, progress.total);
  }
  if (progress.unit == Unit::kTokens) text += " tokens";
  if (progress.unit == Unit::kSamples) text += " samples";
  if (progress.unit == Unit::kAnswers) text += " answers";
  if (progress.units_per_second <= 0) return text;
  text += ", " + FormatRate(progress.unit, progress.units_per_second);
  const int64_t left = progress.total - progress.done;
  if (left <= 0) return text;
  const double seconds =
      std::max(double(left) / progress.units_per_second, 1.0);
  return text + fmt::format(", {} left", seconds < 9.5
                                             ? fmt::format("{:.0f} s", seconds)
                                             : FormatSeconds(seconds));
}

}  // namespace

int Columns() {
  winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    return 80;
  }
  return size.ws_col;
}

bool IsTerminal(std::FILE* stream) { return isatty(fileno(stream)) != 0; }

bool CanShowProgress() {
  const char* terminal = std::getenv("TERM");
  return IsTerminal(stderr) && terminal != nullptr &&
         std::string_view(terminal) != "dumb";
}

void PrintNote(std::string_view line) {
  const bool dim = CanShowProgress() && std::getenv("NO_COLOR") == nullptr;
  fmt::print(stderr, "{}{}{}\n", dim ? "\033[2m" : "", line,
             dim ? "\033[0m" : "");
}

std::string WithoutControls(std::string_view text) {
  std::string clean;
  for (size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f) continue;
    // U+0080 to U+009F, which some terminals obey too.
    if (byte == 0xc2 && at + 1 < text.size() &&
        static_cast<unsigned char>(text[at + 1]) < 0xa0) {
      ++at;
      continue;
    }
    clean += text[at];
  }
  return clean;
}

std::string ProgressLine(const Progress& progress, int columns) {
  const std::string numbers = Numbers(progress);
  const int around = int(progress.label.size() + numbers.size() + 4);
  const int bar = std::min(kBarColumns, columns - around);
  std::string line(progress.label);
  if (progress.total > 0 && bar >= kLeastBarColumns) {
    const double part =
        std::clamp(double(progress.done) / double(progress.total), 0.0, 1.0);
    const auto filled = size_t(part * bar);
    line += fmt::format(" [{}{}]", std::string(filled, '#'),
                        std::string(size_t(bar) - filled, '.'));
  }
  line += " " + numbers;
  return line.substr(0, size_t(std::max(columns, 0)));
}

ProgressBar::ProgressBar(std::string_view label, Unit unit,
                         double delay_seconds)
    : label_(label),
      unit_(unit),
      enabled_(CanShowProgress()),
      next_draw_(Clock::now() +
                 std::chrono::milliseconds(int64_t(delay_seconds * 1000))) {}

ProgressBar::~ProgressBar() { Clear(); }

void ProgressBar::Clear() {
  if (drawn_) fmt::print(stderr, "{}", kEraseLine);
  drawn_ = false;
}

void ProgressBar::Update(int64_t done, int64_t total) {
  if (!enabled_) return;
  const Clock::time_point now = Clock::now();
  if (!first_.has_value()) first_ = Mark{now, done};
  if (now < next_draw_) return;
  next_draw_ = now + kRedraw;
  const double seconds =
      std::chrono::duration<double>(now - first_->time).count();
  const double rate = seconds > 0 ? double(done - first_->done) / seconds : 0;
  // One column stays free: a full line would wrap on some terminals.
  fmt::print(stderr, "{}{}", kEraseLine,
             ProgressLine({label_, unit_, done, total, rate}, Columns() - 1));
  drawn_ = true;
}

StepLine::~StepLine() { Clear(); }

void StepLine::Begin(std::string text) {
  Clear();
  if (!CanShowProgress()) return;
  const auto draw = [text = std::move(text), begin = Clock::now()] {
    const std::chrono::duration<double> seconds = Clock::now() - begin;
    const std::string line =
        fmt::format("{} ... {:.0f} s", text, seconds.count());
    fmt::print(stderr, "{}{}", kEraseLine,
               line.substr(0, size_t(std::max(0, Columns() - 1))));
  };
  draw();
  thread_ = std::jthread([draw](std::stop_token stop) {
    std::mutex mutex;
    std::condition_variable_any woken;
    std::unique_lock lock(mutex);
    const auto never = [] { return false; };
    while (!stop.stop_requested()) {
      woken.wait_for(lock, stop, kStepRedraw, never);
      if (!stop.stop_requested()) draw();
    }
    fmt::print(stderr, "{}", kEraseLine);
  });
}

void StepLine::Clear() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
}

}  // namespace gist::client

// What only a person at a terminal gets to see: progress, dimmed notes.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "core/base/clock.h"

namespace gist::client {

bool IsTerminal(std::FILE* stream);

// Of standard error's terminal; 80 where there is none.
int Columns();
// Takes the line away on which the cursor stands.
inline constexpr char kEraseLine[] = "\r\033[K";

// Is standard error a terminal that can redraw a line?
bool CanShowProgress();

// Prints a line to standard error, dimmed where that is a terminal.
void PrintNote(std::string_view line);

// `text` without the control characters (other than newline and tab) by which
// it could drive a terminal. Whole UTF-8 characters.
std::string WithoutControls(std::string_view text);

enum class Unit { kTokens, kBytes, kSamples, kAnswers };

struct Progress {
  std::string_view label;
  Unit unit = Unit::kTokens;
  int64_t done = 0;
  int64_t total = 0;            // 0: not known
  double units_per_second = 0;  // 0: not known
};

// One line of at most `columns` characters.
std::string ProgressLine(const Progress& progress, int columns);

// A line on standard error that redraws itself, gone at the end at the latest.
// Does nothing where !CanShowProgress().
class ProgressBar {
 public:
  // Nothing is drawn in the first `delay_seconds`: what is quick needs no bar.
  ProgressBar(std::string_view label, Unit unit, double delay_seconds = 2);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // `total`: 0 where it is not known.
  void Update(int64_t done, int64_t total);
  // Takes the line away; a later Update may bring it back.
  void Clear();

 private:
  struct Mark {
    Clock::time_point time;
    int64_t done = 0;
  };

  const std::string label_;
  const Unit unit_;
  const bool enabled_;
  Clock::time_point next_draw_;
  std::optional<Mark> first_;  // rates count from here: not from the queue
  bool drawn_ = false;
};

// One line on standard error about a step that runs, with the seconds since its
// begin, redrawn by a thread. Does nothing where !CanShowProgress().
class StepLine {
 public:
  StepLine() = default;
  ~StepLine();
  StepLine(const StepLine&) = delete;
  StepLine& operator=(const StepLine&) = delete;

  // Ends the step before.
  void Begin(std::string text);
  // Takes the line away.
  void Clear();

 private:
  std::jthread thread_;
};

}  // namespace gist::client

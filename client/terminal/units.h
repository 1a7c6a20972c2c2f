// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace gist::client {

std::string FormatCount(int64_t count);     // "1,024"
std::string FormatBytes(int64_t bytes);     // "412 B", "230 kB", "23.6 MB"
std::string FormatSeconds(double seconds);  // "0.21 s", "12 s", "3 min 20 s"
std::string FormatRatio(double ratio);      // "2.5x", "102x"
std::string FormatTime(int64_t unix_ms);    // "2025-03-01 12:30", local time

}  // namespace gist::client

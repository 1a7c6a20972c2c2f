// The sections of the report. Private to client/eval.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/eval/results.h"
#include "client/eval/summary.h"

namespace gist::client {

std::string_view ReportStyle();  // CSS

// Groups of all, in the order of modes and gists.
std::vector<const Group*> Overall(const EvalSummary& summary);
std::vector<std::string> Languages(const EvalSummary& summary);
// The group of a mode that has just these; null: none was asked.
const Group* FindGroup(const EvalSummary& summary, const Source& source,
                       const std::optional<std::string>& language,
                       const std::optional<std::string>& family);

// <section> with a heading; `lead`: HTML, may be empty.
std::string Section(std::string_view id, std::string_view title,
                    std::string_view lead, std::string_view body);
// `cells`: HTML, each with its <td>.
std::string ScrollTable(std::string_view cls, std::string_view caption,
                        std::string_view head, std::string_view rows);

std::string HeadlineSection(const EvalSummary& summary);
std::string FamilySection(const EvalSummary& summary);
std::string HeatmapSection(const EvalSummary& summary);
std::string HallucinationSection(const EvalSummary& summary);
std::string UnderstandingSection(const EvalSummary& summary);
std::string ThroughputSection(const EvalSummary& summary);
std::string FailureSection(std::span<const Trial> trials);
std::string MadeSection(const Results& results);

}  // namespace gist::client

// The report of a run: one HTML page that needs nothing beside it, no script,
// no network. Light and dark as the reader's system is.
//
// Whatever came from a document, an answer or a file is escaped, and the page
// forbids scripts by its own policy. Values that are drawn stand in data
// attributes, as results.json has them.
#pragma once

#include <string>

#include "client/eval/results.h"
#include "client/eval/summary.h"

namespace gist::client {

// `summary`: of the results' trials.
std::string DrawReport(const Results& results, const EvalSummary& summary);
// Its figure of accuracy against keys and values, as an SVG file for a page of
// one's own; a panel for each language.
std::string DrawPicture(const EvalSummary& summary);

}  // namespace gist::client

// The adapter's table for people: Markdown, and a picture.
#pragma once

#include <map>
#include <string>

#include "tests/bench/table_files.h"
#include "tests/bench/table_stats.h"

namespace gist::bench {

// How the run was made, a table of exact matches from gists (a row for each
// set, family, language and length; a column for each number of gists), then
// every cell with its controls. The picture is looked for beside it:
// heatmap.svg.
std::string DrawMarkdown(const RunInfo& run,
                         const std::map<Cell, Tally>& cells);

// Exact matches from gists as an SVG: a panel for each set, family, language
// and number of gists; rows are lengths, columns fifths of the document's
// depth.
std::string DrawHeatmap(const std::map<Cell, Tally>& cells);

}  // namespace gist::bench

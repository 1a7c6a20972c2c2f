#include "client/cli/cli_parts.h"

namespace gist::client {

void AddRetrieval(CLI::App* sub, Retrieval* retrieval) {
  sub->add_option("--passages", retrieval->top_k,
                  "In rag and hybrid: passages to answer from (default: 4)")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  sub->add_option(
         "--chunk-tokens", retrieval->chunk_tokens,
         "Longest passage, by the embedder's count (default: 200, or all "
         "that the embedder reads if that is less)")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  sub->add_option(
         "--overlap", retrieval->overlap_tokens,
         "Tokens that two passages in a row share (default: 40, at most "
         "half a passage)")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  sub->add_option("--ef", retrieval->ef,
                  "Candidates of the search (default: 64)")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  AddChoice(sub, "--ranking", &retrieval->ranking, kRankings, RankingName,
            "Which passages are the best: dense, those nearest to the question "
            "as the embedder sees it; lexical, those that share its words; "
            "fused, both (default)")
      ->type_name("RANKING");
}

}  // namespace gist::client

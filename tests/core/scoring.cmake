gist_test(core/scoring/metrics_test.cc LABELS unit LINK gist::scoring nlohmann_json::nlohmann_json)
gist_test(core/scoring/longbench_test.cc LABELS unit LINK gist::scoring gist::test_support)
gist_test(core/scoring/other_metrics_test.cc LABELS unit LINK gist::scoring nlohmann_json::nlohmann_json)
gist_test(core/scoring/answer_kind_test.cc LABELS unit LINK gist::scoring)

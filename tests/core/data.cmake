gist_test(core/data/template_test.cc LABELS unit LINK gist::data)
gist_test(core/data/frames_test.cc LABELS unit LINK gist::data)
gist_test(core/data/values_test.cc LABELS unit LINK gist::data)
gist_test(core/data/passages_test.cc LABELS unit LINK gist::data)
gist_test(core/data/filler_test.cc LABELS unit LINK gist::data gist::test_support)
gist_test(core/data/niah_source_test.cc LABELS unit LINK gist::data)
gist_test(core/data/niah_generator_test.cc LABELS unit LINK gist::data)
gist_test(core/data/record_file_test.cc LABELS unit
  LINK gist::data gist::test_support nlohmann_json::nlohmann_json)

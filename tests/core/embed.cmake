gist_test(core/embed/wordpiece_test.cc LABELS unit
  LINK gist::embed_text gist::test_support nlohmann_json::nlohmann_json)
gist_test(core/embed/wordpiece_golden_test.cc LABELS integration
  LINK gist::embed_text gist::test_support nlohmann_json::nlohmann_json)
gist_test(core/embed/chunker_test.cc LABELS unit
  LINK gist::embed_text gist::test_support nlohmann_json::nlohmann_json PkgConfig::UTF8PROC)

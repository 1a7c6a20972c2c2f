gist_test(core/embed/wordpiece_test.cc LABELS unit
  LINK gist::embed_text gist::test_support nlohmann_json::nlohmann_json)
gist_test(core/embed/wordpiece_golden_test.cc LABELS integration
  LINK gist::embed_text gist::test_support nlohmann_json::nlohmann_json)
gist_test(core/embed/unigram_test.cc LABELS unit
  LINK gist::embed_text gist::test_support nlohmann_json::nlohmann_json)
gist_test(core/embed/chunker_test.cc LABELS unit
  LINK gist::embed_text gist::test_support nlohmann_json::nlohmann_json PkgConfig::UTF8PROC)
gist_test(core/embed/bm25_test.cc LABELS unit LINK gist::embed_text)
gist_test(core/embed/passages_test.cc LABELS unit LINK gist::embed_text)
if(GIST_TORCH)
  gist_test(core/embed/encoder_test.cc LABELS model
    LINK gist::embed gist::format gist::test_support nlohmann_json::nlohmann_json)
  gist_test(core/embed/encoder_golden_test.cc LABELS integration
    LINK gist::embed gist::format gist::test_support nlohmann_json::nlohmann_json)
endif()

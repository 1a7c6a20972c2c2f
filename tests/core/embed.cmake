if(GIST_TORCH)
  gist_test(core/embed/encoder_test.cc LABELS model
    LINK gist::embed gist::format gist::test_support nlohmann_json::nlohmann_json)
  gist_test(core/embed/encoder_prompts_test.cc LABELS model
    LINK gist::embed gist::format gist::test_support nlohmann_json::nlohmann_json)
  gist_test(core/embed/encoder_blocks_test.cc LABELS model
    LINK gist::embed gist::format gist::test_support nlohmann_json::nlohmann_json)
  gist_test(core/embed/encoder_golden_test.cc LABELS integration
    LINK gist::embed gist::format gist::test_support nlohmann_json::nlohmann_json)
  gist_test(core/embed/e5_golden_test.cc LABELS integration
    LINK gist::embed gist::format gist::test_support nlohmann_json::nlohmann_json)
endif()

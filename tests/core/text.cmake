gist_test(core/text/chat_template_test.cc LABELS unit LINK gist::text)
gist_test(core/text/merge_table_test.cc LABELS unit LINK gist::text)
foreach(name IN ITEMS pre_tokenizer regex normalizer token_finder)
  gist_test(core/text/words/${name}_test.cc LABELS unit LINK gist::text_words)
endforeach()
gist_test(core/text/tokenizer_test.cc LABELS unit
  LINK gist::text nlohmann_json::nlohmann_json)
foreach(name IN ITEMS chat_golden pre_tokenizers_golden regex_budget tokenizer_files)
  gist_test(core/text/${name}_test.cc LABELS unit LINK gist::text nlohmann_json::nlohmann_json)
endforeach()
gist_test(core/text/tokenizer_golden_test.cc LABELS integration
  LINK gist::text gist::format nlohmann_json::nlohmann_json)
foreach(name IN ITEMS unigram wordpiece)
  gist_test(core/text/${name}_test.cc LABELS unit
    LINK gist::retrieval gist::test_support nlohmann_json::nlohmann_json)
endforeach()
gist_test(core/text/wordpiece_golden_test.cc LABELS integration
  LINK gist::text gist::test_support nlohmann_json::nlohmann_json)

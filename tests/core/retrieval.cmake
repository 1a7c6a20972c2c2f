gist_test(core/retrieval/chunker_test.cc LABELS unit
  LINK gist::retrieval gist::test_support nlohmann_json::nlohmann_json PkgConfig::UTF8PROC)
foreach(name IN ITEMS bm25 chunk_index passages tenant_index vector_index)
  gist_test(core/retrieval/${name}_test.cc LABELS unit LINK gist::retrieval gist::test_support)
endforeach()

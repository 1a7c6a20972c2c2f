if(GIST_TORCH)
  gist_test(core/engine/fixtures_test.cc LABELS model LINK gist::torch_engine gist::model)
  gist_test(core/engine/torch_engine_test.cc LABELS model LINK gist::torch_engine gist::format nlohmann_json::nlohmann_json)
endif()

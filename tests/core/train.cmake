if(GIST_TORCH)
  gist_test(core/train/gradients_test.cc LABELS model LINK gist::train LibTorch::cpu)
  gist_test(core/train/trainer_test.cc LABELS model LINK gist::train LibTorch::cpu)
endif()

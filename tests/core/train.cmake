foreach(name IN ITEMS recipe time_estimate)
  gist_test(core/train/${name}_test.cc LABELS unit LINK gist::recipe gist::test_support)
endforeach()
if(GIST_TORCH)
  foreach(name IN ITEMS passes/block_kernel passes/fixtures passes/gradients passes/writer
          train_sample trainer)
    gist_test(core/train/${name}_test.cc LABELS model
      LINK gist::train gist::test_support LibTorch::cpu)
  endforeach()
  gist_test(core/train/answer_trainer_test.cc LABELS model
    LINK gist::train gist::torch_engine gist::fake_embedder gist::test_support LibTorch::cpu)
endif()

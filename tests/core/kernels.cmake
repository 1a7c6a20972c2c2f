gist_test(core/kernels/kernels_test.cc LABELS unit LINK gist::kernels)
gist_test(core/kernels/packed_matrix_test.cc LABELS unit LINK gist::kernels)
gist_test(core/kernels/thread_team_test.cc LABELS unit LINK gist::kernels)
gist_test(core/kernels/small_batch_gemm_test.cc LABELS unit LINK gist::kernels)

gist_test(core/hf/config_test.cc LABELS unit LINK gist::hf gist::test_support)
gist_test(core/hf/folder_files_test.cc LABELS unit LINK gist::hf gist::test_support)
gist_test(core/hf/hf_folder_test.cc LABELS unit LINK gist::hf gist::test_support)

gist_test(core/compress/compressed_kv_test.cc LABELS unit LINK gist::compress gist::test_support)
gist_test(core/compress/representation_test.cc LABELS unit LINK gist::compress gist::test_support)

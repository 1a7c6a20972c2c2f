gist_test(core/base/float16_test.cc LABELS unit LINK gist::base)
gist_test(core/base/identity_test.cc LABELS unit LINK gist::base)
gist_test(core/base/status_test.cc LABELS unit LINK gist::base)
gist_test(core/base/utf8_test.cc LABELS unit LINK gist::base)

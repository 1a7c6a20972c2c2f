gist_test(core/gist/mask_test.cc LABELS unit LINK gist::gist)

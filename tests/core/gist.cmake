gist_test(core/gist/mask_test.cc LABELS unit LINK gist::gist)
gist_test(core/gist/sampler_test.cc LABELS unit LINK gist::gist)

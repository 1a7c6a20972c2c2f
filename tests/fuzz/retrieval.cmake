gist_fuzz(fuzz/chunker_fuzz.cc LINK gist::retrieval)
gist_fuzz(fuzz/unigram_fuzz.cc LINK gist::retrieval)

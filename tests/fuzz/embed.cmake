gist_fuzz(fuzz/chunker_fuzz.cc LINK gist::embed_text)
gist_fuzz(fuzz/unigram_fuzz.cc LINK gist::embed_text)

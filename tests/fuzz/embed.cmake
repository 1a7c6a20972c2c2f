gist_fuzz(fuzz/chunker_fuzz.cc LINK gist::embed_text)

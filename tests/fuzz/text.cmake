gist_fuzz(fuzz/tokenizer_fuzz.cc LINK gist::text)

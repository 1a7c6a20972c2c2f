gist_fuzz(fuzz/passages_fuzz.cc LINK gist::data)
gist_fuzz(fuzz/records_fuzz.cc LINK gist::scoring)

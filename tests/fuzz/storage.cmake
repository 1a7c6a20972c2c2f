gist_fuzz(fuzz/gist_blob_fuzz.cc LINK gist::storage PkgConfig::XXHASH)

gist_fuzz(fuzz/gist_blob_fuzz.cc LINK gist::storage PkgConfig::XXHASH)
gist_fuzz(fuzz/context_record_fuzz.cc LINK gist::storage)
gist_fuzz(fuzz/chunk_index_fuzz.cc LINK gist::retrieval)
gist_fuzz(fuzz/tenant_index_fuzz.cc LINK gist::retrieval)

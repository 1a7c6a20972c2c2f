gist_fuzz(fuzz/request_fuzz.cc
  LINK gist::server gist::proto gist::fake_embedder gist::fake_engine gist::test_support
       RocksDB::rocksdb-shared)
gist_fuzz(fuzz/config_fuzz.cc LINK gist::server)

// A data folder opened by RocksDB alone, past the store: to see what lies there
// and to damage it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "rocksdb/db.h"

namespace gist {

class RawDatabase {
 public:
  explicit RawDatabase(const std::string& folder) {
    std::vector<std::string> names;
    rocksdb::Options options;
    rocksdb::DB::ListColumnFamilies(options, folder, &names);
    if (names.empty()) names = {"default"};
    options.create_if_missing = true;
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) families.emplace_back(name, options);
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    const auto status =
        rocksdb::DB::Open(options, folder, families, &handles, &db);
    EXPECT_TRUE(status.ok()) << status.ToString();
    db_.reset(db);
    for (auto* handle : handles) handles_[handle->GetName()] = handle;
  }
  ~RawDatabase() {
    for (const auto& [name, handle] : handles_)
      db_->DestroyColumnFamilyHandle(handle);
  }

  void AddFamily(const std::string& name) {
    ASSERT_TRUE(db_->CreateColumnFamily({}, name, &handles_[name]).ok());
  }
  void DropFamily(const std::string& name) {
    ASSERT_TRUE(db_->DropColumnFamily(handles_.at(name)).ok());
    db_->DestroyColumnFamilyHandle(handles_.at(name));
    handles_.erase(name);
  }
  void Put(const std::string& family, const std::string& key,
           const std::string& value) {
    ASSERT_TRUE(db_->Put({}, handles_.at(family), key, value).ok());
  }
  std::string Get(const std::string& family, const std::string& key) {
    std::string value;
    EXPECT_TRUE(db_->Get({}, handles_.at(family), key, &value).ok()) << key;
    return value;
  }
  // "family: key" of all there is.
  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    for (const auto& [name, handle] : handles_) {
      std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator({}, handle));
      for (it->SeekToFirst(); it->Valid(); it->Next())
        keys.push_back(name + ": " + it->key().ToString());
    }
    return keys;
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::map<std::string, rocksdb::ColumnFamilyHandle*> handles_;
};

}  // namespace gist

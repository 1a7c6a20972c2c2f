// One bit flipped in what is stored: nothing wrong is ever read from it.
//
// Of every read three outcomes are right: what was stored, kDataLoss that names
// the context or its document, or, where the database as a whole does not open,
// kDataLoss that names the data folder.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "core/retrieval/chunk_index.h"
#include "fmt/format.h"
#include "server/training/adapter_store.h"
#include "server/training/dataset_store.h"
#include "storage/kv_codec.h"
#include "tests/faults/rounds.h"
#include "tests/storage/raw_database.h"
#include "tests/storage/samples.h"
#include "tests/support/read_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

namespace fs = std::filesystem;

constexpr int kDocuments = 5;

void WriteFile(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string TextOf(int document) {
  std::string text = fmt::format("document {}: ", document);
  std::mt19937_64 random(uint64_t(document) + 1);
  while (text.size() < 600) text += char('a' + random() % 26);
  return text;
}
ContextRecord RecordOf(int document) { return SampleRecord(TextOf(document)); }
Retention RetentionOf(int document) {
  return {.expire_unix_ms = 1'900'000'000'000 + document, .pinned = true};
}
std::string IndexOf(int document) {
  const double angle = 0.1 * document;
  ChunkIndex index{.embedder_fingerprint = std::string(64, 'a'),
                   .max_tokens = 200,
                   .overlap_tokens = 40,
                   .chunks = {{0, 300, 11}, {280, 600, 12}},
                   .vectors = VectorIndex(2, {})};
  EXPECT_THAT(index.vectors.Add(0, std::vector<float>{1, 0}), IsOk());
  EXPECT_THAT(index.vectors.Add(1, std::vector<float>{float(std::cos(angle)),
                                                      float(std::sin(angle))}),
              IsOk());
  return EncodeChunkIndex(index).value();
}

// What came of the reads after one flip.
struct Tally {
  int flips = 0, without_effect = 0, found = 0, wrong = 0;
  void Add(bool was_found, bool was_wrong) {
    ++flips;
    found += was_found;
    wrong += was_wrong;
    without_effect += !was_found && !was_wrong;
  }
  std::string Text() const {
    return fmt::format("{} flips: {} found, {} without effect, {} wrong", flips,
                       found, without_effect, wrong);
  }
};

class BitFlipsTest : public testing::Test {
 protected:
  BitFlipsTest() : random_(Seed()) {}

  // A store with everything in it; in table files, if wanted, else in the log.
  void Fill(bool in_tables) {
    const auto store = OpenGistStore(whole());
    ASSERT_THAT(store, IsOk());
    for (int document = 0; document < kDocuments; ++document) {
      ASSERT_THAT((*store)->Put(RecordOf(document), TextOf(document),
                                SampleGists(), RetentionOf(document)),
                  IsOk());
      ASSERT_THAT((*store)->PutChunkIndex(RecordOf(document).document_id,
                                          IndexOf(document)),
                  IsOk());
    }
    if (!in_tables) return;
    ASSERT_THAT(
        (*store)->Put(SampleRecord("deleted"), "deleted", SampleGists()),
        IsOk());
    ASSERT_THAT((*store)->Delete(SampleRecord("deleted").context_id), IsOk());
    ASSERT_THAT((*store)->EraseDeleted(), IsOk());  // flushes all
  }
  void CopyWhole() {
    fs::remove_all(damaged());
    fs::copy(whole(), damaged());
  }
  void FlipBit(std::string& bytes) {
    ASSERT_FALSE(bytes.empty());
    bytes[random_() % bytes.size()] ^= char(1 << random_() % 8);
  }

  // Reads all there is. {something was found to be damaged, something is wrong}
  std::pair<bool, bool> ReadAll() {
    const auto store = OpenGistStore(damaged());
    if (!store.ok()) {
      // A flip may make a name or number of RocksDB's own be of another kind.
      const bool clear =
          (absl::IsDataLoss(store.status()) ||
           absl::IsFailedPrecondition(store.status()) ||
           absl::IsUnavailable(store.status())) &&
          std::string(store.status().message()).find(damaged()) !=
              std::string::npos;
      EXPECT_TRUE(clear) << store.status();
      return {true, !clear};
    }
    bool found = false, wrong = false;
    for (int document = 0; document < kDocuments; ++document)
      ReadDocument(**store, document, &found, &wrong);
    return {found, wrong};
  }
  void ReadDocument(const GistStore& store, int document, bool* found,
                    bool* wrong) {
    const ContextRecord record = RecordOf(document);
    const auto judge = [&](const absl::Status& status, bool equal) {
      if (status.ok() && equal) return;
      const std::string message(status.message());
      const bool named = message.find(record.context_id) != message.npos ||
                         message.find(record.document_id) != message.npos;
      if (absl::IsDataLoss(status) && named) {
        *found = true;
        return;
      }
      *wrong = true;
      ADD_FAILURE() << status.ToString() << (status.ok() ? ": wrong" : "");
    };
    const auto kept = store.GetRecord(record.context_id);
    judge(kept.status(), kept.ok() && *kept == record);
    const auto gists = store.GetKv(record, SampleGistForm());
    judge(gists.status(), gists.ok() && *gists == SampleGists());
    const auto text = store.GetText(record.document_id);
    judge(text.status(), text.ok() && *text == TextOf(document));
    const auto index = store.GetChunkIndex(record.document_id);
    judge(index.status(), index.ok() && *index == IndexOf(document));
    const auto stored = store.Find(record.context_id);
    judge(stored.status(),
          stored.ok() && stored->retention == RetentionOf(document));
  }

  Tally FlipFiles(const std::vector<fs::path>& files, int rounds) {
    Tally tally;
    for (int round = 0; round < rounds; ++round) {
      CopyWhole();
      const fs::path file =
          fs::path(damaged()) / files[random_() % files.size()].filename();
      std::string bytes = ReadFile(file);
      FlipBit(bytes);
      WriteFile(file, bytes);
      const auto [found, wrong] = ReadAll();
      tally.Add(found, wrong);
    }
    return tally;
  }
  std::vector<fs::path> FilesLike(const std::string& prefix,
                                  const std::string& suffix) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(whole())) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(prefix) && name.ends_with(suffix) &&
          fs::file_size(entry.path()) > 0)
        files.push_back(entry.path());
    }
    std::ranges::sort(files);
    EXPECT_FALSE(files.empty()) << prefix << "*" << suffix;
    return files;
  }

  std::string whole() const { return dir_ / "whole"; }
  std::string damaged() const { return dir_ / "damaged"; }

  std::mt19937_64 random_;
  TempDir dir_;
};

// Past RocksDB's checksums: in the values themselves, where our own must do.
TEST_F(BitFlipsTest, OfAStoredValueAreFound) {
  Fill(/*in_tables=*/false);
  for (const std::string family :
       {"gists", "documents", "contexts", "chunk_indexes", "retentions"}) {
    Tally tally;
    const int rounds = Rounds(20);
    const bool by_document = family == "documents" || family == "chunk_indexes";
    while (tally.flips < rounds) {  // one in each document at a time
      CopyWhole();
      {
        RawDatabase raw(damaged());
        for (int document = 0; document < kDocuments; ++document) {
          const ContextRecord record = RecordOf(document);
          std::string key =
              by_document ? record.document_id : record.context_id;
          if (family == "gists")
            key += "/" + RepresentationKey(SampleGistForm());
          std::string value = raw.Get(family, key);
          FlipBit(value);
          raw.Put(family, key, value);
        }
      }
      const auto store = OpenGistStore(damaged());
      ASSERT_THAT(store, IsOk());
      for (int document = 0; document < kDocuments; ++document) {
        bool found = false, wrong = false;
        ReadDocument(**store, document, &found, &wrong);
        tally.Add(found, wrong);
      }
    }
    EXPECT_EQ(tally.wrong, 0) << family;
    EXPECT_EQ(tally.found, tally.flips) << family << ": all of a value counts";
    PrintFigure(fmt::format("flips in values of {}: {}", family, tally.Text()));
  }
}

TEST_F(BitFlipsTest, OfATableFileAreFound) {
  Fill(/*in_tables=*/true);
  const Tally tally = FlipFiles(FilesLike("", ".sst"), Rounds(20));
  EXPECT_EQ(tally.wrong, 0);
  PrintFigure("flips in table files: " + tally.Text());
}

TEST_F(BitFlipsTest, OfTheLogAreFound) {
  Fill(/*in_tables=*/false);
  const Tally tally = FlipFiles(FilesLike("", ".log"), Rounds(20));
  EXPECT_EQ(tally.wrong, 0);
  PrintFigure("flips in the write-ahead log: " + tally.Text());
}

TEST_F(BitFlipsTest, OfTheListsOfFilesAreFound) {
  Fill(/*in_tables=*/true);
  auto files = FilesLike("MANIFEST", "");
  files.push_back(FilesLike("CURRENT", "")[0]);
  const Tally tally = FlipFiles(files, Rounds(20));
  EXPECT_EQ(tally.wrong, 0);
  PrintFigure("flips in MANIFEST and CURRENT: " + tally.Text());
}

TEST_F(BitFlipsTest, OfAnExportedFileAreFound) {
  const std::string whole =
      EncodeKvBlob({RecordOf(0), {SampleGists()}, TextOf(0)}).value();
  Tally tally;
  const int rounds = Rounds(20);
  for (int round = 0; round < rounds; ++round) {
    std::string bytes = whole;
    FlipBit(bytes);
    const auto blob = DecodeKvBlob(bytes);
    tally.Add(absl::IsDataLoss(blob.status()),
              !absl::IsDataLoss(blob.status()));
  }
  EXPECT_EQ(tally.wrong, 0);
  EXPECT_EQ(tally.found, rounds);
  PrintFigure("flips in exported files: " + tally.Text());
}

TEST_F(BitFlipsTest, OfAnAdapterAreFound) {
  AdapterStore store(dir_ / "adapters");
  const auto added = store.Add(
      {.name = "mine", .job_id = "job_1"}, [](const std::string& folder) {
        fs::create_directories(folder);
        WriteFile(folder + "/adapter_config.json", R"({"gist_tokens": 10})");
        WriteFile(folder + "/weights", std::string(500, 'w'));
        return absl::OkStatus();
      });
  ASSERT_THAT(added, IsOk());
  ASSERT_THAT(store.SetHistory({"mine@1"}), IsOk());
  Tally tally;
  const int rounds = Rounds(20);
  const std::vector<std::string> files = {
      dir_ / "adapters/mine/mine@1/adapter_config.json",
      dir_ / "adapters/mine/mine@1/weights", dir_ / "adapters/mine/mine@1.json",
      dir_ / "adapters/current.json"};
  for (int round = 0; round < rounds; ++round) {
    const std::string& file = files[random_() % files.size()];
    const std::string whole = ReadFile(file);
    std::string bytes = whole;
    FlipBit(bytes);
    WriteFile(file, bytes);
    const auto history = store.History();
    const auto version = store.Find("mine@1");
    absl::Status status = history.status();
    status.Update(version.status());
    if (version.ok()) status.Update(store.VerifiedFolderOf(*version).status());
    const bool equal = status.ok() && history->front() == "mine@1" &&
                       version->job_id == "job_1";
    tally.Add(!status.ok(), status.ok() && !equal);
    if (!status.ok()) EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    WriteFile(file, whole);
  }
  EXPECT_EQ(tally.wrong, 0);
  PrintFigure("flips in adapter files: " + tally.Text());
}

TEST_F(BitFlipsTest, OfADatasetAreFound) {
  DatasetStore store(dir_ / "datasets");
  const auto dataset = store.Add(
      "{\"context\": \"The key is ABC.\", \"question\": \"Key?\", "
      "\"answer\": \"ABC\"}\n");
  ASSERT_THAT(dataset, IsOk());
  const std::string id = dataset->dataset_id;
  const auto whole_records = store.Load(id);
  ASSERT_THAT(whole_records, IsOk());
  Tally tally;
  const int rounds = Rounds(20);
  for (int round = 0; round < rounds; ++round) {
    const std::string file =
        dir_ / ("datasets/" + id + (random_() % 2 == 0 ? ".json" : ".jsonl"));
    const std::string whole = ReadFile(file);
    std::string bytes = whole;
    FlipBit(bytes);
    WriteFile(file, bytes);
    const auto got = store.Get(id);
    const auto records = store.Load(id);
    absl::Status status = got.status();
    status.Update(records.status());
    const bool equal =
        status.ok() && got->records == 1 && got->bytes == dataset->bytes &&
        records->front().answer == whole_records->front().answer &&
        records->front().context == whole_records->front().context;
    tally.Add(!status.ok(), status.ok() && !equal);
    if (!status.ok()) EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    WriteFile(file, whole);
  }
  EXPECT_EQ(tally.wrong, 0);
  PrintFigure("flips in datasets: " + tally.Text());
}

}  // namespace
}  // namespace gist

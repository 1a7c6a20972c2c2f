// Writes a small database as this revision's store does: a fixture for later
// ones. fixtures/README.md tells how it is used.
// usage: make_fixture FOLDER         (new or empty)
//        make_fixture --blob FILE    an exported file
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/retrieval/chunk_index.h"
#include "storage/gist_store.h"
#include "tests/storage/samples.h"

namespace gist {
namespace {

absl::Status Fill(GistStore& store) {
  const auto put = [&store](std::string_view text, int gist_tokens,
                            bool keeps_text) {
    return store.Put(SampleRecord(text, gist_tokens), keeps_text ? text : "",
                     SampleGists(gist_tokens));
  };
  GIST_RETURN_IF_ERROR(put(kSampleText, 2, true));
  GIST_RETURN_IF_ERROR(put(kSampleText, 3, true));
  GIST_RETURN_IF_ERROR(put("gists alone", 2, false));
  ChunkIndex index{.embedder_fingerprint = std::string(64, 'a'),
                   .max_tokens = 200,
                   .overlap_tokens = 40,
                   .chunks = {{0, 33, 11}},
                   .vectors = VectorIndex(2, {})};
  GIST_RETURN_IF_ERROR(index.vectors.Add(0, std::vector<float>{1, 0}));
  const auto bytes = EncodeChunkIndex(index);
  if (!bytes.ok()) return bytes.status();
  GIST_RETURN_IF_ERROR(store.PutChunkIndex(SampleRecord().document_id, *bytes));
  const std::string id = SampleRecord(kSampleText, 3).context_id;
  GIST_RETURN_IF_ERROR(store.SetRetention(
      id, {.expire_unix_ms = 4'000'000'000'000, .pinned = true}));
  GIST_RETURN_IF_ERROR(store.Put(SampleRecord().With(SampleFullForm()),
                                 kSampleText, SampleFull()));
  return store.WriteUses(std::vector<ContextUse>{
      {.context_id = id, .used_unix_ms = 1'800'000'000'456}});
}

int Main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--blob") {
    const auto blob = EncodeKvBlob(SampleBlobOfTwo());
    if (blob.ok()) std::ofstream(argv[2], std::ios::binary) << *blob;
    return blob.ok() ? 0 : 1;
  }
  if (argc != 2) {
    std::fprintf(stderr,
                 "usage: make_fixture FOLDER | make_fixture --blob FILE\n");
    return 2;
  }
  auto store = OpenGistStore(argv[1]);
  const absl::Status status = store.ok() ? Fill(**store) : store.status();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace gist

int main(int argc, char** argv) { return gist::Main(argc, argv); }

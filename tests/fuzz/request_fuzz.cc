// Requests of gist.v1 as bytes, through conversion and validation, into the
// pipeline over a fake engine and a store in memory. The first byte says which
// request the rest is. Whatever comes: an answer or an error, no crash, and the
// next good question is answered right.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "core/embed/fake_embedder.h"
#include "core/engine/fake_engine.h"
#include "gist/v1/gist.pb.h"
#include "rocksdb/env.h"
#include "server/contexts/retention_manager.h"
#include "server/grpc/proto_convert.h"
#include "storage/open_with_env.h"
#include "tests/fuzz/check.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

constexpr char kText[] = "The secret passkey is ABC123 .";

struct Server {
  TempDir dir;
  std::unique_ptr<rocksdb::Env> env{
      rocksdb::NewMemEnv(rocksdb::Env::Default())};
  std::unique_ptr<GistStore> files =
      OpenGistStoreWithEnv(dir.path(), env.get()).value();
  FakeClock clock;
  std::unique_ptr<RetentionManager> store =
      RetentionManager::Open(*files, {.max_contexts = 50}, clock).value();
  FakeEngine engine;
  FakeEmbedder embedder;
  Scheduler scheduler{engine, {}};
  Pipeline pipeline{engine, *store, scheduler, {}, &embedder, &clock};
  std::string id =
      pipeline
          .Compress({.text = kText, .retention = {.pinned = true}}, Caller())
          ->context.record.context_id;
};

std::string Answer(Pipeline& pipeline, const AskInput& input) {
  std::string answer;
  pipeline
      .Ask(input, Caller(),
           [&answer](const std::string& piece) {
             answer += piece;
             return answer.size() < 4096;
           })
      .status()
      .IgnoreError();
  return answer;
}

void Serve(Server& server, uint8_t kind, const std::string& bytes) {
  Pipeline& pipeline = server.pipeline;
  v1::CompressRequest compress;
  v1::AskRequest ask;
  v1::CompareRequest compare;
  v1::UpdateContextRequest update;
  v1::ListContextsRequest list;
  switch (kind % 6) {
    case 0:
      if (!compress.ParseFromString(bytes)) return;
      if (auto input = CompressInputOf(compress); input.ok()) {
        input->text = compress.text();
        pipeline.Compress(*input, Caller()).status().IgnoreError();
      }
      return;
    case 1:
      if (!ask.ParseFromString(bytes)) return;
      if (ask.context_ids_size() > 0 && ask.context_ids(0).empty())
        ask.set_context_ids(0, server.id);
      if (const auto input = FromProto(ask); input.ok())
        Answer(pipeline, *input);
      return;
    case 2:
      if (!compare.ParseFromString(bytes)) return;
      if (const auto wanted = FromProto(compare); wanted.ok())
        CompareModes(pipeline, wanted->first, wanted->second, Caller())
            .status()
            .IgnoreError();
      return;
    case 3:
      if (!update.ParseFromString(bytes)) return;
      if (update.context_id() == server.id) return;
      if (const auto policy = FromProto(update.retention()); policy.ok()) {
        pipeline.Update(update.context_id(), *policy).status().IgnoreError();
      }
      return;
    case 4:
      if (!list.ParseFromString(bytes)) return;
      pipeline.List(list.page_size(), list.page_token()).status().IgnoreError();
      return;
    case 5:
      pipeline.Import(bytes, Caller()).status().IgnoreError();
      return;
  }
}

}  // namespace
}  // namespace gist

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static gist::Server* const server = new gist::Server;
  if (size == 0) return 0;
  gist::Serve(*server, data[0], std::string(data + 1, data + size));
  const std::string answer = gist::Answer(
      server->pipeline, {.context_ids = {server->id}, .question = "Q"});
  gist::FuzzCheck(answer == "Found ABC123. You asked: Q",
                  "the next good question is answered right");
  return 0;
}

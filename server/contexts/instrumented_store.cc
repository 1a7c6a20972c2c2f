#include "server/contexts/instrumented_store.h"

#include <type_traits>
#include <utility>

#include "server/scheduling/caller.h"

namespace gist {
namespace {

// As the label `result` says it.
const char* ResultOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return "ok";
    case absl::StatusCode::kNotFound:
      return "not_found";
    case absl::StatusCode::kDataLoss:
      return "corrupt";
    case absl::StatusCode::kFailedPrecondition:
      return "mismatch";
    case absl::StatusCode::kResourceExhausted:
      return "no_space";
    case absl::StatusCode::kUnavailable:
      return "unavailable";
    default:
      return "error";
  }
}

int64_t BytesOf(const CompressedKv& kv) { return kv.Bytes(); }
int64_t BytesOf(std::span<const CompressedKv> parts) {
  int64_t bytes = 0;
  for (const CompressedKv& kv : parts) bytes += kv.Bytes();
  return bytes;
}
int64_t BytesOf(std::string_view text) { return int64_t(text.size()); }
int64_t BytesOf(const std::string& text) { return int64_t(text.size()); }
template <typename Other>
int64_t BytesOf(const Other&) {
  return 0;
}

class InstrumentedStore final : public GistStore {
 public:
  InstrumentedStore(std::unique_ptr<GistStore> store, Metrics& metrics)
      : store_(std::move(store)), metrics_(metrics) {}

  using GistStore::Put;
  absl::Status Put(const ContextRecord& record, std::string_view text,
                   std::span<const CompressedKv> kv,
                   const Retention& retention) override {
    return Write("put", BytesOf(text) + BytesOf(kv),
                 [&] { return store_->Put(record, text, kv, retention); });
  }
  absl::Status CheckRoom(const ContextRecord& record,
                         int64_t text_bytes) const override {
    return store_->CheckRoom(record, text_bytes);
  }
  absl::StatusOr<StoredContext> Find(
      std::string_view context_id) const override {
    return Read("find", [&] { return store_->Find(context_id); });
  }
  absl::Status SetRetention(std::string_view context_id,
                            const Retention& retention) override {
    return Write("set_retention", 0,
                 [&] { return store_->SetRetention(context_id, retention); });
  }
  void NoteUse(std::string_view context_id) override {
    store_->NoteUse(context_id);
  }
  absl::Status WriteUses(std::span<const ContextUse> uses) override {
    return Write("write_uses", 0, [&] { return store_->WriteUses(uses); });
  }
  absl::StatusOr<ContextRecord> GetRecord(
      std::string_view context_id) const override {
    return Read("get_record", [&] { return store_->GetRecord(context_id); });
  }
  absl::StatusOr<CompressedKv> GetKv(
      const ContextRecord& record,
      const Representation& representation) const override {
    return Read("get_gists",
                [&] { return store_->GetKv(record, representation); });
  }
  absl::StatusOr<std::string> GetText(
      std::string_view document_id) const override {
    return Read("get_text", [&] { return store_->GetText(document_id); });
  }
  absl::StatusOr<bool> HasText(std::string_view document_id) const override {
    return Read("has_text", [&] { return store_->HasText(document_id); });
  }
  absl::Status PutChunkIndex(std::string_view document_id,
                             std::string_view bytes) override {
    return Write("put_chunk_index", BytesOf(bytes),
                 [&] { return store_->PutChunkIndex(document_id, bytes); });
  }
  absl::StatusOr<std::string> GetChunkIndex(
      std::string_view document_id) const override {
    return Read("get_chunk_index",
                [&] { return store_->GetChunkIndex(document_id); });
  }
  absl::StatusOr<std::vector<TenantDocument>> TenantDocuments(
      std::string_view tenant) const override {
    return Read("tenant_documents",
                [&] { return store_->TenantDocuments(tenant); });
  }
  absl::Status PutTenantIndex(std::string_view tenant,
                              std::span<const std::string> document_ids,
                              std::string_view bytes) override {
    return Write("put_tenant_index", BytesOf(bytes), [&] {
      return store_->PutTenantIndex(tenant, document_ids, bytes);
    });
  }
  absl::StatusOr<std::string> GetTenantIndex(
      std::string_view tenant) const override {
    return Read("get_tenant_index",
                [&] { return store_->GetTenantIndex(tenant); });
  }
  absl::StatusOr<ContextPage> List(int page_size,
                                   std::string_view page_token) const override {
    return Read("list", [&] { return store_->List(page_size, page_token); });
  }
  absl::StatusOr<ContextPage> ListOf(
      std::string_view tenant, int page_size,
      std::string_view page_token) const override {
    return Read("list",
                [&] { return store_->ListOf(tenant, page_size, page_token); });
  }
  StoreUsage usage() const override { return store_->usage(); }
  absl::StatusOr<std::vector<StoredContext>> Inventory() const override {
    return Read("inventory", [&] { return store_->Inventory(); });
  }
  absl::StatusOr<int64_t> EraseDeleted() override {
    return Read("erase_deleted", [&] { return store_->EraseDeleted(); });
  }
  absl::Status CopyTo(const std::string& folder) override {
    return Write("copy", 0, [&] { return store_->CopyTo(folder); });
  }
  absl::Status Delete(std::string_view context_id) override {
    return Write("delete", 0, [&] { return store_->Delete(context_id); });
  }

 private:
  template <typename Call>
  std::invoke_result_t<Call> Read(const char* op, Call call) const {
    const Clock::time_point start = Clock::now();
    auto result = call();
    metrics_.CountStoreOperation(
        {.op = op,
         .result = ResultOf(result.status()),
         .seconds = SecondsSince(start),
         .read_bytes = result.ok() ? BytesOf(*result) : 0});
    return result;
  }
  template <typename Call>
  absl::Status Write(const char* op, int64_t bytes, Call call) {
    const Clock::time_point start = Clock::now();
    const absl::Status status = call();
    metrics_.CountStoreOperation({.op = op,
                                  .result = ResultOf(status),
                                  .seconds = SecondsSince(start),
                                  .written_bytes = status.ok() ? bytes : 0});
    return status;
  }

  const std::unique_ptr<GistStore> store_;
  Metrics& metrics_;
};

}  // namespace

std::unique_ptr<GistStore> CountStore(std::unique_ptr<GistStore> store,
                                      Metrics& metrics) {
  return std::make_unique<InstrumentedStore>(std::move(store), metrics);
}

}  // namespace gist

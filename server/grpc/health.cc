#include "server/grpc/health.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "core/base/status.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/grpc/status.h"
#include "server/support/errors.h"
#include "server/support/names.h"

namespace gist {
namespace {

namespace v1h = grpc::health::v1;
using Status = v1h::HealthCheckResponse::ServingStatus;

constexpr char kCheck[] = "/grpc.health.v1.Health/Check";
constexpr char kWatch[] = "/grpc.health.v1.Health/Watch";
constexpr size_t kMaxWatchers = 256;

// A stream that ends with an error before it has begun.
class Refusal : public grpc::ServerWriteReactor<v1h::HealthCheckResponse> {
 public:
  explicit Refusal(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

class HealthImpl;

// One Watch call. Keeps the latest status that is not sent yet: a slow reader
// misses the ones between.
class Watcher : public grpc::ServerWriteReactor<v1h::HealthCheckResponse> {
 public:
  Watcher(HealthImpl& owner, std::string service, Status status)
      : owner_(owner), service_(std::move(service)) {
    Send(status);
  }

  const std::string& service() const { return service_; }
  // Only a change is written.
  void Send(Status status) {
    const std::scoped_lock lock(mutex_);
    if (status == newest_) return;
    next_ = newest_ = status;
    WriteNext();
  }
  void End(const grpc::Status& status) {
    const std::scoped_lock lock(mutex_);
    if (!std::exchange(finished_, true)) Finish(status);
  }

  void OnWriteDone(bool ok) override {
    {
      const std::scoped_lock lock(mutex_);
      is_writing_ = false;
      if (ok) WriteNext();
    }
    if (!ok) End(grpc::Status::CANCELLED);
  }
  void OnCancel() override { End(grpc::Status::CANCELLED); }
  void OnDone() override;

 private:
  void WriteNext() {  // wants mutex_
    if (is_writing_ || finished_ || !next_) return;
    response_.set_status(*std::exchange(next_, std::nullopt));
    is_writing_ = true;
    StartWrite(&response_);
  }

  HealthImpl& owner_;
  const std::string service_;
  std::mutex mutex_;  // guards all below
  v1h::HealthCheckResponse response_;
  std::optional<Status> newest_;
  std::optional<Status> next_;
  bool is_writing_ = false;
  bool finished_ = false;
};

class HealthImpl final : public HealthService,
                         public v1h::Health::CallbackService {
 public:
  HealthImpl(const Gate& gate, Readiness& readiness,
             std::vector<std::string> services)
      : gate_(gate), readiness_(readiness), services_(std::move(services)) {
    readiness_.Listen([this](bool) { Update(); });
  }
  ~HealthImpl() override { readiness_.Listen({}); }

  grpc::Service* service() override { return this; }

  void Close() override {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    for (Watcher* const watcher : watchers_) watcher->End(Draining());
  }

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const v1h::HealthCheckRequest* request,
                                  v1h::HealthCheckResponse* response) override {
    auto* const reactor = context->DefaultReactor();
    Principal who;
    absl::Status status = gate_.Admit(kCheck, *context, who);
    if (status.ok() && !IsKnown(request->service())) {
      status = Error(Reason::kServiceNotFound,
                     fmt::format("no service is called {:?} here",
                                 Shown(request->service())));
    }
    if (status.ok()) response->set_status(StatusOf(request->service()));
    reactor->Finish(ToGrpc(status));
    return reactor;
  }

  grpc::ServerWriteReactor<v1h::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context,
      const v1h::HealthCheckRequest* request) override {
    Principal who;
    const absl::Status admitted = gate_.Admit(kWatch, *context, who);
    if (!admitted.ok()) return new Refusal(ToGrpc(admitted));
    const std::scoped_lock lock(mutex_);
    if (closed_) return new Refusal(Draining());
    if (watchers_.size() >= kMaxWatchers) {
      return new Refusal(ToGrpc(
          Error(Reason::kTooManyWatchers,
                fmt::format("{} callers watch the health, the limit is {}",
                            watchers_.size(), kMaxWatchers))));
    }
    const std::string& name = request->service();
    auto* const watcher = new Watcher(*this, name, StatusOf(name));
    watchers_.insert(watcher);
    return watcher;  // it deletes itself in OnDone
  }

  void Forget(Watcher* watcher) {
    const std::scoped_lock lock(mutex_);
    watchers_.erase(watcher);
  }

 private:
  static grpc::Status Draining() {
    return ToGrpc(Error(Reason::kDraining,
                        "the server is shutting down; watch another one"));
  }

  bool IsKnown(const std::string& service) const {
    return service.empty() || std::ranges::count(services_, service) > 0;
  }
  Status StatusOf(const std::string& service) const {
    if (!IsKnown(service)) return v1h::HealthCheckResponse::SERVICE_UNKNOWN;
    const bool serves =
        service.empty() ? readiness_.was_ready() : readiness_.ready();
    return serves ? v1h::HealthCheckResponse::SERVING
                  : v1h::HealthCheckResponse::NOT_SERVING;
  }
  void Update() {
    const std::scoped_lock lock(mutex_);
    for (Watcher* const watcher : watchers_) {
      watcher->Send(StatusOf(watcher->service()));
    }
  }

  const Gate& gate_;
  Readiness& readiness_;
  const std::vector<std::string> services_;
  std::mutex mutex_;  // guards all below; taken before a watcher's
  std::set<Watcher*> watchers_;
  bool closed_ = false;
};

void Watcher::OnDone() {
  owner_.Forget(this);
  delete this;
}

}  // namespace

std::unique_ptr<HealthService> MakeHealthService(
    const Gate& gate, Readiness& readiness, std::vector<std::string> services) {
  return std::make_unique<HealthImpl>(gate, readiness, std::move(services));
}

}  // namespace gist

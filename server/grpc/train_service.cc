#include "server/grpc/train_service.h"

#include <string>

#include "core/base/status.h"
#include "gist/v1/training.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "server/grpc/rpc.h"
#include "server/grpc/train_convert.h"
#include "server/support/errors.h"
#include "server/support/set_once.h"

namespace gist {
namespace {

class TrainService final : public TrainingService,
                           public v1::TrainingService::Service {
 public:
  TrainService(Metrics& metrics, const Gate& gate)
      : rules_{v1::TrainingService::service_full_name(), gate, metrics} {}

  grpc::Service* service() override { return this; }
  void Open(const TrainServiceParts& parts) override { parts_.Set(parts); }

  grpc::Status Train(grpc::ServerContext* context,
                     const v1::TrainRequest* request,
                     grpc::ServerWriter<v1::TrainEvent>* writer) override {
    return Serve("Train", *context, [&](const Caller& caller) -> absl::Status {
      // It changes what all tenants use.
      if (request->promote_if_better()) {
        GIST_RETURN_IF_ERROR(CheckRole(caller.principal, Role::kAdmin));
      }
      TrainRequest wanted = FromProto(*request);
      wanted.tenant = caller.principal.tenant;
      GIST_ASSIGN_OR_RETURN(const Training training,
                            parts().manager.Submit(wanted));
      caller.record->Add("job", training.job_id);
      return WatchInto(training.job_id, caller, *writer);
    });
  }

  grpc::Status WatchTraining(
      grpc::ServerContext* context, const v1::WatchTrainingRequest* request,
      grpc::ServerWriter<v1::TrainEvent>* writer) override {
    return Serve("WatchTraining", *context, [&](const Caller& caller) {
      return WatchInto(request->job_id(), caller, *writer);
    });
  }

  grpc::Status GetTraining(grpc::ServerContext* context,
                           const v1::GetTrainingRequest* request,
                           v1::Training* response) override {
    return Serve(
        "GetTraining", *context, [&](const Caller& caller) -> absl::Status {
          GIST_ASSIGN_OR_RETURN(
              const Training training,
              parts().manager.Get(request->job_id(), caller.principal.tenant));
          ToProto(training, response);
          return absl::OkStatus();
        });
  }

  grpc::Status ListTrainings(grpc::ServerContext* context,
                             const v1::ListTrainingsRequest*,
                             v1::ListTrainingsResponse* response) override {
    return Serve("ListTrainings", *context, [&](const Caller& caller) {
      for (const Training& training :
           parts().manager.List(caller.principal.tenant)) {
        ToProto(training, response->add_trainings());
      }
      return absl::OkStatus();
    });
  }

  grpc::Status CancelTraining(grpc::ServerContext* context,
                              const v1::CancelTrainingRequest* request,
                              v1::Training* response) override {
    return Serve("CancelTraining", *context,
                 [&](const Caller& caller) -> absl::Status {
                   GIST_ASSIGN_OR_RETURN(
                       const Training training,
                       parts().manager.Cancel(request->job_id(),
                                              caller.principal.tenant));
                   ToProto(training, response);
                   return absl::OkStatus();
                 });
  }

  grpc::Status UploadDataset(
      grpc::ServerContext* context,
      grpc::ServerReader<v1::UploadDatasetRequest>* reader,
      v1::Dataset* response) override {
    return Serve("UploadDataset", *context,
                 [&](const Caller& caller) -> absl::Status {
                   GIST_ASSIGN_OR_RETURN(
                       const std::string lines,
                       ReadChunks<v1::UploadDatasetRequest>(
                           *reader, parts().datasets.limits().max_bytes, caller,
                           [](auto&) {}, Reason::kDatasetTooLarge));
                   GIST_ASSIGN_OR_RETURN(
                       const Dataset dataset,
                       parts().datasets.Add(lines, caller.principal.tenant));
                   caller.record->Add("bytes", lines.size());
                   ToProto(dataset, response);
                   return absl::OkStatus();
                 });
  }

  grpc::Status ListDatasets(grpc::ServerContext* context,
                            const v1::ListDatasetsRequest*,
                            v1::ListDatasetsResponse* response) override {
    return Serve(
        "ListDatasets", *context, [&](const Caller& caller) -> absl::Status {
          GIST_ASSIGN_OR_RETURN(const auto datasets,
                                parts().datasets.List(caller.principal.tenant));
          for (const Dataset& dataset : datasets) {
            ToProto(dataset, response->add_datasets());
          }
          return absl::OkStatus();
        });
  }

  grpc::Status DeleteDataset(grpc::ServerContext* context,
                             const v1::DeleteDatasetRequest* request,
                             v1::DeleteDatasetResponse*) override {
    return Serve("DeleteDataset", *context, [&](const Caller& caller) {
      return parts().manager.DeleteDataset(request->dataset_id(),
                                           caller.principal.tenant);
    });
  }

  grpc::Status ListAdapters(grpc::ServerContext* context,
                            const v1::ListAdaptersRequest*,
                            v1::ListAdaptersResponse* response) override {
    return Serve(
        "ListAdapters", *context, [&](const Caller& caller) -> absl::Status {
          GIST_ASSIGN_OR_RETURN(auto versions, parts().adapters.List());
          GIST_ASSIGN_OR_RETURN(const AdapterInUse in_use,
                                parts().promoter.Loaded());
          for (AdapterVersion& version : versions) {
            // All tenants see an adapter, and only its own the training's id.
            if (!parts()
                     .manager.Get(version.job_id, caller.principal.tenant)
                     .ok()) {
              version.job_id.clear();
            }
            v1::Adapter& adapter = *response->add_adapters();
            ToProto(version, in_use.title, &adapter);
            adapter.set_fits_model(parts().promoter.Fits(version));
            if (adapter.in_use())
              adapter.set_adapter_fingerprint(in_use.loaded.fingerprint);
          }
          if (in_use.title.empty() && in_use.loaded.is_loaded())
            ToProto(in_use.loaded, response->add_adapters());
          return absl::OkStatus();
        });
  }

  grpc::Status PromoteAdapter(grpc::ServerContext* context,
                              const v1::PromoteAdapterRequest* request,
                              v1::Adapter* response) override {
    return Serve("PromoteAdapter", *context,
                 [&](const Caller& caller) -> absl::Status {
                   GIST_ASSIGN_OR_RETURN(
                       const std::string title,
                       TitleOf(request->adapter(), caller.principal.tenant));
                   GIST_ASSIGN_OR_RETURN(const AdapterVersion version,
                                         parts().promoter.Promote(title));
                   SPDLOG_INFO("promoted adapter={}", version.Title());
                   ToProto(version, version.Title(), response);
                   response->set_fits_model(true);
                   return absl::OkStatus();
                 });
  }

  grpc::Status RollbackAdapter(grpc::ServerContext* context,
                               const v1::RollbackAdapterRequest*,
                               v1::RollbackAdapterResponse* response) override {
    return Serve("RollbackAdapter", *context,
                 [&](const Caller&) -> absl::Status {
                   GIST_ASSIGN_OR_RETURN(const std::string title,
                                         parts().promoter.Rollback());
                   SPDLOG_INFO("rolled back adapter={:?}", title);
                   response->set_adapter(title);
                   return absl::OkStatus();
                 });
  }

 private:
  template <typename Body>
  grpc::Status Serve(const char* rpc, grpc::ServerContext& context, Body body) {
    return ServeOpened(parts_, rules_, rpc, context, std::move(body));
  }
  // Once Serve has seen them.
  const TrainServiceParts& parts() const { return *parts_.get(); }

  absl::Status WatchInto(const std::string& job_id, const Caller& caller,
                         grpc::ServerWriter<v1::TrainEvent>& writer) {
    return parts().manager.Watch(job_id, caller,
                                 [&writer](const TrainingUpdate& update) {
                                   v1::TrainEvent event;
                                   ToProto(update, &event);
                                   return writer.Write(event);
                                 });
  }

  // Of an adapter, or of the one that a training made.
  absl::StatusOr<std::string> TitleOf(const std::string& text,
                                      std::string_view tenant) {
    if (!text.starts_with("job_")) return text;
    const auto training = parts().manager.Get(text, tenant);
    if (absl::IsNotFound(training.status())) return text;  // so may an adapter
    GIST_RETURN_IF_ERROR(training.status());
    if (!training->adapter.empty()) return training->adapter;
    return Error(Reason::kNoAdapterMade,
                 fmt::format("{} has made no adapter: it is {}", text,
                             NameOf(training->state)));
  }

  SetOnce<TrainServiceParts> parts_;
  const CallRules rules_;
};

}  // namespace

std::unique_ptr<TrainingService> MakeTrainingService(Metrics& metrics,
                                                     const Gate& gate) {
  return std::make_unique<TrainService>(metrics, gate);
}

}  // namespace gist

#include "client/cli/train_commands.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <utility>

#include "client/cli/train_output.h"
#include "client/cli/train_view.h"
#include "client/terminal/files.h"
#include "client/terminal/interrupt.h"
#include "client/terminal/terminal.h"
#include "client/terminal/units.h"
#include "core/base/status.h"
#include "fmt/format.h"

namespace gist::client {
namespace {

constexpr std::chrono::milliseconds kSecondCtrlC(2000);

absl::StatusOr<Dataset> Upload(const std::string& path, Session& session) {
  GIST_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(path, session.stop));
  ProgressBar bar("uploading", Unit::kBytes);
  int64_t bytes = 0;
  auto dataset =
      session.trainings.UploadDataset([&]() -> absl::StatusOr<std::string> {
        GIST_ASSIGN_OR_RETURN(std::string chunk, file.Read());
        bytes += int64_t(chunk.size());
        bar.Update(bytes, file.size_bytes().value_or(0));
        return chunk;
      });
  bar.Clear();
  if (!dataset.ok() && !IsLocal(dataset.status())) {
    return Within(path, dataset.status());
  }
  return dataset;
}

absl::Status UploadAll(const std::vector<std::string>& files,
                       std::vector<std::string>& ids, Session& session) {
  for (const std::string& file : files) {
    GIST_ASSIGN_OR_RETURN(const Dataset dataset, Upload(file, session));
    ids.push_back(dataset.dataset_id());
  }
  return absl::OkStatus();
}

// How a watch goes on after its events, or without them.
struct Watched {
  std::string job_id;
  std::optional<Training> last;  // as the latest event told
};

absl::Status Report(const Training& training, const Session& session) {
  if (training.state() == v1::TRAINING_STATE_FAILED) {
    return absl::FailedPreconditionError(
        fmt::format("{} failed: {}", training.job_id(), training.message()));
  }
  if (training.state() == v1::TRAINING_STATE_CANCELLED) {
    return absl::FailedPreconditionError(
        fmt::format("{} was cancelled", training.job_id()));
  }
  if (session.json) return absl::OkStatus();
  GIST_RETURN_IF_ERROR(WriteStdout(training.adapter() + "\n"));
  PrintNote(Summary(training));
  return absl::OkStatus();
}

// Ctrl-C came: the training goes on, unless a second one comes soon.
absl::Status Detach(const std::string& job_id, Session& session) {
  if (!session.json) {
    PrintNote(fmt::format(
        "{} goes on; watch it again with: gist trainings watch {}\nCtrl-C once "
        "more, within 2 seconds, cancels it",
        job_id, job_id));
  }
  if (!session.interrupt->WaitForSecond(kSecondCtrlC)) {
    return absl::CancelledError("detached from " + job_id);
  }
  ClientOptions options = session.options;
  options.stop = {};  // it was requested: every call would end at once
  GIST_RETURN_IF_ERROR(TrainingClient(options).Cancel(job_id).status());
  return absl::CancelledError("cancelled " + job_id);
}

// Shows what `watch` gives to its sink, until the training is over or left.
absl::Status Follow(
    const std::function<absl::Status(const TrainingClient::EventSink&)>& watch,
    Watched watched, Session& session) {
  if (session.interrupt != nullptr) session.interrupt->KeepSecond();
  session.json_lines = session.json;
  TrainView view;
  const absl::Status status = watch([&](const TrainingEvent& event) {
    if (event.has_training()) {
      watched.job_id = event.training().job_id();
      watched.last = event.training();
    }
    if (session.json) return WriteStdout(PrintLine(ToJson(event)));
    view.Show(event);
    return absl::OkStatus();
  });
  view.Clear();
  const bool interrupted =
      session.interrupt != nullptr && session.interrupt->signal() != 0;
  if (interrupted && absl::IsCancelled(status) && !watched.job_id.empty()) {
    return Detach(watched.job_id, session);
  }
  GIST_RETURN_IF_ERROR(status);
  if (!watched.last || !IsOver(*watched.last)) {
    return absl::InternalError(
        "the server ended the stream before the training was over; client and "
        "server may be of different versions");
  }
  return Report(*watched.last, session);
}

// The first event names the job; then nobody watches.
absl::Status StartDetached(const TrainingRequest& request, Session& session) {
  std::optional<Training> started;
  const absl::Status status =
      session.trainings.Train(request, [&](const TrainingEvent& event) {
        if (event.has_training()) started = event.training();
        return absl::AbortedError("detached");
      });
  if (!started) return status;
  session.reply = ToJson(*started);
  if (session.json) return absl::OkStatus();
  GIST_RETURN_IF_ERROR(WriteStdout(started->job_id() + "\n"));
  PrintNote("watch it with: gist trainings watch " + started->job_id());
  return absl::OkStatus();
}

}  // namespace

absl::Status RunTrain(const TrainArguments& arguments, Session& session) {
  TrainingRequest request = arguments.request;
  GIST_RETURN_IF_ERROR(
      UploadAll(arguments.files, request.dataset_ids, session));
  GIST_RETURN_IF_ERROR(
      UploadAll(arguments.dev_files, request.dev_dataset_ids, session));
  if (arguments.detach) return StartDetached(request, session);
  return Follow(
      [&](const auto& sink) { return session.trainings.Train(request, sink); },
      {}, session);
}

absl::Status RunTrainingWatch(const std::string& job_id, Session& session) {
  return Follow(
      [&](const auto& sink) { return session.trainings.Watch(job_id, sink); },
      {job_id, std::nullopt}, session);
}

absl::Status RunTrainingList(Session& session) {
  GIST_ASSIGN_OR_RETURN(const auto trainings, session.trainings.List());
  return PrintList("trainings", trainings, session);
}

absl::Status RunTrainingGet(const std::string& job_id, Session& session) {
  GIST_ASSIGN_OR_RETURN(const Training training, session.trainings.Get(job_id));
  session.reply = ToJson(training);
  return session.json ? absl::OkStatus() : WriteStdout(Details(training));
}

absl::Status RunTrainingCancel(const std::string& job_id, Session& session) {
  GIST_ASSIGN_OR_RETURN(const Training training,
                        session.trainings.Cancel(job_id));
  session.reply = ToJson(training);
  if (session.json) return absl::OkStatus();
  const bool runs = training.state() == v1::TRAINING_STATE_RUNNING;
  return WriteStdout(
      runs ? job_id + " ends after its step\n"
           : fmt::format("{} is {}\n", job_id, StateName(training.state())));
}

absl::Status RunDatasetUpload(const std::vector<std::string>& files,
                              Session& session) {
  Json& uploaded = session.reply["datasets"] = Json::array();
  for (const std::string& file : files) {
    GIST_ASSIGN_OR_RETURN(const Dataset dataset, Upload(file, session));
    uploaded.push_back(ToJson(dataset));
    if (session.json) continue;
    GIST_RETURN_IF_ERROR(WriteStdout(dataset.dataset_id() + "\n"));
    PrintNote(fmt::format("{} samples, {}", FormatCount(dataset.records()),
                          FormatBytes(dataset.dataset_bytes())));
  }
  return absl::OkStatus();
}

absl::Status RunDatasetList(Session& session) {
  GIST_ASSIGN_OR_RETURN(const auto datasets, session.trainings.ListDatasets());
  return PrintList("datasets", datasets, session);
}

absl::Status RunDatasetDelete(const std::vector<std::string>& dataset_ids,
                              Session& session) {
  Json& deleted = session.reply["deleted"] = Json::array();
  for (const std::string& id : dataset_ids) {
    GIST_RETURN_IF_ERROR(session.trainings.DeleteDataset(id));
    deleted.push_back(id);
    if (!session.json)
      GIST_RETURN_IF_ERROR(WriteStdout("deleted " + id + "\n"));
  }
  return absl::OkStatus();
}

absl::Status RunAdapterList(const AdapterListArguments& arguments,
                            Session& session) {
  GIST_ASSIGN_OR_RETURN(auto adapters, session.trainings.ListAdapters());
  const size_t others =
      arguments.all ? 0 : std::erase_if(adapters, [](const Adapter& adapter) {
        return !adapter.fits_model();
      });
  const bool none_in_use = std::ranges::none_of(
      adapters, [](const Adapter& adapter) { return adapter.in_use(); });
  if (!adapters.empty() || session.json)
    GIST_RETURN_IF_ERROR(PrintList("adapters", adapters, session));
  if (session.json) return absl::OkStatus();
  if (none_in_use) {
    PrintNote(
        "no gist adapter is in use; train one with: gist train --preset "
        "gist_10 --data FILE --name NAME --promote-if-better");
  }
  if (others > 0) {
    PrintNote(fmt::format("{} made for other models; --all lists them too",
                          FormatCount(int64_t(others))));
  }
  return absl::OkStatus();
}

absl::Status RunAdapterPromote(const std::string& name, Session& session) {
  GIST_ASSIGN_OR_RETURN(const Adapter adapter,
                        session.trainings.PromoteAdapter(name));
  session.reply = ToJson(adapter);
  if (session.json) return absl::OkStatus();
  return WriteStdout(adapter.adapter() + " is in use\n");
}

absl::Status RunAdapterRollback(Session& session) {
  GIST_ASSIGN_OR_RETURN(const std::string adapter,
                        session.trainings.RollbackAdapter());
  session.reply["adapter"] = adapter;
  if (session.json) return absl::OkStatus();
  return WriteStdout(
      (adapter.empty() ? "what the server was started with" : adapter) +
      " is in use\n");
}

}  // namespace gist::client

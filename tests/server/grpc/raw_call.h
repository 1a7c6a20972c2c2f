// Calls of any method, as bytes and headers.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"

namespace gist {

struct RawResult {
  grpc::Status status;
  bool answered = false;  // a message came before the end
};

// One message there, then reads until the first message or the end.
inline RawResult RawCall(
    const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
    const std::string& message,
    const std::vector<std::pair<std::string, std::string>>& headers = {}) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(20));
  for (const auto& [key, value] : headers) context.AddMetadata(key, value);
  grpc::CompletionQueue queue;
  const auto wait = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return ok;
  };
  grpc::GenericStub stub(channel);
  const auto call = stub.PrepareCall(&context, method, &queue);
  const grpc::Slice slice(message);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  RawResult result;
  call->StartCall(nullptr);
  if (wait()) {
    call->WriteLast(request, grpc::WriteOptions(), nullptr);
    wait();
    call->Read(&response, nullptr);
    result.answered = wait();
    if (result.answered) context.TryCancel();
  }
  call->Finish(&result.status, nullptr);
  wait();
  return result;
}

// The reason of an error; a text that says so where there is not exactly one.
inline std::string ReasonOf(const grpc::Status& status) {
  google::rpc::Status rich;
  if (!rich.ParseFromString(status.error_details())) return "(no details)";
  std::vector<google::rpc::ErrorInfo> found;
  google::rpc::ErrorInfo info;
  for (const auto& detail : rich.details()) {
    if (detail.UnpackTo(&info)) found.push_back(info);
  }
  if (found.size() != 1) return "(not one ErrorInfo)";
  if (found[0].domain() != "gist.v1") return "(domain " + found[0].domain();
  if (rich.code() != status.error_code() ||
      rich.message() != status.error_message()) {
    return "(the details have another code or message)";
  }
  return found[0].reason();
}

}  // namespace gist

#include "server/telemetry/admin_server.h"

#include <string_view>
#include <utility>

#include "civetweb.h"
#include "core/base/status.h"

namespace gist {
namespace {

void Send(mg_connection* connection, const AdminPage& page, bool with_body,
          const char* more_headers = "") {
  const std::string head = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n"
      "Cache-Control: no-store\r\n{}Connection: close\r\n\r\n",
      page.http_status, mg_get_response_code_text(connection, page.http_status),
      page.content_type, page.body.size(), more_headers);
  mg_write(connection, head.data(), head.size());
  if (with_body) mg_write(connection, page.body.data(), page.body.size());
}

// CivetWeb asks here first; 1: answered.
int Answer(mg_connection* connection) {
  const auto& pages = *static_cast<const AdminServer::Pages*>(
      mg_get_user_data(mg_get_context(connection)));
  const mg_request_info& request = *mg_get_request_info(connection);
  const std::string_view method = request.request_method;
  const char* const path = request.local_uri;
  const auto page = pages.find(std::string_view(path ? path : ""));
  const bool is_head = method == "HEAD";
  if (page == pages.end()) {
    std::string known = "no such page; there are";
    for (const auto& [name, make] : pages) known += " " + name;
    Send(connection, {404, known + "\n"}, !is_head);
  } else if (method != "GET" && !is_head) {
    Send(connection, {405, "GET or HEAD\n"}, true, "Allow: GET, HEAD\r\n");
  } else {
    // What a page throws must not unwind C frames.
    const auto made = Fence(
        "page", [&]() -> absl::StatusOr<AdminPage> { return page->second(); });
    Send(connection, made.ok() ? *made : AdminPage{500, "failed\n"}, !is_head);
  }
  return 1;
}

// Malformed requests end here; the default page would be HTML with the
// server's version.
int AnswerError(mg_connection* connection, int status, const char*) {
  Send(connection,
       {status,
        fmt::format("{}\n", mg_get_response_code_text(connection, status))},
       true);
  return 0;
}

int IgnoreLog(const mg_connection*, const char*) { return 1; }

}  // namespace

struct AdminServer::Impl {
  Pages pages;
  std::string address;
  mg_context* context = nullptr;
};

AdminServer::AdminServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AdminServer::~AdminServer() {
  if (impl_->context != nullptr) mg_stop(impl_->context);
}

const std::string& AdminServer::address() const { return impl_->address; }

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(
    const std::string& address, Pages pages) {
  auto impl = std::make_unique<Impl>();
  impl->pages = std::move(pages);
  mg_callbacks callbacks = {};
  callbacks.begin_request = &Answer;
  callbacks.http_error = &AnswerError;
  callbacks.log_message = &IgnoreLog;
  const char* options[] = {"listening_ports",
                           address.c_str(),
                           "num_threads",
                           "4",
                           "request_timeout_ms",
                           "2000",
                           "max_request_size",
                           "4096",
                           nullptr};
  impl->context = mg_start(&callbacks, &impl->pages, options);
  mg_server_port port = {};
  if (impl->context == nullptr ||
      mg_get_server_ports(impl->context, 1, &port) < 1) {
    return absl::UnavailableError(fmt::format(
        "cannot serve HTTP on {}: the port is in use, or the address is not "
        "this machine's; choose another with --admin, or --admin off",
        address));
  }
  impl->address =
      fmt::format("{}:{}", address.substr(0, address.rfind(':')), port.port);
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl)));
}

}  // namespace gist

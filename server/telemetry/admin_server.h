// Plain HTTP pages for probes and Prometheus.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace gist {

struct AdminPage {
  int http_status = 200;
  std::string body;
  std::string content_type = "text/plain; charset=utf-8";
};

// GET and HEAD of a few paths; all else is 404 or 405. At most 4 requests are
// answered at a time, and a client who sends nothing is left after 2 s.
class AdminServer {
 public:
  // By path ("/livez"). Called from several threads at a time.
  using Pages = std::map<std::string, std::function<AdminPage()>, std::less<>>;

  // `address`: HOST:PORT, port 0: any free one. kUnavailable: the port cannot
  // be had.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(
      const std::string& address, Pages pages);
  ~AdminServer();

  // With the real port.
  const std::string& address() const;

 private:
  struct Impl;
  explicit AdminServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gist

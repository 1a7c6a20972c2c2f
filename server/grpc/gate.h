// The one door of all services: which role a method needs, and who calls.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "server/support/auth.h"

namespace gist {

// Roles are the methods' own (option required_role in gist.proto); those of
// grpc.health.v1 stand here. Thread-safe.
class Gate {
 public:
  // Without `authenticator`, which outlives the gate, everyone may call
  // everything, as the default tenant. `open_health`: grpc.health.v1 needs no
  // token.
  explicit Gate(Authenticator* authenticator = nullptr,
                bool open_health = false);

  // `method`: "/gist.v1.GistService/Ask". kUnauthenticated, kPermissionDenied.
  // `who` is set once the caller is known, also where they may not call.
  absl::Status Admit(std::string_view method,
                     const grpc::ServerContextBase& context,
                     Principal& who) const;
  // Nothing: no role is enough.
  std::optional<Role> RoleFor(std::string_view method) const;

 private:
  Authenticator* const authenticator_;
  const bool open_health_;
  std::map<std::string, Role, std::less<>> roles_;
};

}  // namespace gist

#include "server/grpc/gate.h"

#include <vector>

#include "core/base/status.h"
#include "gist/v1/auth.pb.h"
#include "gist/v1/gist.pb.h"
#include "gist/v1/training.pb.h"
#include "server/support/errors.h"

namespace gist {
namespace {

constexpr std::string_view kHealth = "/grpc.health.v1.Health/";

std::vector<std::string_view> AuthorizationOf(
    const grpc::ServerContextBase& context) {
  std::vector<std::string_view> values;
  const auto [first, last] =
      context.client_metadata().equal_range("authorization");
  for (auto header = first; header != last; ++header) {
    values.emplace_back(header->second.data(), header->second.size());
  }
  return values;
}

// Adds the role of each method.
void AddRoles(const google::protobuf::ServiceDescriptor& service,
              std::map<std::string, Role, std::less<>>& roles) {
  for (int i = 0; i < service.method_count(); ++i) {
    const auto* const method = service.method(i);
    const v1::Role role = method->options().GetExtension(v1::required_role);
    if (role == v1::ROLE_UNSPECIFIED) continue;
    // Role numbers its values as v1::Role does.
    roles[fmt::format("/{}/{}", service.full_name(), method->name())] =
        Role(role);
  }
}

}  // namespace

Gate::Gate(Authenticator* authenticator, bool open_health)
    : authenticator_(authenticator), open_health_(open_health) {
  for (const char* const method : {"Check", "Watch"}) {
    roles_[std::string(kHealth) + method] = Role::kReader;
  }
  // Any message of a file leads to its services.
  for (const auto* const file : {v1::ServerInfo::descriptor()->file(),
                                 v1::Training::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      AddRoles(*file->service(i), roles_);
    }
  }
}

std::optional<Role> Gate::RoleFor(std::string_view method) const {
  const auto found = roles_.find(method);
  if (found == roles_.end()) return std::nullopt;
  return found->second;
}

absl::Status Gate::Admit(std::string_view method,
                         const grpc::ServerContextBase& context,
                         Principal& who) const {
  if (authenticator_ == nullptr) return absl::OkStatus();
  if (open_health_ && method.starts_with(kHealth)) return absl::OkStatus();
  GIST_ASSIGN_OR_RETURN(who,
                        authenticator_->Authenticate(AuthorizationOf(context)));
  const auto wanted = RoleFor(method);
  if (wanted) return CheckRole(who, *wanted);
  return Error(Reason::kRoleTooLow, "no role may call this method");
}

}  // namespace gist

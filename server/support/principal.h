// Who a call is from, as the use cases see them.
#pragma once

#include <string>
#include <string_view>

namespace gist {

// Each may do all that those before it may.
enum class Role { kReader = 1, kWriter, kTrainer, kAdmin };
std::string_view NameOf(Role role);  // "reader"

// The default tenant as users write it.
inline std::string_view TenantName(std::string_view tenant) {
  return tenant.empty() ? "default" : tenant;
}

struct Principal {
  std::string tenant;  // empty: the default tenant
  Role role = Role::kAdmin;
  std::string token_id;  // empty: nobody was asked for a token
};

}  // namespace gist

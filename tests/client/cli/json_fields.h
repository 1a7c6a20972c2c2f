// Does a JSON object say everything that a message does?
#pragma once

#include <string>

#include "client/cli/output.h"
#include "gmock/gmock.h"
#include "google/protobuf/message.h"

namespace gist::client {

// Where `field` stands in the command line's JSON: call times are grouped.
inline const Json* FindField(const Json& json,
                             const google::protobuf::FieldDescriptor& field) {
  std::string name = field.name();
  const auto found = json.find(name);
  if (found != json.end()) return &*found;
  if (!name.ends_with("_seconds") || !json.contains("seconds")) return nullptr;
  const auto phase = json["seconds"].find(name.substr(0, name.rfind('_')));
  return phase == json["seconds"].end() ? nullptr : &*phase;
}

inline Json ValueOf(const google::protobuf::Message& message,
                    const google::protobuf::FieldDescriptor& field) {
  using Field = google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& get = *message.GetReflection();
  if (field.is_repeated()) return {get.GetRepeatedString(message, &field, 0)};
  switch (field.cpp_type()) {
    case Field::CPPTYPE_STRING:
      return get.GetString(message, &field);
    case Field::CPPTYPE_INT32:
      return get.GetInt32(message, &field);
    case Field::CPPTYPE_INT64:
      return get.GetInt64(message, &field);
    case Field::CPPTYPE_DOUBLE:
      return get.GetDouble(message, &field);
    case Field::CPPTYPE_BOOL:
      return get.GetBool(message, &field);
    default:
      return "a type that the test knows nothing of";
  }
}

// Each field of the message, but for `Mode` and nested messages, is set and
// stands in the JSON with the same value.
MATCHER_P(HasAllFieldsOf, message, "") {
  using Field = google::protobuf::FieldDescriptor;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const Field& field = *message.GetDescriptor()->field(i);
    if (field.cpp_type() == Field::CPPTYPE_MESSAGE ||
        field.cpp_type() == Field::CPPTYPE_ENUM) {
      continue;
    }
    const Json want = ValueOf(message, field);
    const Json* got = FindField(arg, field);
    if (got != nullptr && *got == want && want != Json(0) && want != Json("") &&
        want != Json(false)) {
      continue;
    }
    *result_listener << "\n"
                     << field.name() << ": want " << want << " (not 0)"
                     << ", got " << (got == nullptr ? "nothing" : got->dump());
    return false;
  }
  return true;
}

}  // namespace gist::client

// Does a JSON object say everything that a message does?
#pragma once

#include <cctype>
#include <string>

#include "client/cli/output.h"
#include "gmock/gmock.h"
#include "google/protobuf/message.h"

namespace gist::client {

// Fields of `message` without a value, or with another one in `json`; messages
// within are walked too. Empty: each field is set, and stands in the JSON.
// Short names of enum values end the long ones.
inline std::string FieldsAmiss(const google::protobuf::Message& message,
                               const Json& json) {
  using Field = google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& get = *message.GetReflection();
  std::string amiss;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const Field* const field = message.GetDescriptor()->field(i);
    const bool is_alternative = field->real_containing_oneof() != nullptr &&
                                !get.HasField(message, field);
    if (is_alternative) continue;
    const bool is_list = field->is_repeated();
    const Json* got =
        json.contains(field->name()) ? &json[field->name()] : nullptr;
    if (got != nullptr && is_list) got = got->empty() ? nullptr : &got->at(0);
    const bool is_set = is_list ? get.FieldSize(message, field) > 0
                                : get.HasField(message, field);
    if (got == nullptr || !is_set) {
      amiss += " " + field->name();
      continue;
    }
    bool equal = false;
    switch (field->cpp_type()) {
      case Field::CPPTYPE_MESSAGE:
        amiss += FieldsAmiss(is_list ? get.GetRepeatedMessage(message, field, 0)
                                     : get.GetMessage(message, field),
                             *got);
        continue;
      case Field::CPPTYPE_STRING:
        equal = *got == (is_list ? get.GetRepeatedString(message, field, 0)
                                 : get.GetString(message, field));
        break;
      case Field::CPPTYPE_INT32:
        equal = *got == get.GetInt32(message, field);
        break;
      case Field::CPPTYPE_INT64:
        equal =
            got->is_number_integer() && *got == get.GetInt64(message, field);
        break;
      case Field::CPPTYPE_DOUBLE:
        equal = *got == get.GetDouble(message, field);
        break;
      case Field::CPPTYPE_BOOL:
        equal = *got == get.GetBool(message, field);
        break;
      case Field::CPPTYPE_ENUM: {
        std::string name = *got;
        for (char& c : name) c = char(std::toupper(c));
        equal = get.GetEnum(message, field)->name().ends_with("_" + name);
        break;
      }
      default:
        break;
    }
    if (!equal) amiss += " " + field->name() + ": " + got->dump();
  }
  return amiss;
}

MATCHER_P(HasAllFieldsOf, message, "") {
  const std::string amiss = FieldsAmiss(message, arg);
  *result_listener << "\nmissing, unset or other:" << amiss;
  return amiss.empty();
}

}  // namespace gist::client

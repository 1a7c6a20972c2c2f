// Messages of gist.v1 as JSON, by reflection.
#pragma once

#include <string>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "nlohmann/json.hpp"

namespace gist::client {

using Json = nlohmann::ordered_json;

// One key for each field, by its proto name, in the order of the file. Numbers
// are unquoted, 64-bit ones too. Enum values have their short name. Fields with
// presence (messages, members of a oneof, `optional`) are left out where they
// are not set; all others are printed, lists also where they are empty.
Json ToJson(const google::protobuf::Message& message);

// "queued" of TRAINING_STATE_QUEUED: lower case, without the enum's name.
std::string ShortName(const google::protobuf::EnumValueDescriptor& value);

}  // namespace gist::client

#include "client/cli/json_printer.h"

#include <cctype>

namespace gist::client {
namespace {

namespace pb = google::protobuf;

// "TRAINING_STATE_" of TrainingState.
std::string EnumPrefix(const pb::EnumDescriptor& type) {
  std::string prefix;
  for (const char c : type.name()) {
    if (std::isupper(c) && !prefix.empty()) prefix += '_';
    prefix += char(std::toupper(c));
  }
  return prefix + "_";
}

// A field that is read once (`at` < 0), or one element of a list.
struct Place {
  const pb::Message& message;
  const pb::FieldDescriptor* field;
  int at = -1;
};

// The value by whichever of two getters the field has.
template <typename One, typename Each>
auto Get(const Place& place, One one, Each each) {
  const pb::Reflection& get = *place.message.GetReflection();
  return place.at < 0 ? (get.*one)(place.message, place.field)
                      : (get.*each)(place.message, place.field, place.at);
}

const pb::Message& MessageAt(const Place& place) {
  const pb::Reflection& get = *place.message.GetReflection();
  return place.at < 0
             ? get.GetMessage(place.message, place.field)
             : get.GetRepeatedMessage(place.message, place.field, place.at);
}

Json ValueAt(const Place& place) {
  using From = pb::Reflection;
  switch (place.field->cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return Get(place, &From::GetInt32, &From::GetRepeatedInt32);
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return Get(place, &From::GetInt64, &From::GetRepeatedInt64);
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return Get(place, &From::GetUInt32, &From::GetRepeatedUInt32);
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return Get(place, &From::GetUInt64, &From::GetRepeatedUInt64);
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      return Get(place, &From::GetDouble, &From::GetRepeatedDouble);
    case pb::FieldDescriptor::CPPTYPE_FLOAT:
      return Get(place, &From::GetFloat, &From::GetRepeatedFloat);
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return Get(place, &From::GetBool, &From::GetRepeatedBool);
    case pb::FieldDescriptor::CPPTYPE_STRING:
      return Get(place, &From::GetString, &From::GetRepeatedString);
    case pb::FieldDescriptor::CPPTYPE_ENUM:
      return ShortName(*Get(place, &From::GetEnum, &From::GetRepeatedEnum));
    case pb::FieldDescriptor::CPPTYPE_MESSAGE:
      return ToJson(MessageAt(place));
  }
  return nullptr;
}

}  // namespace

std::string ShortName(const pb::EnumValueDescriptor& value) {
  const std::string prefix = EnumPrefix(*value.type());
  std::string name = value.name();
  if (name.starts_with(prefix)) name.erase(0, prefix.size());
  for (char& c : name) c = char(std::tolower(c));
  return name;
}

Json ToJson(const pb::Message& message) {
  const pb::Reflection& get = *message.GetReflection();
  Json json = Json::object();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const pb::FieldDescriptor* const field = message.GetDescriptor()->field(i);
    if (field->is_repeated()) {
      Json& list = json[field->name()] = Json::array();
      const int size = get.FieldSize(message, field);
      for (int at = 0; at < size; ++at) {
        list.push_back(ValueAt({message, field, at}));
      }
    } else if (!field->has_presence() || get.HasField(message, field)) {
      json[field->name()] = ValueAt({message, field});
    }
  }
  return json;
}

}  // namespace gist::client

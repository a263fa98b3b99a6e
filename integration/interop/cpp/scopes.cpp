#include "scopes.h"

#include <stdexcept>
#include <string>

#include <google/protobuf/struct.pb.h>

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Value;
using nlohmann::json;

namespace {

constexpr char kSourceFile[] = "/src/Shop/Item.cs";

json Symbol(const std::string& name, const std::string& type, const std::string& kind, int line) {
  return {{"name", name}, {"type", type}, {"symbol_type", kind}, {"line", line}};
}

json Method(const std::string& name, int line) {
  // A block of statements is a scope without a name.
  const json local = {
      {"scope_type", "local"}, {"source_file", kSourceFile}, {"start_line", line + 2}, {"end_line", line + 4},
      {"symbols", {Symbol("index", "System.Int32", "local", line + 2)}},
  };
  const json closure = {
      {"scope_type", "closure"}, {"name", "<" + name + ">b__0"}, {"source_file", kSourceFile},
      {"start_line", line + 5}, {"end_line", line + 5},
      {"language_specifics", {{"return_type", "System.Boolean"}, {"start_column", 20}, {"end_column", 41}}},
      {"symbols", {Symbol("price", "System.Decimal", "arg", line + 5)}},
  };
  return {
      {"scope_type", "method"}, {"name", name}, {"source_file", kSourceFile}, {"start_line", line}, {"end_line", line + 7},
      {"has_injectible_lines", true},
      {"injectible_lines", {{{"start", line + 1}, {"end", line + 3}}, {{"start", line + 6}, {"end", line + 6}}}},
      {"language_specifics",
       {{"access_modifiers", {"public", "virtual"}}, {"return_type", "System.String"}, {"start_column", 9}, {"end_column", 10}}},
      {"symbols", {Symbol("this", "Shop.Item", "arg", line), Symbol("prices", "System.Decimal[]", "arg", line),
                   Symbol("label", "System.String", "local", line + 1)}},
      {"scopes", {local, closure}},
  };
}

// Fills a message; what is null is left unset.
void Fill(Message* to, const json& from);

void ToValue(Value* to, const json& from) {
  if (from.is_null()) to->set_null_value(google::protobuf::NULL_VALUE);
  else if (from.is_boolean()) to->set_bool_value(from.get<bool>());
  else if (from.is_number()) to->set_number_value(from.get<double>());
  else if (from.is_string()) to->set_string_value(from.get<std::string>());
  else if (from.is_array()) {
    auto* list = to->mutable_list_value();
    for (const json& element : from) ToValue(list->add_values(), element);
  } else {
    auto* fields = to->mutable_struct_value()->mutable_fields();
    for (const auto& [key, value] : from.items()) ToValue(&(*fields)[key], value);
  }
}

void FillField(Message* to, const FieldDescriptor* field, const json& from) {
  const auto* reflection = to->GetReflection();
  const bool repeated = field->is_repeated();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection->SetInt32(to, field, from.get<int32_t>());
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->SetBool(to, field, from.get<bool>());
    case FieldDescriptor::CPPTYPE_STRING:
      return repeated ? reflection->AddString(to, field, from.get<std::string>())
                      : reflection->SetString(to, field, from.get<std::string>());
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return Fill(repeated ? reflection->AddMessage(to, field) : reflection->MutableMessage(to, field), from);
    default:
      throw std::invalid_argument(field->full_name());
  }
}

void Fill(Message* to, const json& from) {
  for (const auto& [key, value] : from.items()) {
    const FieldDescriptor* field = to->GetDescriptor()->FindFieldByName(key);
    if (field == nullptr) {
      // Keys that LanguageSpecifics has no field for travel in its open map.
      auto& specifics = dynamic_cast<symdb::v1::LanguageSpecifics&>(*to);
      ToValue(&(*specifics.mutable_additional())[key], value);
    } else if (field->is_repeated()) {
      for (const json& element : value) FillField(to, field, element);
    } else if (!value.is_null()) {
      FillField(to, field, value);
    }
  }
}

}  // namespace

json RootScope(int number) {
  json item = {
      {"scope_type", "class"}, {"name", "Shop.Item" + std::to_string(number)}, {"source_file", kSourceFile},
      {"start_line", 10}, {"end_line", 60},
      {"language_specifics",
       {{"access_modifiers", {"public", "sealed"}}, {"annotations", {"System.SerializableAttribute"}},
        {"interfaces", {"System.IDisposable"}}, {"super_classes", {"Shop.Thing", "System.Object"}}}},
      {"symbols", {Symbol("count", "System.Int32", "static_field", 0), Symbol("_name", "System.String", "field", 0)}},
      {"scopes", {Method("Label", 20), Method("Parse", 30)}},
  };
  return {
      {"scope_type", "assembly"}, {"name", "Shop"}, {"source_file", "/app/Shop.dll"},
      {"start_line", 0}, {"end_line", 2147483647},
      {"language_specifics", {{"pdb_exist", true}}},
      {"scopes", json::array({item})},
  };
}

symdb::v1::Scope ToMessage(const json& scope) {
  symdb::v1::Scope message;
  Fill(&message, scope);
  return message;
}

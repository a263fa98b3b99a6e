// Makes the scopes of a tree that is always the same, in the shape of .NET: its
// tracer is the one whose native part is written in C++.
//
// A scope is a JSON object with the keys of symdb.v1.Scope. What is unknown is left
// out. Kinds of scopes and symbols are in lower case, as .NET has them.

#pragma once

#include <nlohmann/json.hpp>

#include "symdb/v1/scope.pb.h"

// How many roots the tree has.
constexpr int kRootCount = 5000;

// The root of that number: an assembly, with one class of its own.
nlohmann::json RootScope(int number);

// The message of a JSON object, of which the keys are the fields.
symdb::v1::Scope ToMessage(const nlohmann::json& scope);

// Objects, arrays and free JSON values as nodes of a program: the shapes that JSON mode, schemas
// and tool calls share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "grammar/json_text.h"
#include "grammar/program_builder.h"

namespace infe::grammar {

struct ObjectParts {
  struct Property {
    std::string name = {};
    bool required = false;
    Value value = {};
    std::vector<uint32_t> needs = {};  // indices of properties that must come with this one
    // Events before and behind the value, under the names MARK.begin and MARK.end. The first lies
    // right behind the colon, so whitespace may follow it.
    std::string mark = {};
    // JSON pointer of its schema, where it is required and there is one.
    std::string place = {};
  };
  struct Others {
    RegexId key = kNothing;  // decoded keys, declared names excluded
    Value value = {};
  };
  std::vector<Property> properties = {};
  std::vector<Others> others = {};
  uint32_t min = 0;
  uint32_t max = kUnbounded;
  bool ordered = true;
};

// Beside ArrayParts: clang wants a class with defaults to be whole before an optional holds it.
struct ArrayPosition {
  Value any = {};   // every item that fits, where hits are not counted
  Value hit = {};   // those that `contains` counts
  Value miss = {};  // those that it does not; may overlap hit if only a minimum is asked
};
struct ArrayParts {
  using Position = ArrayPosition;
  std::vector<Position> prefix = {};
  std::optional<Position> rest = {};
  uint32_t min = 0;
  uint32_t max = kUnbounded;
  bool counts_hits = false;
  uint32_t min_hits = 0;
  uint32_t max_hits = kUnbounded;
  bool unique = false;  // items are lexemes only
};

class JsonValues {
 public:
  JsonValues(ProgramBuilder* builder, Whitespace whitespace);  // builder outlives it

  // Nodes are made first and filled later, so that values may contain themselves.
  void FillObject(NodeId node, const ObjectParts& parts);
  void FillArray(NodeId node, const ArrayParts& parts);

  LexemeId AnyString();
  LexemeId AnyScalarButString();  // number, true, false, null
  NodeId AnyObject();
  NodeId AnyArray();
  Value Anything();

  // A node that reads value with nothing around it.
  NodeId Whole(const Value& value);
  Whitespace whitespace() const { return whitespace_; }

 private:
  LexemeId Mark(std::string_view text);
  LexemeId Comma();

  ProgramBuilder* builder_;
  Whitespace whitespace_;
  std::optional<NodeId> any_object_;
  std::optional<NodeId> any_array_;
};

}  // namespace infe::grammar

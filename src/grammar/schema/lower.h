// From shapes to the program: one Value per set of terms, objects and arrays filled in from a
// queue, so that schemas may contain themselves.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "grammar/json_values.h"
#include "grammar/schema/normalise.h"

namespace infe::grammar {

class Lowering {
 public:
  Lowering(SchemaContext* context, ProgramBuilder* builder);

  // What a value may be for all terms to hold. Nodes in it are filled by Drain.
  Result<Value> Lower(Terms terms);
  // Fills every node that was asked for. Errors as CompileJsonSchema.
  Result<void> Drain();
  JsonValues& values() { return values_; }

 private:
  struct Job {
    NodeId node = 0;
    bool is_object = true;
    Shape shape;
    const Place* place = nullptr;  // one of those that asked for it, for errors
  };

  Result<void> AddScalars(const std::vector<Shape>& shapes, Value* value);
  Result<RegexId> StringContent(const StringPart& part, bool with_length);
  Result<void> FillObject(const Job& job);
  Result<void> FillArray(Job job);
  static Result<std::vector<std::string>> MentionedNames(const Job& job);
  Result<void> MakeUnique(const ArrayPart& part, ArrayParts* parts);
  Result<RegexId> KeyRegex(const Terms& names);
  Result<void> AddKeyClasses(
      const Place* place, const ObjectPart& part, RegexId keys, OpenObjects mode,
      const std::function<void(const std::vector<bool>&, Terms*)>& unevaluated, ObjectParts* parts);
  Result<Value> Item(const Shape& shape, uint32_t index, const Term* also);
  // For unique items: the number of texts of a value if it is finite, and of characters in a tree
  // of them.
  bool CountTexts(const Value& value, uint32_t* count, uint64_t* characters);

  SchemaContext* context_;
  ProgramBuilder* builder_;
  Normaliser normaliser_;
  JsonValues values_;
  std::map<Terms, Value> known_;
  std::deque<Job> jobs_;
};

}  // namespace infe::grammar

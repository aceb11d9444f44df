// From shapes to the program: one Value per set of terms, objects and arrays filled in from a
// queue, so that schemas may contain themselves.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "grammar/json_values.h"
#include "grammar/notated_values.h"
#include "grammar/schema/normalise.h"

namespace infe::grammar {

class Lowering {
 public:
  // notation: of the outermost value, an object then; null: all is JSON. It outlives the object.
  Lowering(SchemaContext* context, ProgramBuilder* builder, const Notation* notation = nullptr);

  // What the whole text may be for all terms to hold. Nodes in it are filled by Drain.
  Result<Value> LowerRoot(Terms terms);
  // Fills every node that was asked for. Errors as CompileJsonSchema.
  Result<void> Drain();
  JsonValues& values() { return values_; }

 private:
  // Where a value stands, which says how it is written.
  enum class Where : uint8_t { kJson, kOutermost, kNotated };
  struct Job {
    NodeId node = 0;
    bool is_object = true;
    Where where = Where::kJson;
    Shape shape;
    const Place* place = nullptr;  // one of those that asked for it, for errors
  };

  Result<Value> Lower(Terms terms, Where where);
  Value Anything(Where where);
  // Of what is inside a list or an object that stands there.
  Where Inside(Where where) const;
  Result<void> AddScalars(const std::vector<Shape>& shapes, Where where, Value* value);
  Result<void> AddNotatedTexts(const std::vector<Shape>& shapes, Value* value);
  Result<RegexId> StringContent(const StringPart& part, bool with_length);
  Result<void> FillObject(const Job& job);
  static std::string Blamed(const Terms& terms, const Job& job);
  static void LinkNeeds(const ObjectPart& part,
                        const std::unordered_map<std::string, uint32_t>& index, ObjectParts* parts);
  void Write(const Job& job, const ObjectParts& parts);
  Result<void> FillArray(Job job);
  static Result<std::vector<std::string>> MentionedNames(const Job& job);
  Result<void> MakeUnique(const ArrayPart& part, ArrayParts* parts);
  Result<RegexId> KeyRegex(const Terms& names);
  Result<void> AddKeyClasses(
      const Place* place, const ObjectPart& part, RegexId keys, OpenObjects mode, Where where,
      const std::function<void(const std::vector<bool>&, Terms*)>& unevaluated, ObjectParts* parts);
  Result<Value> Item(const Job& job, uint32_t index, const Term* also);
  // For unique items: the number of texts of a value if it is finite, and of characters in a tree
  // of them.
  bool CountTexts(const Value& value, uint32_t* count, uint64_t* characters);

  SchemaContext* context_;
  ProgramBuilder* builder_;
  Normaliser normaliser_;
  JsonValues values_;
  std::optional<NotatedValues> notated_;
  const Notation* notation_;
  std::map<std::pair<Where, Terms>, Value> known_;
  std::deque<Job> jobs_;
};

}  // namespace infe::grammar

// Objects and texts in a notation other than JSON, as nodes of a program.
#pragma once

#include <unordered_set>

#include "grammar/json_values.h"
#include "grammar/notation.h"

namespace infe::grammar {

class NotatedValues {
 public:
  // Both outlive it.
  NotatedValues(ProgramBuilder* builder, const Notation& notation)
      : builder_(builder), notation_(notation) {}

  // Adds to value every text that content matches. excluded: texts that would be read as something
  // else; kNothing for none.
  void AddText(RegexId content, RegexId excluded, Value* value);
  // As JsonValues::FillObject. outermost: in the notation's own brackets, not in braces.
  enum class Where { kOutermost, kInside };
  void FillObject(NodeId node, const ObjectParts& parts, Where where);

 private:
  LexemeId Mark(std::string_view text);
  RegexId Key(RegexId name, std::string_view end);
  void ReadMember(StateId key_read, const Value& value, StateId after, Where where);
  Value Texts(const Value& value, bool texts) const;
  void Step(StateId from, std::string_view text, StateId to, Op op = Op::kNone);

  ProgramBuilder* builder_;
  const Notation& notation_;
  std::unordered_set<NodeId> text_nodes_;  // what AddText made
};

}  // namespace infe::grammar

#include "grammar/json_values.h"

namespace infe::grammar {

JsonValues::JsonValues(ProgramBuilder* builder, Whitespace whitespace)
    : builder_(builder), whitespace_(whitespace) {
  builder_->program().blank = BlankRegex(builder_->pool(), whitespace);
}

LexemeId JsonValues::Mark(std::string_view text) {
  return builder_->AddLexeme({.content = builder_->pool().Literal(text)});
}

LexemeId JsonValues::Comma() {
  return builder_->AddLexeme({.content = CommaRegex(builder_->pool(), whitespace_)});
}

LexemeId JsonValues::AnyString() {
  return builder_->AddLexeme({.spelling = Spelling::kJsonString, .content = kAnything});
}

LexemeId JsonValues::AnyScalarButString() {
  RegexPool& pool = builder_->pool();
  return builder_->AddLexeme(
      {.content = pool.Or(AnyNumberRegex(pool), pool.Literals({"true", "false", "null"}))});
}

// start -{-> first -key:-> value_i -value-> after -,-> next -key:-> value_i ...
//                \-}-> end <-}------------/
void JsonValues::FillObject(NodeId node, const ObjectParts& parts) {
  ProgramBuilder& b = *builder_;
  const StateId start = b.AddState(node, true);
  const StateId first = b.AddState(node, true);
  const StateId after = b.AddState(node, true);
  const StateId next = b.AddState(node, true);
  const StateId end = b.AddState(node);
  b.SetStart(node, start);
  b.SetFinal(end);
  b.Lex(start, Mark("{"), first);
  b.Lex(first, Mark("}"), end, Op::kCloseObject);
  b.Lex(after, Mark("}"), end, Op::kCloseObject);
  b.Lex(after, Comma(), next, Op::kMoreKeys);
  const RegexId colon = ColonRegex(b.pool(), whitespace_);
  ObjectRule rule{.min = parts.min,
                  .max = parts.max,
                  .ordered = parts.ordered,
                  .others = !parts.others.empty()};
  for (uint32_t i = 0; i < parts.properties.size(); ++i) {
    const ObjectParts::Property& p = parts.properties[i];
    const StateId value = b.AddState(node, true);
    const LexemeId key =
        b.AddLexeme({.content = b.pool().Concat(b.pool().Literal(CanonicalString(p.name)), colon)});
    b.Lex(first, key, value, Op::kKey, i);
    b.Lex(next, key, value, Op::kKey, i);
    if (!p.place.empty()) b.SetPlace(value, p.place);
    StateId behind = after;
    if (!p.mark.empty()) {
      behind = b.AddState(node, true);
      b.Free(behind, after);
      b.SetTag(value, p.mark + ".begin");
      b.SetTag(behind, p.mark + ".end");
    }
    b.Read(value, p.value, behind);
    rule.properties.push_back(
        {.name = p.name, .required = p.required, .needs = p.needs, .value = value});
    rule.has_needs = rule.has_needs || !p.needs.empty();
  }
  for (const ObjectParts::Others& others : parts.others) {
    const StateId value = b.AddState(node, true);
    const LexemeId key =
        b.AddLexeme({.spelling = Spelling::kJsonCanonical, .content = others.key, .tail = colon});
    b.Lex(first, key, value, Op::kOtherKey);
    b.Lex(next, key, value, Op::kOtherKey);
    b.Read(value, others.value, after);
    rule.other_values.push_back(value);
  }
  b.object_rule(node) = std::move(rule);
}

void JsonValues::FillArray(NodeId node, const ArrayParts& parts) {
  ProgramBuilder& b = *builder_;
  const StateId start = b.AddState(node, true);
  const StateId first = b.AddState(node, true);
  const StateId after = b.AddState(node, true);
  const StateId next = b.AddState(node, true);
  const StateId end = b.AddState(node);
  b.SetStart(node, start);
  b.SetFinal(end);
  b.Lex(start, Mark("["), first);
  b.Lex(first, Mark("]"), end, Op::kCloseArray);
  b.Lex(after, Mark("]"), end, Op::kCloseArray);
  b.Lex(after, Comma(), next, Op::kMoreItems);
  ArrayRule rule{.min = parts.min,
                 .max = parts.max,
                 .prefix = static_cast<uint32_t>(parts.prefix.size()),
                 .min_hits = parts.min_hits,
                 .max_hits = parts.max_hits,
                 .counts_hits = parts.counts_hits,
                 .unique = parts.unique,
                 .item = next};
  const auto position = [&](const ArrayParts::Position& p, uint32_t arg) {
    for (const StateId from : {first, next}) {
      if (parts.counts_hits) {
        b.Read(from, p.hit, after, Op::kItemHit, arg);
        b.Read(from, p.miss, after, Op::kItemMiss, arg);
      } else {
        b.Read(from, p.any, after, parts.unique ? Op::kUniqueItem : Op::kItem, arg);
      }
    }
    rule.can_hit.push_back(!p.hit.empty());
    rule.can_miss.push_back(!p.miss.empty());
  };
  for (uint32_t i = 0; i < parts.prefix.size(); ++i) position(parts.prefix[i], i);
  if (parts.rest) {
    position(*parts.rest, kNoIndex);
  } else {
    rule.max = std::min(rule.max, rule.prefix);
    rule.can_hit.push_back(false);
    rule.can_miss.push_back(false);
  }
  b.array_rule(node) = std::move(rule);
}

NodeId JsonValues::AnyObject() {
  if (any_object_) return *any_object_;
  any_object_ = builder_->AddNode(Node::Kind::kObject);
  FillObject(*any_object_, {.others = {{kAnything, Anything()}}});
  return *any_object_;
}

NodeId JsonValues::AnyArray() {
  if (any_array_) return *any_array_;
  any_array_ = builder_->AddNode(Node::Kind::kArray);
  ArrayParts parts;
  parts.rest.emplace().any = Anything();
  FillArray(*any_array_, parts);
  return *any_array_;
}

Value JsonValues::Anything() {
  return {{AnyString(), AnyScalarButString()}, {AnyObject(), AnyArray()}};
}

NodeId JsonValues::Whole(const Value& value) {
  const NodeId node = builder_->AddNode();
  const StateId start = builder_->AddState(node);
  const StateId end = builder_->AddState(node);
  builder_->SetStart(node, start);
  builder_->SetFinal(end);
  builder_->Read(start, value, end);
  return node;
}

}  // namespace infe::grammar

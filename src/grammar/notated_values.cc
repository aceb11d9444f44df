#include "grammar/notated_values.h"

#include <algorithm>

namespace infe::grammar {
namespace {

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \n") - begin + 1);
}

}  // namespace

LexemeId NotatedValues::Mark(std::string_view text) {
  return builder_->AddLexeme({.content = builder_->pool().Literal(text)});
}

void NotatedValues::Step(StateId from, std::string_view text, StateId to, Op op) {
  if (text.empty()) return builder_->Free(from, to, op);
  builder_->Lex(from, Mark(text), to, op);
}

void NotatedValues::AddText(RegexId content, RegexId excluded, Value* value) {
  RegexPool& pool = builder_->pool();
  const auto without = [&](RegexId found) {
    return pool.Not(pool.Concat({kAnything, found, kAnything}));
  };
  if (!notation_.text_end.empty()) {
    RegexId forbidden = pool.Literal(notation_.text_end);
    if (notation_.text_end == "'") {
      forbidden = pool.Or({forbidden, pool.Char('\\'), pool.Char('\n'), pool.Char('\r')});
      value->lexemes.push_back(
          builder_->AddLexeme({.spelling = Spelling::kJsonCanonical, .content = content}));
    }
    const RegexId text = pool.And(content, without(forbidden));
    if (pool.IsEmpty(text)) return;
    value->lexemes.push_back(
        builder_->AddLexeme({.content = pool.Concat({pool.Literal(notation_.text_begin), text,
                                                     pool.Literal(notation_.text_end)})}));
    return;
  }
  RegexId text = pool.And(content, without(pool.Literal(Trimmed(notation_.value_end))));
  if (excluded != kNothing) text = pool.And(text, pool.Not(excluded));
  const bool may_be_empty = pool.Nullable(text);
  if (may_be_empty) text = pool.And(text, pool.Not(kEmptyText));
  const bool has_more = !pool.IsEmpty(text);
  if (!has_more && !may_be_empty) return;
  const NodeId node = builder_->AddNode();
  const StateId start = builder_->AddState(node);
  const StateId end = builder_->AddState(node);
  builder_->SetStart(node, start);
  builder_->SetFinal(end);
  if (has_more) builder_->Lex(start, builder_->AddLexeme({.content = text}), end);
  if (may_be_empty) builder_->Free(start, end);
  pool.Edges(text);
  text_nodes_.insert(node);
  value->nodes.push_back(node);
}

RegexId NotatedValues::Key(RegexId name, std::string_view end) {
  RegexPool& pool = builder_->pool();
  return pool.Concat({pool.Literal(notation_.key_begin), name, pool.Literal(end)});
}

Value NotatedValues::Texts(const Value& value, bool texts) const {
  Value out;
  if (!texts) out.lexemes = value.lexemes;
  for (const NodeId node : value.nodes)
    if (text_nodes_.contains(node) == texts) out.nodes.push_back(node);
  return out;
}

// Behind the key: where texts are announced in another way than the rest, the mark decides.
void NotatedValues::ReadMember(StateId key_read, const Value& value, StateId after, Where where) {
  ProgramBuilder& b = *builder_;
  const NodeId node = b.program().states[key_read].node;
  StateId end = after;
  if (where == Where::kOutermost && !notation_.value_end.empty()) {
    end = b.AddState(node);
    Step(end, notation_.value_end, after);
  }
  if (notation_.key_end == notation_.other_key_end) return b.Read(key_read, value, end);
  for (const bool texts : {true, false}) {
    const StateId behind = b.AddState(node);
    Step(key_read, texts ? notation_.key_end : notation_.other_key_end, behind);
    b.Read(behind, Texts(value, texts), end);
  }
}

// The automaton of JsonValues::FillObject, with other marks.
void NotatedValues::FillObject(NodeId node, const ObjectParts& parts, Where where) {
  ProgramBuilder& b = *builder_;
  RegexPool& pool = b.pool();
  const bool outermost = where == Where::kOutermost;
  const std::string open = outermost ? notation_.open : "{";
  const std::string close = outermost ? notation_.close : "}";
  const StateId start = b.AddState(node);
  const StateId first = b.AddState(node);
  const StateId after = b.AddState(node);
  const StateId next = b.AddState(node);
  const StateId end = b.AddState(node);
  b.SetStart(node, start);
  b.SetFinal(end);
  Step(start, open, first);
  Step(first, close, end, Op::kCloseObject);
  Step(after, close, end, Op::kCloseObject);
  Step(after, notation_.separator, next, Op::kMoreKeys);
  const std::string_view key_end =
      notation_.key_end == notation_.other_key_end ? std::string_view(notation_.key_end) : "";
  ObjectRule rule{.min = parts.min,
                  .max = parts.max,
                  .ordered = parts.ordered,
                  .others = !parts.others.empty()};
  for (uint32_t i = 0; i < parts.properties.size(); ++i) {
    const ObjectParts::Property& p = parts.properties[i];
    const StateId value = b.AddState(node);
    const LexemeId key = b.AddLexeme({.content = Key(pool.Literal(p.name), key_end)});
    b.Lex(first, key, value, Op::kKey, i);
    b.Lex(next, key, value, Op::kKey, i);
    if (!p.place.empty()) b.SetPlace(value, p.place);
    ReadMember(value, p.value, after, where);
    rule.properties.push_back(
        {.name = p.name, .required = p.required, .needs = p.needs, .value = value});
    rule.has_needs = rule.has_needs || !p.needs.empty();
  }
  // Keys that nobody declared: names as programs have them, which no mark can be taken for.
  CharSet letters = CharSet::Range('a', 'z');
  letters.Add('A', 'Z');
  letters.Add('0', '9');
  letters.Add('_', '_');
  const RegexId name = pool.Repeat(pool.Class(letters), 1, 64);
  for (const ObjectParts::Others& others : parts.others) {
    const RegexId names = pool.And(others.key, name);
    if (pool.IsEmpty(names)) {
      rule.others = false;
      continue;
    }
    const StateId value = b.AddState(node);
    const LexemeId key = b.AddLexeme({.content = Key(names, key_end)});
    b.Lex(first, key, value, Op::kOtherKey);
    b.Lex(next, key, value, Op::kOtherKey);
    ReadMember(value, others.value, after, where);
    rule.other_values.push_back(value);
  }
  b.object_rule(node) = std::move(rule);
}

}  // namespace infe::grammar

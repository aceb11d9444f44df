#include "grammar/combine.h"

#include <algorithm>

#include "grammar/ecma_regex.h"
#include "grammar/json_values.h"
#include "grammar/notated_values.h"
#include "grammar/program_builder.h"
#include "grammar/schema/compile.h"
#include "grammar/text_grammars.h"
#include "grammar/token_trie.h"

namespace infe::grammar {

GrammarBuilder::GrammarBuilder(const SchemaOptions& options, const CompileBudget& budget)
    : options_(options),
      builder_(std::make_unique<ProgramBuilder>(budget)),
      values_(std::make_unique<JsonValues>(builder_.get(), options.whitespace)) {}

GrammarBuilder::~GrammarBuilder() = default;

GrammarBuilder::Part GrammarBuilder::Empty() {
  return Sequence({});
}

GrammarBuilder::Part GrammarBuilder::Lexeme(LexemeId lexeme, bool may_be_empty) {
  const NodeId node = builder_->AddNode();
  const StateId start = builder_->AddState(node);
  const StateId end = builder_->AddState(node);
  builder_->SetStart(node, start);
  builder_->SetFinal(end);
  builder_->Lex(start, lexeme, end);
  if (may_be_empty) builder_->Free(start, end);
  return {node};
}

GrammarBuilder::Part GrammarBuilder::Literal(std::string_view text) {
  if (text.empty()) return Empty();
  builder_->Reads(text.size());
  return Lexeme(builder_->AddLexeme({.content = builder_->pool().Literal(text)}), false);
}

GrammarBuilder::Part GrammarBuilder::Name(std::string_view text) {
  if (text.empty()) return Empty();
  builder_->Reads(text.size());
  return Lexeme(builder_->AddLexeme({.content = builder_->pool().Literal(text), .listed = true}),
                false);
}

GrammarBuilder::Part GrammarBuilder::OneOf(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) builder_->Reads(text.size());
  RegexPool& pool = builder_->pool();
  RegexId content = pool.Literals(texts);
  const bool nullable = pool.Nullable(content);
  if (nullable) content = pool.And(content, pool.Not(kEmptyText));
  if (nullable && pool.IsEmpty(content)) return Empty();
  return Lexeme(builder_->AddLexeme({.content = content, .listed = true}), nullable);
}

GrammarBuilder::Part GrammarBuilder::SpecialToken(uint32_t token) {
  const RegexId content = builder_->pool().LiteralBytes(SpecialBytes(token));
  return Lexeme(builder_->AddLexeme({.spelling = Spelling::kBytes, .content = content}), false);
}

Result<GrammarBuilder::Part> GrammarBuilder::Pattern(std::string_view pattern) {
  builder_->Reads(pattern.size());
  RegexPool& pool = builder_->pool();
  INFE_ASSIGN(RegexId content, CompilePattern(pool, pattern, PatternMode::kWhole));
  const bool nullable = pool.Nullable(content);
  if (nullable) content = pool.And(content, pool.Not(kEmptyText));
  if (nullable && pool.IsEmpty(content)) return Empty();
  return Lexeme(builder_->AddLexeme({.content = content}), nullable);
}

Result<GrammarBuilder::Part> GrammarBuilder::JsonSchema(const Json& schema) {
  return JsonSchema(schema, options_);
}

Result<GrammarBuilder::Part> GrammarBuilder::JsonSchema(const Json& schema,
                                                        const SchemaOptions& options) {
  SchemaOptions same_blanks = options;
  same_blanks.whitespace = options_.whitespace;
  INFE_ASSIGN(const Value value, CompileSchemaInto(*builder_, schema, same_blanks, &unenforced_));
  return Part{values_->Whole(value)};
}

GrammarBuilder::Part GrammarBuilder::JsonObject() {
  return {values_->AnyObject()};
}

Result<GrammarBuilder::Part> GrammarBuilder::Gbnf(std::string_view source) {
  INFE_ASSIGN(const NodeId node, GbnfInto(*builder_, source, Spelling::kUtf8));
  return Part{node};
}

Result<GrammarBuilder::Part> GrammarBuilder::TextObject(const TextMember& member) {
  ObjectParts object;
  object.properties.push_back({.name = member.key, .required = true});
  Value& value = object.properties.back().value;
  switch (member.syntax) {
    case TextSyntax::kAny:
      value.lexemes.push_back(values_->AnyString());
      break;
    case TextSyntax::kRegex: {
      builder_->Reads(member.definition.size());
      INFE_ASSIGN(const RegexId content,
                  CompilePattern(builder_->pool(), member.definition, PatternMode::kWhole));
      value.lexemes.push_back(
          builder_->AddLexeme({.spelling = Spelling::kJsonCanonical, .content = content}));
      break;
    }
    case TextSyntax::kLark: {
      INFE_ASSIGN(const NodeId text, LarkInto(*builder_, member.definition, Spelling::kJsonInside));
      const NodeId string = builder_->AddNode();
      const StateId begin = builder_->AddState(string, true);
      const StateId inside = builder_->AddState(string);
      const StateId behind = builder_->AddState(string);
      const StateId end = builder_->AddState(string);
      const LexemeId quote = builder_->AddLexeme({.content = builder_->pool().Literal("\"")});
      builder_->SetStart(string, begin);
      builder_->SetFinal(end);
      builder_->Lex(begin, quote, inside);
      builder_->Call(inside, text, behind);
      builder_->Lex(behind, quote, end);
      value.nodes.push_back(string);
      break;
    }
  }
  const NodeId node = builder_->AddNode(Node::Kind::kObject);
  values_->FillObject(node, object);
  return Part{node};
}

Result<GrammarBuilder::Part> GrammarBuilder::Notated(const Json& schema,
                                                     const SchemaOptions& options,
                                                     const Notation& notation) {
  SchemaOptions same_blanks = options;
  same_blanks.whitespace = options_.whitespace;
  INFE_ASSIGN(const Value value,
              CompileSchemaInto(*builder_, schema, same_blanks, &unenforced_, &notation));
  return Part{values_->Whole(value)};
}

Result<GrammarBuilder::Part> GrammarBuilder::NotatedText(const TextMember& member,
                                                         const Notation& notation) {
  if (member.syntax == TextSyntax::kLark) {
    // Between quotes of one character a text of any language is a JSON string.
    const bool quoted = notation.text_end.size() == 1;
    INFE_ASSIGN(const NodeId text, LarkInto(*builder_, member.definition,
                                            quoted ? Spelling::kJsonInside : Spelling::kUtf8));
    const std::string begin = quoted ? "\"" : notation.text_begin;
    const std::string end = quoted ? "\"" : notation.text_end;
    return Sequence(
        {Literal(notation.open + notation.key_begin + member.key + notation.key_end + begin),
         Part{text}, Literal(end + notation.value_end + notation.close)});
  }
  RegexId content = kAnything;
  if (member.syntax == TextSyntax::kRegex) {
    builder_->Reads(member.definition.size());
    INFE_ASSIGN(content, CompilePattern(builder_->pool(), member.definition, PatternMode::kWhole));
  }
  NotatedValues values(builder_.get(), notation);
  ObjectParts object;
  object.properties.push_back({.name = member.key, .required = true});
  values.AddText(content, kNothing, &object.properties.back().value);
  const NodeId node = builder_->AddNode(Node::Kind::kObject);
  values.FillObject(node, object, NotatedValues::Where::kOutermost);
  return Part{node};
}

GrammarBuilder::Part GrammarBuilder::Sequence(const std::vector<Part>& parts) {
  const NodeId node = builder_->AddNode();
  StateId at = builder_->AddState(node);
  builder_->SetStart(node, at);
  for (const Part& part : parts) {
    const StateId next = builder_->AddState(node);
    builder_->Call(at, part.node, next);
    at = next;
  }
  builder_->SetFinal(at);
  return {node};
}

GrammarBuilder::Part GrammarBuilder::Choice(const std::vector<Part>& parts) {
  const NodeId node = builder_->AddNode();
  const StateId start = builder_->AddState(node);
  const StateId end = builder_->AddState(node);
  builder_->SetStart(node, start);
  builder_->SetFinal(end);
  for (const Part& part : parts) builder_->Call(start, part.node, end);
  return {node};
}

GrammarBuilder::Part GrammarBuilder::Optional(Part part) {
  return Choice({part, Empty()});
}

GrammarBuilder::Part GrammarBuilder::Repeat(Part part, uint32_t min, uint32_t max) {
  const NodeId node = builder_->AddNode(Node::Kind::kRepeat);
  const StateId start = builder_->AddState(node);
  const StateId end = builder_->AddState(node);
  builder_->SetStart(node, start);
  builder_->SetFinal(end);
  builder_->Call(start, part.node, start, Op::kRepeat);
  builder_->Free(start, end, Op::kRepeatDone);
  builder_->repeat_rule(node) = {.min = min, .max = max};
  return {node};
}

GrammarBuilder::Part GrammarBuilder::Mark(std::string_view name) {
  const NodeId node = builder_->AddNode();
  const StateId state = builder_->AddState(node);
  builder_->SetStart(node, state);
  builder_->SetFinal(state);
  builder_->SetTag(state, name);
  return {node};
}

Result<GrammarBuilder::Part> GrammarBuilder::Call(const CallParts& parts) {
  SchemaOptions options = parts.options != nullptr ? *parts.options : options_;
  options.whitespace = options_.whitespace;
  ObjectParts object;
  const auto add = [&](const std::string& key, const Json* schema) -> Result<void> {
    ObjectParts::Property property{.name = key, .required = true};
    if (schema == nullptr) {
      property.value.nodes.push_back(values_->AnyObject());
    } else {
      INFE_ASSIGN(property.value, CompileSchemaInto(*builder_, *schema, options, &unenforced_));
    }
    object.properties.push_back(std::move(property));
    return {};
  };
  const auto add_all =
      [&](const std::vector<std::pair<std::string, const Json*>>& members) -> Result<void> {
    for (const auto& [key, schema] : members) INFE_TRY(add(key, schema));
    return {};
  };
  INFE_TRY(add_all(parts.before));
  ObjectParts::Property name{.name = parts.name_key, .required = true};
  name.value.lexemes.push_back(builder_->AddLexeme({.spelling = Spelling::kJsonCanonical,
                                                    .content = builder_->pool().Literal(parts.name),
                                                    .listed = true}));
  object.properties.push_back(std::move(name));
  if (parts.arguments) {
    object.properties.push_back({.name = parts.arguments_key, .required = true});
    object.properties.back().value.nodes.push_back(parts.arguments->node);
  } else {
    INFE_TRY(add(parts.arguments_key, parts.schema));
  }
  object.properties.back().mark = parts.mark;
  INFE_TRY(add_all(parts.behind));
  const NodeId node = builder_->AddNode(Node::Kind::kObject);
  values_->FillObject(node, object);
  return Part{node};
}

namespace {

// Ends of texts that belong to no group: forbidden ones.
TextSearch SearchFor(const std::vector<std::string>& texts, std::vector<TextSearch::Text> wanted) {
  for (const std::string& text : texts) wanted.push_back({.bytes = text});
  return TextSearch(std::move(wanted));
}

}  // namespace

GrammarBuilder::Part GrammarBuilder::ReadBytes(uint32_t content) {
  return Lexeme(builder_->AddLexeme({.spelling = Spelling::kBytes, .content = content}), false);
}

GrammarBuilder::Part GrammarBuilder::TextOutside(uint32_t search) {
  RegexPool& pool = builder_->pool();
  const RegexId content = pool.NonEmpty(pool.Without(search));
  return Lexeme(
      builder_->AddLexeme({.spelling = Spelling::kBytes, .content = content, .last = true}), true);
}

GrammarBuilder::Part GrammarBuilder::TextToSpecial(uint32_t search, uint32_t token) {
  RegexPool& pool = builder_->pool();
  return ReadBytes(pool.Concat(pool.Without(search), pool.LiteralBytes(SpecialBytes(token))));
}

GrammarBuilder::Part GrammarBuilder::TextWithout(const std::vector<std::string>& strings) {
  return TextOutside(builder_->pool().AddSearch(SearchFor(strings, {})));
}

GrammarBuilder::Part GrammarBuilder::TextUpTo(const std::string& trigger,
                                              const std::vector<std::string>& all_triggers) {
  RegexPool& pool = builder_->pool();
  const auto search = pool.AddSearch(SearchFor(all_triggers, {{.bytes = trigger, .group = 0}}));
  return ReadBytes(pool.UpTo(search, 0));
}

GrammarBuilder::Part GrammarBuilder::TextUpToSpecial(
    uint32_t token, const std::vector<std::string>& other_triggers) {
  return TextToSpecial(builder_->pool().AddSearch(SearchFor(other_triggers, {})), token);
}

// The triggers with one continuation are one lexeme, and the triggers of all of them one search:
// what free text costs depends on the continuations, not on how many spellings lead to each.
GrammarBuilder::Part GrammarBuilder::TextAndCalls(const std::vector<Triggered>& calls,
                                                  const CallLimits& limits) {
  RegexPool& pool = builder_->pool();
  std::vector<TextSearch::Text> wanted;
  struct Way {
    Part then;
    std::vector<RegexId> literals = {};
  };
  std::vector<Way> ways;  // by group
  for (const Triggered& call : calls) {
    if (call.token) continue;
    const auto known =
        std::ranges::find(ways, call.then.node, [](const Way& w) { return w.then.node; });
    const auto group = static_cast<uint32_t>(known - ways.begin());
    if (known == ways.end()) ways.push_back({call.then});
    ways[group].literals.push_back(pool.LiteralBytes(call.trigger));
    wanted.push_back({.bytes = call.trigger, .group = group});
  }
  const auto search = pool.AddSearch(SearchFor(limits.forbidden, std::move(wanted)));
  const auto round = [&](bool text) {
    std::vector<Part> parts;
    for (uint32_t group = 0; group < ways.size(); ++group) {
      const RegexId lead = text ? pool.UpTo(search, group) : pool.Or(ways[group].literals);
      parts.push_back(Sequence({ReadBytes(lead), ways[group].then}));
    }
    for (const Triggered& call : calls) {
      if (!call.token) continue;
      const Part lead = text ? TextToSpecial(search, *call.token) : SpecialToken(*call.token);
      parts.push_back(Sequence({lead, call.then}));
    }
    return Choice(parts);
  };
  const Part tail = limits.text_behind ? TextOutside(search) : Empty();
  if (calls.empty() || limits.max_calls == 0) return tail;
  const Part first = round(limits.text_before);
  CharSet blanks = CharSet::Of('\n');
  blanks.Add(' ', ' ');
  const Part gap =
      Lexeme(builder_->AddLexeme({.content = pool.Repeat(pool.Class(blanks), 1, 2)}), true);
  const Part later = limits.text_between ? round(true) : Sequence({gap, round(false)});
  const uint32_t more = limits.max_calls == UINT32_MAX ? UINT32_MAX : limits.max_calls - 1;
  const uint32_t least = limits.min_calls > 0 ? limits.min_calls - 1 : 0;
  const Part some = Sequence({first, Repeat(later, least, more), tail});
  if (limits.min_calls > 0) return some;
  return Choice({some, limits.text_before ? TextOutside(search) : Empty()});
}

Result<GrammarPtr> GrammarBuilder::Build(Part root) {
  INFE_ASSIGN(Program program, builder_->Finish(root.node));
  return GrammarPtr(std::make_shared<const Grammar>(std::move(program), std::move(unenforced_)));
}

}  // namespace infe::grammar

#include "grammar/schema/lower.h"

#include <algorithm>
#include <unordered_set>

#include <fmt/format.h>

#include "base/utf8.h"
#include "grammar/limits.h"

namespace infe::grammar {
namespace {

// Key languages and item languages of at most so many texts are spelled out.
constexpr size_t kSpelledOutMax = 64;
constexpr size_t kUniqueTextsMax = kEnumValuesMax;

bool Matches(RegexPool& pool, RegexId id, std::string_view text) {
  for (size_t at = 0; at < text.size() && id != kNothing;)
    id = pool.Derive(id, DecodeUtf8(text, at));
  return id != kNothing && pool.Nullable(id);
}

// Whether some number of members or items lies within the bounds. Where none does the value has no
// text, and to begin one would be a dead end.
bool HasACount(const Shape& shape, bool is_object) {
  if (!is_object) return shape.array.min <= shape.array.max;
  const std::unordered_set<std::string> required(shape.object.required.begin(),
                                                 shape.object.required.end());
  return std::max<size_t>(shape.object.min, required.size()) <= shape.object.max;
}

// What holds for a key of which no schema in scope says anything else. covered: whether each group
// of the object speaks of it.
void AddUnevaluated(const Shape& shape, const std::vector<bool>& covered, Terms* terms) {
  const ObjectPart& part = shape.object;
  for (size_t u = 0; u < part.unevaluated.size(); ++u) {
    const uint32_t scope = part.unevaluated[u].scope;
    bool seen = false;
    for (size_t g = 0; g < part.groups.size(); ++g)
      seen = seen || (covered[g] && shape.Sees(scope, part.groups[g].scope));
    // An inner unevaluatedProperties evaluates whatever it applies to.
    for (const Unevaluated& inner : part.unevaluated)
      seen = seen || (inner.scope != scope && shape.Sees(scope, inner.scope));
    if (!seen) terms->push_back(part.unevaluated[u].term);
  }
}

// The names that a closed object may write (OpenObjects::kClosed).
std::unordered_set<std::string> WritableNames(const ObjectPart& part) {
  std::unordered_set<std::string> names;
  for (const ObjectPart::Group& group : part.groups)
    for (const auto& [name, term] : group.properties) names.insert(name);
  std::unordered_multiset<std::string> assumed(part.assumed.begin(), part.assumed.end());
  for (const std::string& name : part.required) {
    const auto found = assumed.find(name);
    if (found == assumed.end()) {
      names.insert(name);
    } else {
      assumed.erase(found);
    }
  }
  std::unordered_multimap<std::string_view, std::string_view> needs;
  for (const auto& [name, needed] : part.needs)
    for (const std::string& other : needed) needs.emplace(name, other);
  std::vector<std::string> queue(names.begin(), names.end());
  while (!queue.empty()) {
    const std::string name = std::move(queue.back());
    queue.pop_back();
    const auto [begin, end] = needs.equal_range(name);
    for (auto it = begin; it != end; ++it)
      if (names.emplace(it->second).second) queue.emplace_back(it->second);
  }
  return names;
}

}  // namespace

Lowering::Lowering(SchemaContext* context, ProgramBuilder* builder, const Notation* notation)
    : context_(context),
      builder_(builder),
      normaliser_(context),
      values_(builder, context->options().whitespace),
      notation_(notation) {
  if (notation != nullptr) notated_.emplace(builder, *notation);
}

Result<Value> Lowering::LowerRoot(Terms terms) {
  return Lower(std::move(terms), notation_ == nullptr ? Where::kJson : Where::kOutermost);
}

Lowering::Where Lowering::Inside(Where where) const {
  if (where == Where::kOutermost) return Where::kNotated;
  return where == Where::kNotated && notation_->inside == Notation::Inside::kSame ? Where::kNotated
                                                                                  : Where::kJson;
}

// Lists and objects of which no schema speaks are JSON in any notation.
Value Lowering::Anything(Where where) {
  if (where == Where::kJson) return values_.Anything();
  Value value;
  if (where == Where::kOutermost) {
    const NodeId node = builder_->AddNode(Node::Kind::kObject);
    notated_->FillObject(node, {.others = {{kAnything, Anything(Where::kNotated)}}},
                         NotatedValues::Where::kOutermost);
    value.nodes.push_back(node);
    return value;
  }
  if (!notation_->text_end.empty()) value = {{values_.AnyScalarButString()}, {}};
  notated_->AddText(kAnything, kNothing, &value);
  return value;
}

Result<Value> Lowering::Lower(Terms terms, Where where) {
  for (Term& term : terms) term.scope = 0;  // a value of its own: nobody around it looks inside
  std::sort(terms.begin(), terms.end());
  terms.erase(std::unique(terms.begin(), terms.end()), terms.end());
  std::erase_if(terms, [](const Term& t) {
    return !t.negated && (t.place->schema->is_bool() ? t.place->schema->as_bool()
                                                     : t.place->schema->object().empty());
  });
  if (terms.empty()) return Anything(where);
  INFE_TRY(context_->Spend(terms.front().place, 2 + terms.size() / 4));
  if (const auto it = known_.find({where, terms}); it != known_.end()) return it->second;
  INFE_ASSIGN(std::vector<Shape> shapes, normaliser_.Shapes(terms));
  Value value;
  if (where != Where::kOutermost) INFE_TRY(AddScalars(shapes, where, &value));
  INFE_TRY(context_->Spend(terms.front().place));
  for (Shape& shape : shapes) {
    for (const TypeSet type : {kObjectType, kArrayType}) {
      if ((shape.types & type) == 0) continue;
      const bool is_object = type == kObjectType;
      if (where == Where::kOutermost && !is_object) continue;
      if (!HasACount(shape, is_object)) continue;
      const NodeId node = builder_->AddNode(is_object ? Node::Kind::kObject : Node::Kind::kArray);
      value.nodes.push_back(node);
      // In a notation that keeps to the outermost object what is inside of a value is JSON.
      const bool as_json = where == Where::kNotated && Inside(where) == Where::kJson;
      jobs_.push_back(
          {node, is_object, as_json ? Where::kJson : where, shape, terms.front().place});
    }
  }
  known_.emplace(std::pair(where, std::move(terms)), value);
  return value;
}

Result<void> Lowering::Drain() {
  while (!jobs_.empty()) {
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    INFE_TRY(context_->Spend(job.place));
    if (builder_->state_count() > kProgramStatesMax)
      return SchemaContext::OverLimit(job.place, "states", kProgramStatesMax, "kProgramStatesMax");
    INFE_TRY(job.is_object ? FillObject(job) : FillArray(job));
  }
  return {};
}

Result<RegexId> Lowering::StringContent(const StringPart& part, bool with_length) {
  RegexPool& pool = context_->pool();
  std::vector<RegexId> all = part.all;
  if (with_length && (part.min > 0 || part.max != kUnbounded))
    all.push_back(pool.Repeat(pool.Class(CharSet::All()), part.min, part.max));
  return pool.And(std::move(all));
}

// All strings, and all other scalars, of all shapes in one lexeme each: fewer items to carry, and
// alternatives that overlap are no ambiguity.
Result<void> Lowering::AddScalars(const std::vector<Shape>& shapes, Where where, Value* value) {
  RegexPool& pool = context_->pool();
  std::vector<const StringPart*> strings;
  std::vector<RegexId> others;
  std::vector<std::string> words;
  for (const Shape& shape : shapes) {
    if ((shape.types & kStringType) != 0 && shape.string.min <= shape.string.max)
      strings.push_back(&shape.string);
    if ((shape.types & kNumberType) != 0) {
      NumberBounds bounds = shape.number.bounds;
      bounds.fraction_zero = context_->options().integers_with_fraction;
      if (!shape.number.all.empty()) bounds.no_exponent = true;
      INFE_ASSIGN(const RegexId regex, NumberRegex(pool, bounds));
      std::vector<RegexId> all = shape.number.all;
      all.push_back(regex);
      others.push_back(pool.And(std::move(all)));
    }
    const bool json = where == Where::kJson;
    if ((shape.types & kNullType) != 0) words.push_back(json ? "null" : notation_->null_word);
    if ((shape.types & kTrueType) != 0) words.push_back(json ? "true" : notation_->true_word);
    if ((shape.types & kFalseType) != 0) words.push_back(json ? "false" : notation_->false_word);
  }
  if (!words.empty()) others.push_back(pool.Literals(words));
  if (!others.empty()) {
    const RegexId content = pool.Or(std::move(others));
    if (!pool.IsEmpty(content)) value->lexemes.push_back(builder_->AddLexeme({.content = content}));
  }
  if (strings.empty()) return {};
  if (where == Where::kNotated) return AddNotatedTexts(shapes, value);
  Lexeme lexeme{.spelling = Spelling::kJsonString};
  if (strings.size() == 1 && !strings.front()->listed) {
    // A length beside the regex, where any length can be reached from anywhere.
    const StringPart& part = *strings.front();
    INFE_ASSIGN(const RegexId content, StringContent(part, false));
    RegexId character = kNothing;
    uint32_t min = 0;
    uint32_t max = kUnbounded;
    if (pool.IsClassWindow(content, &character, &min, &max)) {
      lexeme.content = content == kAnything ? kAnything : pool.Star(character);
      lexeme.min_chars = std::max(min, part.min);
      lexeme.max_chars = std::min(max, part.max);
      if (lexeme.min_chars <= lexeme.max_chars)
        value->lexemes.push_back(builder_->AddLexeme(lexeme));
      return {};
    }
  }
  std::vector<RegexId> contents;
  bool all_listed = true;
  for (const StringPart* part : strings) {
    INFE_ASSIGN(const RegexId content, StringContent(*part, true));
    contents.push_back(content);
    all_listed = all_listed && part->listed;
  }
  lexeme.content = pool.Or(std::move(contents));
  if (all_listed) lexeme.spelling = Spelling::kJsonCanonical;
  lexeme.listed = all_listed;
  if (!pool.IsEmpty(lexeme.content)) value->lexemes.push_back(builder_->AddLexeme(lexeme));
  // The first characters are tried now: whether what follows them is dead may take more states than
  // are searched, and that is to be known before an answer begins.
  pool.Edges(lexeme.content);
  return {};
}

// Texts without quotes are not what would be read as another type that the value may have.
Result<void> Lowering::AddNotatedTexts(const std::vector<Shape>& shapes, Value* value) {
  RegexPool& pool = context_->pool();
  std::vector<RegexId> contents;
  std::vector<RegexId> others;
  for (const Shape& shape : shapes) {
    if ((shape.types & kStringType) != 0 && shape.string.min <= shape.string.max) {
      INFE_ASSIGN(const RegexId content, StringContent(shape.string, true));
      contents.push_back(content);
    }
    if ((shape.types & kNumberType) != 0) others.push_back(AnyNumberRegex(pool));
    if ((shape.types & kNullType) != 0) others.push_back(pool.Literals({"null", "None"}));
    if ((shape.types & (kTrueType | kFalseType)) != 0)
      others.push_back(pool.Literals({"true", "false", "True", "False"}));
    if ((shape.types & (kObjectType | kArrayType)) != 0) {
      CharSet brackets = CharSet::Of('{');
      brackets.Add('[', '[');
      brackets.Add('(', '(');
      others.push_back(pool.Concat(pool.Class(brackets), kAnything));
    }
  }
  RegexId excluded = kNothing;
  if (!others.empty()) {
    CharSet blanks = CharSet::Of(' ');
    for (const char c : {'\n', '\t', '\r'}) blanks.Add(c, c);
    const RegexId blank = pool.Star(pool.Class(blanks));
    excluded = pool.Concat({blank, pool.Or(std::move(others)), blank});
  }
  notated_->AddText(pool.Or(std::move(contents)), excluded, value);
  return {};
}

Result<RegexId> Lowering::KeyRegex(const Terms& names) {
  if (names.empty()) return kAnything;
  INFE_ASSIGN(const std::vector<Shape> shapes, normaliser_.Shapes(names));
  std::vector<RegexId> ways;
  for (const Shape& shape : shapes) {
    if ((shape.types & kStringType) == 0) continue;
    INFE_ASSIGN(const RegexId content, StringContent(shape.string, true));
    ways.push_back(content);
  }
  return context_->pool().Or(std::move(ways));
}

void Lowering::Write(const Job& job, const ObjectParts& parts) {
  switch (job.where) {
    case Where::kJson:
      return values_.FillObject(job.node, parts);
    case Where::kOutermost:
      return notated_->FillObject(job.node, parts, NotatedValues::Where::kOutermost);
    case Where::kNotated:
      return notated_->FillObject(job.node, parts, NotatedValues::Where::kInside);
  }
}

// Names that are spelled out, in the order of their first mention.
Result<std::vector<std::string>> Lowering::MentionedNames(const Job& job) {
  const ObjectPart& part = job.shape.object;
  std::vector<std::string> names;
  std::unordered_set<std::string> mentioned;
  const auto mention = [&](const std::string& name) {
    if (mentioned.insert(name).second) names.push_back(name);
  };
  for (const ObjectPart::Group& group : part.groups)
    for (const auto& [name, term] : group.properties) mention(name);
  for (const std::string& name : part.required) mention(name);
  for (const auto& [name, term] : part.extra) mention(name);
  for (const auto& [name, needed] : part.needs) {
    mention(name);
    for (const std::string& other : needed) mention(other);
  }
  for (const std::string& name : part.forbidden) mention(name);
  if (names.size() > kPropertiesMax)
    return SchemaContext::OverLimit(job.place, "properties in one object", kPropertiesMax,
                                    "kPropertiesMax");
  return names;
}

// Where it is to be said that a required property has no value.
std::string Lowering::Blamed(const Terms& terms, const Job& job) {
  return terms.empty() ? job.place->path : terms.front().place->path;
}

void Lowering::LinkNeeds(const ObjectPart& part,
                         const std::unordered_map<std::string, uint32_t>& index,
                         ObjectParts* parts) {
  for (const auto& [name, needed] : part.needs)
    for (const std::string& other : needed)
      parts->properties[index.at(name)].needs.push_back(index.at(other));
}

Result<void> Lowering::FillObject(const Job& job) {
  RegexPool& pool = context_->pool();
  const ObjectPart& part = job.shape.object;
  INFE_ASSIGN(const RegexId keys, KeyRegex(part.names));
  const bool orders_others = context_->options().open_objects == OpenObjects::kClosed;
  const std::unordered_set<std::string> writable = WritableNames(part);
  const bool closed = orders_others && part.declares && part.names.empty() &&
                      part.unevaluated.empty() && part.min <= writable.size();
  ObjectParts parts{.min = part.min, .max = part.max};
  INFE_ASSIGN(const std::vector<std::string> names, MentionedNames(job));

  const std::unordered_set<std::string> required(part.required.begin(), part.required.end());
  const std::unordered_set<std::string> forbidden(part.forbidden.begin(), part.forbidden.end());
  std::vector<std::unordered_map<std::string_view, Term>> by_name(part.groups.size());
  for (size_t g = 0; g < part.groups.size(); ++g)
    for (const auto& [name, term] : part.groups[g].properties) by_name[g].emplace(name, term);
  std::unordered_map<std::string, uint32_t> index;
  const auto unevaluated = [&](const std::vector<bool>& covered, Terms* terms) {
    AddUnevaluated(job.shape, covered, terms);
  };
  for (const std::string& name : names) {
    INFE_TRY(context_->Spend(
        job.place, 4 + (part.extra.size() + part.unevaluated.size() * part.groups.size()) / 8));
    bool possible = !forbidden.contains(name) && Matches(pool, keys, name);
    Terms terms;
    std::vector<bool> evaluated(part.groups.size());
    for (size_t g = 0; g < part.groups.size(); ++g) {
      const ObjectPart::Group& group = part.groups[g];
      bool covered = false;
      if (const auto it = by_name[g].find(name); it != by_name[g].end()) {
        terms.push_back(it->second);
        covered = true;
      }
      for (const auto& [regex, term] : group.patterns) {
        INFE_TRY(context_->Spend(job.place, 1 + name.size() / 8));
        if (!Matches(pool, regex, name)) continue;
        terms.push_back(term);
        covered = true;
      }
      if (!covered && group.additional) terms.push_back(*group.additional);
      evaluated[g] = covered || group.additional.has_value();
    }
    if (closed && !writable.contains(name) && std::ranges::find(evaluated, true) == evaluated.end())
      possible = false;
    unevaluated(evaluated, &terms);
    for (const auto& [key, term] : part.extra)
      if (key == name) terms.push_back(term);
    const bool is_required = required.contains(name);
    std::string place = is_required ? Blamed(possible ? terms : Terms(), job) : std::string();
    Value value;
    if (possible) {
      INFE_ASSIGN(value, Lower(std::move(terms), Inside(job.where)));
    }
    index.emplace(name, static_cast<uint32_t>(parts.properties.size()));
    parts.properties.push_back({.name = name,
                                .required = is_required,
                                .value = std::move(value),
                                .place = std::move(place)});
  }
  LinkNeeds(part, index, &parts);
  const RegexId undeclared = pool.And(keys, pool.Not(pool.Literals(names)));
  INFE_TRY(AddKeyClasses(job.place, part, undeclared,
                         closed ? OpenObjects::kClosed : OpenObjects::kAsWritten, Inside(job.where),
                         unevaluated, &parts));
  parts.ordered = (parts.others.empty() || orders_others) &&
                  context_->options().key_order == KeyOrder::kDeclared;
  Write(job, parts);
  return {};
}

// Splits the undeclared keys into classes of equal treatment: those that match the same patterns.
Result<void> Lowering::AddKeyClasses(
    const Place* place, const ObjectPart& part, RegexId keys, OpenObjects mode, Where where,
    const std::function<void(const std::vector<bool>&, Terms*)>& unevaluated, ObjectParts* parts) {
  RegexPool& pool = context_->pool();
  struct Class {
    RegexId keys;
    Terms terms;
    bool covered = false;
    std::vector<bool> evaluated = {};
  };
  std::vector<Class> classes{{keys, {}}};
  for (const ObjectPart::Group& group : part.groups) {
    for (Class& c : classes) c.covered = false;
    for (const auto& [regex, term] : group.patterns) {
      std::vector<Class> split;
      for (Class& c : classes) {
        INFE_TRY(context_->Spend(place, 4 + c.terms.size() / 8));
        Class with{pool.And(c.keys, regex), c.terms, true, c.evaluated};
        with.terms.push_back(term);
        c.keys = pool.And(c.keys, pool.Not(regex));
        if (!pool.IsEmpty(with.keys)) split.push_back(std::move(with));
        if (!pool.IsEmpty(c.keys)) split.push_back(std::move(c));
      }
      classes = std::move(split);
      if (classes.size() > kKeyClassesMax)
        return SchemaContext::OverLimit(place, "classes of keys that patternProperties match",
                                        kKeyClassesMax, "kKeyClassesMax");
    }
    for (Class& c : classes) {
      if (!c.covered && group.additional) c.terms.push_back(*group.additional);
      c.evaluated.push_back(c.covered || group.additional.has_value());
    }
  }
  for (Class& c : classes) {
    if (pool.IsEmpty(c.keys)) continue;
    if (mode == OpenObjects::kClosed && std::ranges::find(c.evaluated, true) == c.evaluated.end())
      continue;
    unevaluated(c.evaluated, &c.terms);
    const bool refused = std::ranges::any_of(c.terms, [](const Term& t) {
      return t.place->schema->is_bool() && t.place->schema->as_bool() == t.negated;
    });
    if (refused) continue;
    INFE_ASSIGN(Value value, Lower(c.terms, where));
    if (value.empty()) continue;
    std::vector<std::string> texts;
    if (pool.Enumerate(c.keys, kSpelledOutMax, &texts)) {
      for (std::string& text : texts) parts->properties.push_back({.name = text, .value = value});
    } else {
      parts->others.push_back({c.keys, std::move(value)});
    }
  }
  return {};
}

Result<Value> Lowering::Item(const Job& job, uint32_t index, const Term* also) {
  const Shape& shape = job.shape;
  const ArrayPart& part = shape.array;
  Terms terms;
  for (size_t u = 0; u < part.unevaluated.size(); ++u) {
    const uint32_t scope = part.unevaluated[u].scope;
    bool seen = false;
    for (const ArrayPart::Group& group : part.groups)
      seen =
          seen || ((index < group.prefix.size() || group.rest) && shape.Sees(scope, group.scope));
    for (const Unevaluated& other : part.unevaluated)
      seen = seen || (other.scope != scope && shape.Sees(scope, other.scope));
    if (!seen) terms.push_back(part.unevaluated[u].term);
  }
  for (const ArrayPart::Group& group : part.groups) {
    if (index < group.prefix.size()) {
      terms.push_back(group.prefix[index]);
    } else if (group.rest) {
      terms.push_back(*group.rest);
    }
  }
  for (const auto& [position, term] : part.at)
    if (position == index) terms.push_back(term);
  if (also != nullptr) terms.push_back(*also);
  return Lower(std::move(terms), Inside(job.where));
}

bool Lowering::CountTexts(const Value& value, uint32_t* count, uint64_t* characters) {
  for (const LexemeId id : value.lexemes) {
    const Lexeme lexeme = builder_->program().lexemes[id];
    std::vector<std::string> texts;
    if (lexeme.windowed() && lexeme.max_chars == kUnbounded) return false;
    RegexId content = lexeme.content;
    RegexPool& pool = context_->pool();
    if (lexeme.windowed())
      content = pool.And(
          content, pool.Repeat(pool.Class(CharSet::All()), lexeme.min_chars, lexeme.max_chars));
    if (!pool.Enumerate(content, kUniqueTextsMax, &texts)) return false;
    *count += static_cast<uint32_t>(texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      const size_t shared =
          i == 0 ? 0
                 : static_cast<size_t>(std::ranges::mismatch(texts[i], texts[i - 1]).in1 -
                                       texts[i].begin());
      *characters += texts[i].size() - shared;
    }
  }
  return true;
}

// Items that must differ: their texts are remembered and taken out of the regex, so they have to be
// lexemes, of one spelling each, and the length within the regex.
Result<void> Lowering::MakeUnique(const ArrayPart& part, ArrayParts* parts) {
  if (parts->counts_hits || !parts->prefix.empty() || !parts->rest ||
      !parts->rest->any.nodes.empty())
    return context_->NotEnforced(*part.unique, "uniqueItems",
                                 "items that may be objects or arrays are not compared");
  parts->unique = true;
  RegexPool& pool = context_->pool();
  for (LexemeId& id : parts->rest->any.lexemes) {
    Lexeme lexeme = builder_->program().lexemes[id];
    if (!lexeme.quoted()) continue;
    lexeme.spelling = Spelling::kJsonCanonical;
    if (lexeme.windowed())
      lexeme.content = pool.And(lexeme.content, pool.Repeat(pool.Class(CharSet::All()),
                                                            lexeme.min_chars, lexeme.max_chars));
    lexeme.min_chars = 0;
    lexeme.max_chars = kUnbounded;
    id = builder_->AddLexeme(lexeme);
  }
  uint32_t count = 0;
  uint64_t characters = 0;
  if (!CountTexts(parts->rest->any, &count, &characters)) return {};
  const uint64_t items = std::min(parts->max, count);
  // With every item that is written those that are left become a lexeme of their own, whose states
  // a mask visits one by one.
  const uint64_t states =
      count == 0 ? 0 : characters * items - characters * items * items / count / 2;
  if (states <= kUniqueStatesMax) {
    parts->max = static_cast<uint32_t>(items);
    return {};
  }
  parts->unique = false;
  return context_->NotEnforced(
      *part.unique, "uniqueItems",
      fmt::format("so many texts to choose from take more than {} states (kUniqueStatesMax)",
                  kUniqueStatesMax));
}

Result<void> Lowering::FillArray(Job job) {
  ArrayPart& part = job.shape.array;
  ArrayParts parts{.min = part.min, .max = part.max};
  size_t prefix = 0;
  for (const ArrayPart::Group& group : part.groups) prefix = std::max(prefix, group.prefix.size());
  for (const auto& [position, term] : part.at) prefix = std::max<size_t>(prefix, position + 1);
  prefix = std::min<size_t>(prefix, part.max);
  if (prefix > kPropertiesMax)
    return SchemaContext::OverLimit(job.place, "items in 'prefixItems'", kPropertiesMax,
                                    "kPropertiesMax");
  if (!part.unevaluated.empty() && part.has_contains) {
    // In 2020-12 an item that `contains` counts is evaluated: which ones is not known beforehand.
    for (const Unevaluated& u : part.unevaluated)
      INFE_TRY(context_->NotEnforced(u.owner, "unevaluatedItems", "beside 'contains'"));
    part.unevaluated.clear();
  }
  std::optional<ArrayPart::Contains> contains;
  if (!part.contains.empty()) contains = part.contains.front();
  for (size_t i = 1; i < part.contains.size(); ++i)
    INFE_TRY(context_->NotEnforced(part.contains[i].term.place, "contains",
                                   "several at once are counted one by one"));
  if (contains && contains->max != kUnbounded) {
    if (!normaliser_.CanCountMisses(contains->term)) {
      INFE_TRY(context_->NotEnforced(contains->term.place, "maxContains",
                                     "the opposite of its schema cannot be expressed"));
      contains->max = kUnbounded;
      if (contains->min == 0) contains.reset();
    }
  }
  if (contains) {
    parts.counts_hits = true;
    parts.min_hits = contains->min;
    parts.max_hits = contains->max;
  }
  const auto position = [&](uint32_t index) -> Result<ArrayParts::Position> {
    ArrayParts::Position p;
    if (!contains) {
      INFE_ASSIGN(p.any, Item(job, index, nullptr));
      return p;
    }
    const Term hit = contains->term;
    const Term miss{hit.place, !hit.negated};
    INFE_ASSIGN(p.hit, Item(job, index, &hit));
    INFE_ASSIGN(p.miss, Item(job, index, contains->max == kUnbounded ? nullptr : &miss));
    return p;
  };
  for (uint32_t i = 0; i < prefix; ++i) {
    INFE_ASSIGN(ArrayParts::Position p, position(i));
    parts.prefix.push_back(std::move(p));
  }
  if (part.max > prefix) {
    INFE_ASSIGN(ArrayParts::Position p, position(static_cast<uint32_t>(prefix)));
    parts.rest = std::move(p);
  }
  if (part.unique && part.max > 1) INFE_TRY(MakeUnique(part, &parts));
  values_.FillArray(job.node, parts);
  return {};
}

}  // namespace infe::grammar

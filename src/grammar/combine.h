// Grammars put together from parts: literals, patterns, JSON by schema, free text up to a trigger.
// This is how tool calls are built: one automaton drives the mask and reports, as events, where
// each call and its arguments begin and end, so nothing is parsed twice.
//
//   GrammarBuilder b;
//   auto call = b.Sequence({b.Literal("\n"), *b.Call({.name = "f", .schema = &schema, .mark =
//   "call.0"}),
//                           b.Literal("\n</tool_call>")});
//   auto grammar = b.Build(b.TextAndCalls({{"<tool_call>", call}}, {.min_calls = 0}));
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/notation.h"

namespace infe::grammar {

class ProgramBuilder;
class JsonValues;

class GrammarBuilder {
 public:
  // options: for all JSON parts; its whitespace is the grammar's. budget: of all parts together and
  // Build. A part that has no room left is of no use, and the Result that reports it may be a later
  // one: Build's at the latest.
  explicit GrammarBuilder(const SchemaOptions& options = {}, const CompileBudget& budget = {});
  ~GrammarBuilder();

  struct Part {
    uint32_t node = 0;
  };

  Part Empty();
  Part Literal(std::string_view text);
  // A literal that says which of several things is meant: a tool's name.
  Part Name(std::string_view text);
  // One of the texts.
  Part OneOf(const std::vector<std::string>& texts);
  // One special token of the vocabulary (TokenTable::special_tokens), by id.
  Part SpecialToken(uint32_t token);
  Result<Part> Pattern(std::string_view ecma_pattern);
  Result<Part> JsonSchema(const Json& schema);
  // The same under other options (a tool's own strictness); the whitespace stays the grammar's.
  Result<Part> JsonSchema(const Json& schema, const SchemaOptions& options);
  Part JsonObject();
  Result<Part> Gbnf(std::string_view source);
  // {"KEY": TEXT}: a JSON object whose only member is a string, and what the string means is any
  // text, one match of an ECMA pattern, or a text of a Lark grammar. How a custom tool's input
  // travels.
  enum class TextSyntax { kAny, kRegex, kLark };
  struct TextMember {
    TextSyntax syntax = TextSyntax::kAny;
    std::string_view definition = {};
    std::string key = "input";
  };
  Result<Part> TextObject(const TextMember& member);

  // An object that follows the schema, written in a notation of its own: arguments of calls that
  // are no JSON. What the schema says is enforced as in JSON.
  Result<Part> Notated(const Json& schema, const SchemaOptions& options, const Notation& notation);
  // TextObject's member as the only one of such an object.
  Result<Part> NotatedText(const TextMember& member, const Notation& notation);

  Part Sequence(const std::vector<Part>& parts);
  Part Choice(const std::vector<Part>& parts);  // at least one
  Part Optional(Part part);
  Part Repeat(Part part, uint32_t min, uint32_t max);
  // An event of this name where the part is crossed. Put it behind what can end in one way only (a
  // literal, a string, a bracket): behind a number it would be reported for each digit.
  Part Mark(std::string_view name);

  // One call as a JSON object: {"name": NAME, "arguments": ARGUMENTS}, in this order, with the
  // grammar's whitespace. Events: MARK.begin and MARK.end around the arguments, with MARK = mark.
  struct CallParts {
    std::string name;
    const Json* schema = nullptr;        // of the arguments; null: any object
    std::optional<Part> arguments = {};  // instead of a schema
    std::string mark = {};
    std::string name_key = "name";
    std::string arguments_key = "arguments";
    const SchemaOptions* options = nullptr;  // null: the builder's
    // Members with a schema of their own before and behind (Mistral's id).
    std::vector<std::pair<std::string, const Json*>> before = {};
    std::vector<std::pair<std::string, const Json*>> behind = {};
  };
  Result<Part> Call(const CallParts& parts);

  // Text without any of the strings, to the very end of the grammar; may be empty.
  Part TextWithout(const std::vector<std::string>& strings);
  // Text that ends with the first occurrence of a trigger; no other trigger occurs before.
  Part TextUpTo(const std::string& trigger, const std::vector<std::string>& all_triggers);
  // The same, ended by a special token.
  Part TextUpToSpecial(uint32_t token, const std::vector<std::string>& other_triggers);

  // Free text and calls: text up to a trigger, then what has to follow it, again and again, then
  // text without triggers. No trigger is ever taken without its continuation.
  struct Triggered {
    std::string trigger;
    Part then;
    std::optional<uint32_t> token = {};  // the trigger is this special token, not the text
  };
  struct CallLimits {
    uint32_t min_calls = 0;
    uint32_t max_calls = UINT32_MAX;
    bool text_before = true;   // otherwise the trigger comes at once
    bool text_between = true;  // otherwise blanks only
    bool text_behind = true;   // otherwise the grammar ends with the last call
    // Triggers that stay text-free but lead nowhere (tool_choice none).
    std::vector<std::string> forbidden = {};
  };
  Part TextAndCalls(const std::vector<Triggered>& calls, const CallLimits& limits);

  // What schemas so far left unenforced; Build hands it to the grammar.
  const std::vector<Unenforced>& unenforced() const { return unenforced_; }
  // Errors: a limit, or no text at all matches. The builder is spent.
  Result<GrammarPtr> Build(Part root);

 private:
  Part Lexeme(uint32_t lexeme, bool may_be_empty);
  // Lexemes of bytes: one of this content; a search's (regex_pool.h) text without any of its texts,
  // and the same up to a special token.
  Part ReadBytes(uint32_t content);
  Part TextOutside(uint32_t search);
  Part TextToSpecial(uint32_t search, uint32_t token);

  SchemaOptions options_;
  std::unique_ptr<ProgramBuilder> builder_;
  std::unique_ptr<JsonValues> values_;
  std::vector<Unenforced> unenforced_;
};

}  // namespace infe::grammar

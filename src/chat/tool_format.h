// How a model spells its tool calls. Found by rendering probe conversations (template_probe.h), so
// that a new template needs no code; one fallback for templates that know no tools.
//
// All calls of an answer are, byte for byte as the template would replay them,
//
//   section_begin  call {separator call}  section_end
//   call = call_begin  before_name NAME between ARGUMENTS after_arguments  call_end
//
// e.g. Qwen: call_begin "<tool_call>\n", before_name {"name": ", between ", "arguments": ,
// after_arguments }, call_end "\n</tool_call>", separator "\n". A grammar for forced calls is these
// texts with the tools' names and schemas in between; the OutputParser is laxer about blanks. Where
// ARGUMENTS are no JSON the notation says how they are written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace infe::chat {

// How arguments are written that are no JSON object: each between tags of its own, or as literals
// of another language.
struct ArgumentNotation {
  enum class Inside : uint8_t {
    kJson,  // lists and objects that are values are written as JSON
    kSame,  // as the arguments are, but in braces
  };

  std::string open = {};           // before the first argument: "("
  std::string key_begin = {};      // "<parameter="
  std::string key_end = {};        // between a key and a text: ">\n", "="
  std::string other_key_end = {};  // between a key and anything else; mostly the same
  std::string text_begin = {};     // around a text, which holds no text_end; empty: it goes up to
  std::string text_end = {};       // value_end
  std::string value_end = {};      // "\n</parameter>"
  std::string separator = {};
  std::string close = {};  // ")"
  std::string true_word = "true";
  std::string false_word = "false";
  std::string null_word = "null";
  Inside inside = Inside::kJson;
};

struct ToolFormat {
  enum class Kind : uint8_t {
    kJson,      // a JSON object with the name and the arguments, between markers
    kBareJson,  // such an object as the whole answer, without markers (Llama 3)
    kNamed,     // the name, a marker, then the arguments (newer Mistral, DeepSeek V3.1)
    kTagged,    // the name and each argument between tags (Qwen3.5, GLM, MiniMax)
    kHarmony,   // a message for the function, its text the arguments (gpt-oss; chat/harmony.h)
    kLiteral,   // as code: f(a='x'), call:f{a:<|"|>x<|"|>} (LFM2, Gemma 4)
  };
  Kind kind = Kind::kJson;

  std::string section_begin;
  std::string call_begin;
  std::string before_name;
  std::string between;
  std::string after_arguments;
  std::string call_end;
  std::string separator;
  std::string section_end;

  ArgumentNotation notation = {};  // of kTagged and kLiteral

  std::string name_key = "name";
  std::string arguments_key = "arguments";

  // Any of these begins calls wherever it stands in the answer. Empty for kBareJson.
  std::vector<std::string> triggers;
  // Any of these ends a call; the first is the template's own.
  std::vector<std::string> closers;

  bool is_native = false;     // the model's own template spells it so
  bool takes_several = true;  // calls in one answer

  // Whether a JSON object around the name is what makes a call, so that one may come without marks.
  bool is_object() const { return kind == Kind::kJson || kind == Kind::kBareJson; }
  // Whether the arguments are written in the notation.
  bool is_notated() const { return kind == Kind::kTagged || kind == Kind::kLiteral; }

  // Every text that stands in a call: what may be spelled with tokens of the vocabulary's own.
  std::vector<std::string_view> Texts() const;
  // Text before the name of the first or a later call, and after the arguments of the last or an
  // earlier one: what a grammar puts around NAME between ARGUMENTS.
  std::string OpenText(bool first) const;
  std::string CloseText(bool last) const;
};

// How calls of a function begin where a model writes them without the markers: {"name": "NAME" in
// the spacings that models use, and the same inside an echo of the tool's definition. Each ends
// with the name's closing quote, and in_echo says whether two objects are open behind it.
struct BareOpening {
  std::string text;
  bool in_echo = false;
};
std::vector<BareOpening> BareOpenings(const ToolFormat& format, std::string_view name);

// <tool_call> {"name": ..., "arguments": {...}} </tool_call>, as Hermes, Qwen and SmolLM2 spell it.
ToolFormat HermesFormat();

}  // namespace infe::chat

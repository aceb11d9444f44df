// What is asked of a model, in no dialect's words: a conversation to go on with, or texts to
// continue, or to turn into vectors. A dialect (api/<dialect>/) makes one of its wire's request; a
// Backend answers it. Plain data: whoever has it may change it, until it is handed over.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/partial_sampling.h"
#include "chat/message.h"

namespace infe::answer {

// Where the dialect found a thing in its own request ("messages", "tools[2].function.parameters").
// Errors hand it back and may quote it; nothing else is read into it, so that a dialect's errors
// name that dialect's fields. "" if the thing has no place of its own.
using Origin = std::string;

// Which queue an ask waits in.
enum class Priority : uint8_t { kPriority, kDefault, kFlex };

// For whom, since when and until when. Made by the server's door; const afterwards.
struct Caller {
  std::string cache_salt = {};    // prefixes are shared only between equal salts
  std::string fairness_key = {};  // whose fair share this uses
  double fairness_weight = 1;     // > 0: of weight 2 gets twice the service of weight 1
  Priority priority = Priority::kDefault;
  std::chrono::steady_clock::time_point arrival = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

struct LogitBias {
  int64_t token = 0;  // >= 0; that the vocabulary holds it is the backend's to check
  double bias = 0;    // added to the logit
};

// How a choice ends by tokens, beside the model's own end and Sampling::stops.
struct TokenBounds {
  int64_t min = 0;  // >= 0: before so many, no end, no stop token and no stop text counts
  std::vector<int64_t> stops = {};  // >= 0: a token that ends a choice, and is no part of it
  Origin stops_origin = {};
};

// Whether the text or token that ended a choice is its last piece.
enum class StopText : uint8_t { kLeftOut, kKept };

// What is not given of PartialSampling is the model's default, then the neutral value.
struct Sampling : PartialSampling {
  double presence_penalty = 0;
  double frequency_penalty = 0;
  std::vector<LogitBias> logit_bias = {};
  Origin logit_bias_origin = {};
  std::optional<uint64_t> seed = {};  // absent: one below 2^53 is drawn (Prepared::facts)
  // Texts that end a choice where they stand in its content: reasoning and calls are not looked at.
  std::vector<std::string> stops = {};
  StopText stop_text = StopText::kLeftOut;
  TokenBounds bounds = {};
  bool ignore_eos = false;
};

// What the answer must look like. It is enforced, or the ask is refused.
struct Format {
  enum class Kind : uint8_t {
    kText,        // anything
    kJsonObject,  // one JSON object
    kJsonSchema,  // JSON under `schema`
    kRegex,       // `text`
    kChoice,      // one of `choices`
    kGrammar,     // `text`, GBNF
  };
  Kind kind = Kind::kText;
  Json schema = {};     // an object or a boolean
  bool strict = false;  // every keyword is enforced, or the ask is refused; else it is said
  std::string text = {};
  std::vector<std::string> choices = {};  // at least one, none empty
  std::string name = {};                  // as errors call it; may be empty
  Origin origin = {};
};

// What the model may call.
struct Tool {
  enum class Kind : uint8_t {
    kFunction,  // takes JSON under `parameters`
    kCustom,    // takes one text
  };
  enum class InputSyntax : uint8_t { kText, kLark, kRegex };  // of a custom tool's text

  Kind kind = Kind::kFunction;
  std::string name = {};         // unique among the tools
  std::string description = {};  // "" if none
  Json parameters = {};          // function: a schema; null: it takes none
  bool strict = false;           // function: as Format::strict
  InputSyntax input_syntax = InputSyntax::kText;
  std::string input_grammar = {};  // the Lark grammar or regex
  Origin origin = {};              // of its schema or grammar
};

struct ToolPolicy {
  enum class Mode : uint8_t {
    kNone,      // tools stand in the prompt, calls are forbidden
    kAuto,      // the model chooses
    kRequired,  // at least one call
    kNamed,     // exactly the tool allowed[0]
  };
  Mode mode = Mode::kAuto;
  // Only these may be called, each one of the tools; absent: all of them.
  std::optional<std::vector<std::string>> allowed = {};
  // The answer ends after so many calls; 0: no end by calls.
  uint32_t calls_max = 0;
};

// Which log probabilities come along.
struct ScoresWanted {
  bool tokens = false;  // of each token of the answer
  uint32_t top = 0;     // and of so many of its likeliest alternatives
};

// How hard the model is to think, as templates name it ("low").
enum class Effort : uint8_t { kNone, kMinimal, kLow, kMedium, kHigh, kXHigh, kMax };

// What of this the model has no place for is told (PreparedFacts::ignored), and changes nothing.
struct Thinking {
  // Whether a model with a switch for it thinks first; unset: its template's own default.
  std::optional<bool> on = {};
  // Given to the template as the nearest level that it takes.
  std::optional<Effort> effort = {};
  Origin origin = {};  // of `on` and `effort`
  // >= 0: of each choice. A thought that is as long is ended, and the answer begins.
  std::optional<int64_t> tokens_max = {};
  Origin tokens_max_origin = {};
};

// Values for the template's own variables; of those that it does not know it is told.
struct TemplateArguments {
  Json values = {};  // an object, or null
  Origin origin = {};
};

enum class Truncation : uint8_t {
  kRefuse,      // a prompt that does not fit is refused
  kDropOldest,  // the oldest turns after the system messages go first
};

// What the prompt ends with.
enum class Turn : uint8_t {
  kNext,       // the beginning of the model's turn, behind the last message
  kContinued,  // the text of the last message, an assistant's: the answer goes on with it
  kNone,       // as the template ends the last message
};

enum class Purpose : uint8_t {
  kAnswer,
  kLook,  // at its prompt, which may be longer than the context
};

// The next message of a conversation.
struct ChatAsk {
  std::vector<chat::Message> messages = {};  // at least one
  Origin messages_origin = {};
  Turn turn = Turn::kNext;
  std::vector<Tool> tools = {};
  Origin tools_origin = {};
  ToolPolicy tool_policy = {};
  Format format = {};
  Sampling sampling = {};
  std::optional<int64_t> tokens_max = {};  // >= 1, of each choice; absent: AnswerPolicy bounds it
  uint32_t choices = 1;
  ScoresWanted scores = {};
  Thinking thinking = {};
  TemplateArguments template_arguments = {};
  Truncation truncation = Truncation::kRefuse;
  Purpose purpose = Purpose::kAnswer;
  std::optional<std::string> prediction = {};  // the text expected; never changes the answer
  Caller caller = {};
};

// Text, or token ids (>= 0; that the vocabulary holds them is the backend's to check).
using TextPrompt = std::variant<std::string, std::vector<int64_t>>;

// What follows each of some texts.
struct TextAsk {
  std::vector<TextPrompt> prompts = {};  // at least one; an empty one begins a text
  Origin prompts_origin = {};
  // What comes behind each answer: the model fills in between. Its prompts are texts.
  std::optional<std::string> suffix = {};
  Origin suffix_origin = {};
  Format format = {};
  Sampling sampling = {};
  int64_t tokens_max = 0;  // >= 0, of each choice
  uint32_t choices = 1;    // of each prompt: prompt p, choice i is choice p * choices + i
  bool echo = false;       // the prompt comes before its answer, scored where `scores` says so
  ScoresWanted scores = {};
  Caller caller = {};
};

// What a text is for, where a model was made to be told.
enum class TextRole : uint8_t { kPlain, kQuery, kDocument };

// A vector for each of some texts.
struct EmbedAsk {
  std::vector<TextPrompt> texts = {};  // at least one, none empty
  Origin texts_origin = {};
  // Of all texts. Token ids stand as they are, whatever their role.
  TextRole role = TextRole::kPlain;
  Origin role_origin = {};
  // Only so many of the vectors' first components, made of length 1 again; absent: all.
  std::optional<int64_t> dimensions = {};
  Origin dimensions_origin = {};
  Caller caller = {};
};

// How well each of some texts answers a question.
struct RankAsk {
  std::string query = {};  // not empty
  Origin query_origin = {};
  std::vector<std::string> texts = {};  // at least one, none empty
  Origin texts_origin = {};
  // A text is read up to so many tokens; absent: one that does not fit is refused.
  std::optional<int64_t> text_tokens_max = {};
  Caller caller = {};
};

}  // namespace infe::answer

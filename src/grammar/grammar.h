// A compiled grammar, and the ways to get one. Everything here is immutable and may be shared
// between threads. The contract of every compiler: a construct is enforced by the mask, or it is
// named in unenforced(), or the grammar is refused with an Error whose message names construct and
// path.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/fuel.h"
#include "base/json.h"
#include "base/result.h"
#include "grammar/json_text.h"

namespace infe::grammar {

struct Program;
class Machine;
class TokenTrie;

// A schema keyword that the mask does not enforce, because the caller asked for leniency.
struct Unenforced {
  std::string keyword;
  std::string path;  // JSON pointer of the schema that holds it, "" for the root
  std::string reason;
};

class Grammar {
 public:
  explicit Grammar(Program program, std::vector<Unenforced> unenforced = {});
  ~Grammar();

  const Program& program() const { return *program_; }
  const std::vector<Unenforced>& unenforced() const { return unenforced_; }
  const std::vector<std::string>& tags() const;  // what GrammarEvent::tag counts

  // Running state left by an earlier matcher over the same trie, so that a cached grammar starts
  // warm; null when there is none. Thread-safe.
  std::unique_ptr<Machine> TakeMachine(const TokenTrie* trie) const;
  void GiveBack(std::unique_ptr<Machine> machine) const;
  // A machine that runs holds `after` bytes by now, where it held `before`. Thread-safe.
  void CountRunning(size_t before, size_t after) const { running_bytes_ += after - before; }
  // What it holds in memory, with its machines, those that run and those that are kept.
  // Thread-safe.
  size_t bytes() const;

 private:
  std::unique_ptr<const Program> program_;
  const size_t program_bytes_;
  std::vector<Unenforced> unenforced_;
  mutable std::atomic<size_t> running_bytes_ = 0;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Machine>> idle_;  // guarded by mutex_
};

using GrammarPtr = std::shared_ptr<const Grammar>;

// How far a schema has to be enforceable.
enum class Strictness {
  kNamed,   // what cannot be enforced is listed in unenforced()
  kStrict,  // what cannot be enforced is an error
};

enum class KeyOrder {
  kDeclared,  // closed objects: as `properties` lists them; open ones: wherever a key is unused
  kAny,
};

// What an object schema that declares keys and says nothing of others means for what is written.
enum class OpenObjects {
  kAsWritten,  // any further key, as the specification has it
  // Only declared keys, as its author means it: those of `properties` in whatever applies in place,
  // those that `required` names, and those that one of them needs. Others only where
  // additionalProperties, patternProperties, unevaluatedProperties or propertyNames speak of them,
  // where nothing declares `properties` at all, or where minProperties asks for more than are
  // declared; declared keys come first then. What is written is valid under kAsWritten as well.
  kClosed,
};

enum class FormatPolicy {
  kEnforce,     // the formats we know; others are listed in unenforced() (an error under kStrict)
  kAnnotation,  // none
};

// What a $ref that leads nowhere in the document does.
enum class DanglingReference {
  kRefused,  // kNotFound
  kNamed,    // says nothing, and is listed in unenforced(); an error under kStrict
};

struct SchemaOptions {
  Strictness strictness = Strictness::kNamed;
  Whitespace whitespace = Whitespace::kBounded;
  KeyOrder key_order = KeyOrder::kDeclared;
  OpenObjects open_objects = OpenObjects::kAsWritten;
  FormatPolicy formats = FormatPolicy::kEnforce;
  DanglingReference dangling = DanglingReference::kRefused;
  // Whether 1.0 is written where an integer is asked for. The specification takes it; most programs
  // that read integers do not.
  bool integers_with_fraction = false;
  // The dialect when `$schema` says nothing; "" = 2020-12.
  std::string default_dialect = {};
};

// Who may end a compilation before it is done. The work itself is bounded always, whoever asks, by
// kCompileStepsMax, kCompileBytesMax and kCompileCpuMsMax of limits.h.
struct CompileBudget {
  // Borrowed for the call (by a GrammarBuilder: for its life), may be null, set by any thread: the
  // client left, or the process stops. Ends in kCancelled within about half a millisecond.
  const std::atomic<bool>* cancelled = nullptr;
  // Of the request. Ends in kDeadlineExceeded.
  Fuel::Clock::time_point deadline = Fuel::Clock::time_point::max();
};

// Errors: kInvalidArgument for a malformed schema, or one that no text fits (then without a place),
// kNotFound for a dangling reference, kUnsupported for a keyword that would not be enforced,
// kResourceExhausted for a limit (all of them are faults of the request, and the same again when it
// is repeated); kCancelled and kDeadlineExceeded as CompileBudget says. param is the JSON pointer
// of the place.
Result<GrammarPtr> CompileJsonSchema(const Json& schema, const SchemaOptions& options = {},
                                     const CompileBudget& budget = {});
// Any JSON object ("JSON mode").
Result<GrammarPtr> CompileJsonObject(Whitespace whitespace = Whitespace::kBounded);
// The whole text matches an ECMA 262 pattern.
Result<GrammarPtr> CompileRegex(std::string_view pattern, const CompileBudget& budget = {});
// The whole text is one of the choices.
Result<GrammarPtr> CompileChoice(const std::vector<std::string>& choices,
                                 const CompileBudget& budget = {});
Result<GrammarPtr> CompileGbnf(std::string_view source, const CompileBudget& budget = {});
Result<GrammarPtr> CompileLark(std::string_view source, const CompileBudget& budget = {});

}  // namespace infe::grammar

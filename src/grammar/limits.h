// Every bound of constrained decoding in one place, each with its reason. A grammar or a schema
// comes from a stranger: what passes a bound is refused with the bound's name before the first
// token, or ends that one request in mid-generation, and never the process.
#pragma once

#include <cstddef>
#include <cstdint>

namespace infe::grammar {

// -- What is read ------------------------------------------------------------------------------
inline constexpr size_t kSchemaBytesMax = 1 << 20;  // the largest public schema has 915 kB
inline constexpr size_t kSchemaDepthMax = 100;      // levels of JSON; real schemas stay under 40
inline constexpr size_t kPropertiesMax = 5000;      // per object; also what OpenAI documents
inline constexpr size_t kEnumValuesMax = 20000;     // in one schema
inline constexpr size_t kRegexBytesMax = 16 << 10;  // the longest public pattern has 5,153
inline constexpr size_t kRegexDepthMax = 100;       // groups inside each other
inline constexpr uint32_t kRepeatMax = 1000000;     // counters, so the number costs nothing
inline constexpr size_t kGrammarBytesMax = 1 << 20;
inline constexpr size_t kGrammarDepthMax = 100;  // groups inside each other in GBNF and Lark

// -- What is built -----------------------------------------------------------------------------
inline constexpr size_t kProgramStatesMax = 500000;
inline constexpr size_t kRegexNodesMax = 2000000;  // about 100 MB of nodes and edges
inline constexpr size_t kEmptinessStatesMax =
    20000;                                        // states searched to learn whether one is dead
inline constexpr size_t kAlternativesMax = 4096;  // of one value, once anyOf and not are spread out
inline constexpr size_t kUniqueStatesMax = 40000;  // of unique texts; of kLexStatesMax
inline constexpr size_t kKeyClassesMax = 256;      // classes of undeclared keys of one object

// One grammar's fuel (base/fuel.h). The dearest of 700 public schemas takes 2 ms: steps and bytes
// are what decides, the same on every machine; CPU time is there for what they misjudge.
// A short text gets the first pair, and every byte that is read adds to it, up to the second: what
// a few hundred bytes can cost others stays small, and 20,000 enum values are still read.
inline constexpr uint64_t kCompileSteps = 1000000;  // 50 to 300 ms
inline constexpr size_t kCompileBytes = size_t{12} << 20;
inline constexpr uint64_t kCompileStepsPerByte = 20;
inline constexpr size_t kCompileBytesPerByte = 400;
inline constexpr uint64_t kCompileStepsMax = 2000000;         // 100 to 400 ms
inline constexpr size_t kCompileBytesMax = size_t{64} << 20;  // the same for all that it holds
inline constexpr size_t kCompileCpuMsMax = 1000;

// -- What a running matcher may take -----------------------------------------------------------
// Of one call into a matcher: a mask, a token taken, a way to the end. A step is 30 to 160 ns; none
// of 700 public schemas comes near. The time is a backstop for what steps misjudge.
inline constexpr uint64_t kMatcherStepsMax = 4000000;
inline constexpr size_t kMatcherCpuMs = 1000;
// Of all calls for one request that were too dear for the engine's thread: one to three seconds.
inline constexpr uint64_t kMatcherStepsInAllMax = 40000000;
// Of memory, for all that is kept between calls. Looked at after each call, and a call may add as
// much again as kMatcherCallBytesMax.
inline constexpr size_t kMatcherBytesMax = 48 << 20;
inline constexpr size_t kMatcherCallBytesMax = 16 << 20;
inline constexpr size_t kLexStatesMax = 50000;      // sets of lexemes under way
inline constexpr size_t kRowItemsMax = 2000;        // of one Earley row
inline constexpr size_t kRowsMax = 1000000;         // of one matcher and its forks
inline constexpr size_t kThreadsMax = 256;          // places where one text may stand at once
inline constexpr size_t kForcedBytesMax = 1024;     // looked ahead by ForcedBytes
inline constexpr size_t kLongKeyBytes = 64;         // of a key in JSON that no schema names
inline constexpr size_t kFinishBytesMax = 1 << 16;  // longest closing text that is written out

}  // namespace infe::grammar

// A chat template: Jinja text, compiled once per model, rendered once per request. Our own
// interpreter, byte-equal to Python's jinja2 under the settings of Hugging Face's tokenizers
// (docs/templates.md): immutable sandbox, trim_blocks, lstrip_blocks, loop controls, the
// `generation` block, tojson as json.dumps, raise_exception and strftime_now.
//
// What it adds is origin: every byte of the output is known to come either from the template (and
// the model's own special tokens) or from the request. Special tokens are looked for only in the
// former, so that no text of a user can forge one.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace infe::jinja {

// Bytes [begin, end) of RenderedText::text.
struct TrustedRange {
  size_t begin = 0;
  size_t end = 0;
  bool operator==(const TrustedRange&) const = default;
};

struct RenderedText {
  std::string text;
  // What the template wrote itself; ascending, not empty, never touching. Trusted are: literals and
  // text of the template, variables of the context whose name ends in "_token", and the roles of
  // `messages` when they are one of the known role names. All else is the request's.
  std::vector<TrustedRange> trusted;
};

// Bounds of one rendering. Templates come with models, their data with requests.
struct RenderOptions {
  // Steps. A loop of a few nodes a message needs some thousands, 16 MB of messages half a million.
  uint64_t fuel = 1'500'000;
  // Of texts and values: a body of 16 MiB in its 2^18 values, and several copies of it.
  size_t memory_bytes_max = 256u << 20;
  // Of the thread: what the steps take here at most. It is for what they misjudge.
  std::chrono::milliseconds cpu_time_max{250};
  size_t output_bytes_max = 64u << 20;  // four times the largest request body
  int64_t range_max = 100'000;          // longest range(), as in jinja2's sandbox
  int recursion_max = 100;              // macros and recursive loops inside each other
  std::optional<std::time_t> now;       // for strftime_now; unset: the system clock
  // Numbers of the context with a fraction or exponent are written as they stand in the request
  // (1.50) instead of as Python writes them (1.5), so that replayed calls keep their bytes.
  bool keep_number_text = false;
};

struct Program;

// Immutable after Compile: any number of threads may render at once.
class Template {
 public:
  // Every error (kInvalidArgument) names the line. An unknown tag, filter or test is one.
  static Result<std::unique_ptr<const Template>> Compile(std::string_view source);
  ~Template();
  Template(const Template&) = delete;
  Template& operator=(const Template&) = delete;

  // context: an object; its members are the template's variables. What raises in jinja2 is
  // kInvalidArgument here, with raise_exception's own text as message; a limit that is reached is
  // kResourceExhausted. Never throws.
  Result<RenderedText> Render(const Json& context, const RenderOptions& options = {}) const;

 private:
  explicit Template(std::unique_ptr<const Program> program);
  std::unique_ptr<const Program> program_;
};

}  // namespace infe::jinja

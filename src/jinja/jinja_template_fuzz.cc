// Any bytes as a template, over a small context: compiling and rendering end in a value or an
// error, within their bounds of time and memory.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/fuzz_cost.h"
#include "base/json.h"
#include "jinja/template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const infe::Json context = *infe::ParseJson(R"({
    "messages": [{"role": "user", "content": "a \u00e9 <s>"},
                 {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1.5}}}]}],
    "tools": [{"function": {"name": "f"}}], "bos_token": "<s>", "n": 3, "xs": [1, 2, 3], "none": null})");
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  infe::FuzzCost cost("a template", source);
  const auto compiled = infe::jinja::Template::Compile(source);
  cost.Check(200, 100);
  if (!compiled) return 0;
  infe::jinja::RenderOptions options;
  options.fuel = 20'000;
  options.output_bytes_max = 1 << 20;
  options.now = 0;
  options.memory_bytes_max = 32u << 20;
  const auto rendered = (*compiled)->Render(context, options);
  cost.Check(50, 100);  // 20,000 steps take 2 ms
  if (!rendered) return 0;
  size_t end = 0;
  for (const auto& range : rendered->trusted) {
    const bool first = &range == rendered->trusted.data();
    if (range.begin >= range.end || (!first && range.begin <= end)) std::abort();
    end = range.end;
  }
  if (end > rendered->text.size()) std::abort();
  return 0;
}

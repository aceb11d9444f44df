// Renders chat templates for conformance runs and differential fuzzing: one JSON object a line in,
// one a line out. In: {"template": text, "context": {...}, "now": seconds} (template may be left out
// when --template FILE is given). Out: {"text": ..., "trusted": [[begin, end], ...]} or
// {"error": ...}. A developer's tool; it is no part of the shipped program.
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <string>

#include "base/json.h"
#include "chat/template.h"

namespace {

using infe::Json;
using infe::Result;

Json Failure(const infe::Error& error) {
  Json out = Json::MakeObject();
  out.set("error", error.message);
  return out;
}

Json Answer(const std::string& line, const std::string& fixed_template) {
  Result<Json> request = infe::ParseJson(line, {.depth = 200, .allow_duplicate_keys = true});
  if (!request) return Failure(request.error());
  const Json* source = request->find("template");
  auto compiled = infe::chat::Template::Compile(source != nullptr ? source->as_string() : fixed_template);
  if (!compiled) return Failure(compiled.error());
  infe::chat::RenderOptions options;
  if (const Json* now = request->find("now")) options.now = now->as_int64();
  const Json* context = request->find("context");
  const auto rendered = (*compiled)->Render(context != nullptr ? *context : Json::MakeObject(), options);
  if (!rendered) return Failure(rendered.error());
  Json ranges = Json::MakeArray();
  for (const auto& range : rendered->trusted) {
    Json pair = Json::MakeArray();
    pair.push_back(static_cast<uint64_t>(range.begin));
    pair.push_back(static_cast<uint64_t>(range.end));
    ranges.push_back(std::move(pair));
  }
  Json out = Json::MakeObject();
  out.set("text", rendered->text);
  out.set("trusted", std::move(ranges));
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  std::string fixed_template;
  if (argc == 3 && std::string(argv[1]) == "--template") {
    std::ifstream file(argv[2], std::ios::binary);
    fixed_template.assign(std::istreambuf_iterator<char>(file), {});
  }
  for (std::string line; std::getline(std::cin, line);)
    std::cout << Answer(line, fixed_template).Dump() << std::endl;
  return 0;
}

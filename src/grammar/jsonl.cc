#include "grammar/jsonl.h"

#include <algorithm>
#include <istream>
#include <ostream>
#include <span>
#include <string>

#include <fmt/format.h>
#include <time.h>

#include "base/json.h"
#include "grammar/matcher.h"

namespace infe::grammar {
namespace {

// The processor time of this thread: what a mask costs, however busy the machine is.
double Microseconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}
// What two looks at the clock take by themselves: a system call, half of what a kept mask takes.
double ClockCost() {
  double least = 1e6;
  for (int i = 0; i < 1000; ++i) {
    const double start = Microseconds();
    least = std::min(least, Microseconds() - start);
  }
  return least;
}
double MicrosecondsSince(double start) {
  static const double clock_cost = ClockCost();
  return std::max(0.0, Microseconds() - start - clock_cost);
}

Json Rounded(double microseconds) {
  return Json(JsonNumber{fmt::format("{:.2f}", microseconds)});
}

Json Quantiles(std::vector<double> times) {
  Json result = Json::MakeObject();
  std::sort(times.begin(), times.end());
  double sum = 0;
  for (const double t : times) sum += t;
  const auto at = [&](double q) {
    if (times.empty()) return 0.0;
    return times[std::min(times.size() - 1,
                          static_cast<size_t>(q * static_cast<double>(times.size())))];
  };
  result.set("avg", Rounded(times.empty() ? 0 : sum / static_cast<double>(times.size())));
  result.set("p50", Rounded(at(0.5)));
  result.set("p99", Rounded(at(0.99)));
  result.set("max", Rounded(at(1)));
  result.set("count", static_cast<uint64_t>(times.size()));
  return result;
}

bool Flag(const Json* options, std::string_view name, bool otherwise) {
  const Json* value = options != nullptr ? options->find(name) : nullptr;
  return value != nullptr && value->is_bool() ? value->as_bool() : otherwise;
}

std::string Word(const Json* options, std::string_view name) {
  const Json* value = options != nullptr ? options->find(name) : nullptr;
  return value != nullptr && value->is_string() ? value->as_string() : "";
}

SchemaOptions ReadOptions(const Json& request) {
  const Json* json = request.find("options");
  SchemaOptions options;
  if (Flag(json, "strict", false)) options.strictness = Strictness::kStrict;
  const std::string whitespace = Word(json, "whitespace");
  if (whitespace == "compact") options.whitespace = Whitespace::kCompact;
  if (whitespace == "exact") options.whitespace = Whitespace::kExact;
  if (Word(json, "key_order") == "any") options.key_order = KeyOrder::kAny;
  if (!Flag(json, "formats", true)) options.formats = FormatPolicy::kAnnotation;
  options.integers_with_fraction = Flag(json, "integers_with_fraction", false);
  options.default_dialect = Word(json, "default_dialect");
  return options;
}

Result<GrammarPtr> Compile(const Json& request) {
  if (const Json* schema = request.find("schema"))
    return CompileJsonSchema(*schema, ReadOptions(request));
  if (const Json* json_object = request.find("json_object"); json_object != nullptr)
    return CompileJsonObject(ReadOptions(request).whitespace);
  if (const std::string text = Word(&request, "grammar"); !text.empty()) return CompileGbnf(text);
  if (const std::string text = Word(&request, "lark"); !text.empty()) return CompileLark(text);
  if (const std::string text = Word(&request, "regex"); !text.empty()) return CompileRegex(text);
  if (const Json* choice = request.find("choice"); choice != nullptr && choice->is_array()) {
    std::vector<std::string> choices;
    for (const Json& item : choice->array())
      if (item.is_string()) choices.push_back(item.as_string());
    return CompileChoice(choices);
  }
  return InvalidArgument("a line holds schema, json_object, grammar, lark, regex or choice");
}

// The words of a mask in hexadecimal, the lowest digit first: digit i holds tokens 4i..4i+3.
std::string HexOf(std::span<const uint64_t> words) {
  std::string hex;
  hex.reserve(words.size() * 16);
  for (uint64_t word : words)
    for (int digit = 0; digit < 16; ++digit, word >>= 4) hex += "0123456789abcdef"[word & 15];
  return hex;
}

std::vector<uint32_t> Tokens(const Json& instance, const EncodeFunction& encode) {
  if (instance.is_string()) return encode(instance.as_string());
  std::vector<uint32_t> tokens;
  if (instance.is_array())
    for (const Json& id : instance.array())
      if (id.is_number()) tokens.push_back(static_cast<uint32_t>(id.as_int64().value_or(0)));
  return tokens;
}

Json Feed(const GrammarPtr& grammar, const std::shared_ptr<const TokenTrie>& trie,
          const std::vector<uint32_t>& tokens, const JsonLinesOptions& options, Json* masks,
          std::vector<double>* mask_times) {
  Json result = Json::MakeObject();
  const auto refuse = [&](size_t bytes, const std::string& why) {
    result.set("accepted", false);
    result.set("tokens", static_cast<uint64_t>(tokens.size()));
    result.set("at", static_cast<uint64_t>(bytes));
    if (!why.empty()) result.set("error", why);
    return result;
  };
  auto matcher = NewMatcher(grammar, trie);
  size_t bytes = 0;
  for (const uint32_t token : tokens) {
    const auto start = Microseconds();
    const auto mask = matcher->Mask();
    mask_times->push_back(MicrosecondsSince(start));
    if (!mask) return refuse(bytes, mask.error().message);
    if (masks != nullptr) masks->push_back(HexOf(mask->words));
    const bool allowed = mask->Allows(token);
    if (options.check_masks) {
      const std::vector<uint64_t> words(mask->words.begin(), mask->words.end());
      for (uint32_t t = 0; t < trie->vocab_size(); ++t)
        if (((words[t / 64] >> (t % 64)) & 1) != static_cast<uint64_t>(matcher->Allows(t)))
          return refuse(bytes, fmt::format("the mask is wrong for token {}", t));
    }
    if (!allowed) return refuse(bytes, "");
    if (const auto taken = matcher->Accept(token); !taken)
      return refuse(bytes, taken.error().message);
    bytes += trie->Bytes(token).size();
  }
  if (masks != nullptr) {
    const auto mask = matcher->Mask();
    if (mask) masks->push_back(HexOf(mask->words));
  }
  if (!matcher->IsComplete()) return refuse(bytes, "");
  result.set("accepted", true);
  result.set("tokens", static_cast<uint64_t>(tokens.size()));
  return result;
}

}  // namespace

Result<void> RunGrammarJsonLines(std::istream& in, std::ostream& out,
                                 std::shared_ptr<const TokenTrie> trie,
                                 const EncodeFunction& encode, const JsonLinesOptions& options) {
  std::string line;
  size_t number = 0;
  while (std::getline(in, line)) {
    ++number;
    if (line.empty()) continue;
    const auto request = ParseJson(line, {.depth = 1000});
    if (!request || !request->is_object())
      return InvalidArgument(
          fmt::format("line {}: {}", number, request ? "not an object" : request.error().message));
    Json reply = Json::MakeObject();
    if (const Json* id = request->find("id")) reply.set("id", *id);
    const auto start = Microseconds();
    const auto grammar = Compile(*request);
    const double compile_us = MicrosecondsSince(start);
    if (!grammar) {
      reply.set("status", "refused");
      reply.set("reason", grammar.error().message);
      reply.set("path", grammar.error().param);
      reply.set("code", Name(grammar.error().code));
      reply.set("results", Json::MakeArray());
      reply.set("mask_us", Quantiles({}));
    } else {
      const auto& unenforced = (*grammar)->unenforced();
      reply.set("status", unenforced.empty() ? "ok" : "named");
      // Of the first that is named; `named` has them all.
      reply.set("reason", unenforced.empty()
                              ? std::string()
                              : fmt::format("{}: {}", unenforced[0].keyword, unenforced[0].reason));
      reply.set("path", unenforced.empty() ? std::string() : unenforced[0].path);
      Json named = Json::MakeArray();
      for (const Unenforced& u : unenforced) {
        Json entry = Json::MakeObject();
        entry.set("keyword", u.keyword);
        entry.set("path", u.path);
        entry.set("reason", u.reason);
        named.push_back(std::move(entry));
      }
      reply.set("named", std::move(named));
      std::vector<double> mask_times;
      Json results = Json::MakeArray();
      Json details = Json::MakeArray();
      if (const Json* instances = request->find("instances");
          instances != nullptr && instances->is_array())
        for (const Json& instance : instances->array()) {
          Json masks = Json::MakeArray();
          const bool wants_masks = Flag(&*request, "masks", false);
          Json fed = Feed(*grammar, trie, Tokens(instance, encode), options,
                          wants_masks ? &masks : nullptr, &mask_times);
          if (wants_masks) fed.set("masks", std::move(masks));
          results.push_back(fed.find("accepted")->as_bool());
          details.push_back(std::move(fed));
        }
      reply.set("results", std::move(results));
      reply.set("details", std::move(details));
      if (Flag(&*request, "times", false)) {
        Json all = Json::MakeArray();
        for (const double t : mask_times) all.push_back(Rounded(t));
        reply.set("mask_times", std::move(all));
      }
      reply.set("mask_us", Quantiles(std::move(mask_times)));
    }
    reply.set("compile_us", Rounded(compile_us));
    out << reply.Dump() << '\n';
  }
  return {};
}

}  // namespace infe::grammar

// infe tokenize: text to token ids and back, one text or JSON lines.
#include <iostream>
#include <iterator>
#include <sstream>

#include <fmt/format.h>

#include "base/json.h"
#include "base/utf8.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/open_model.h"
#include "engine/loader.h"

namespace infe::cli {
namespace {

struct Arguments {
  std::string model, data_dir;
  bool decode = false, jsonl = false, special = false, add_special = false, json = false;
};

Json Ids(const std::vector<tokenizer::TokenId>& ids) {
  Json list = Json::MakeArray();
  for (const auto id : ids) list.push_back(static_cast<int64_t>(id));
  return list;
}

std::vector<tokenizer::TokenId> Encode(const tokenizer::Tokenizer& tokenizer, std::string_view text,
                                       const Arguments& a) {
  return tokenizer.Encode(text, {.special = a.special ? tokenizer::SpecialTokens::kAll
                                                      : tokenizer::SpecialTokens::kNone,
                                 .add_special = a.add_special ? tokenizer::AddSpecial::kAsVocabulary
                                                              : tokenizer::AddSpecial::kNever});
}

// Ids that the vocabulary lacks have no text; to leave them out would be to change the text.
Result<std::string> Decode(const tokenizer::Tokenizer& tokenizer,
                           const std::vector<tokenizer::TokenId>& ids) {
  for (const auto id : ids)
    if (id >= tokenizer.size())
      return InvalidArgument(fmt::format("{} is not a token id: the vocabulary has 0 to {}", id,
                                         tokenizer.size() - 1));
  return tokenizer.Decode(ids);
}

Result<std::vector<tokenizer::TokenId>> ReadIds(const Json* list) {
  if (list == nullptr || !list->is_array()) return InvalidArgument("expected {\"ids\":[...]}");
  std::vector<tokenizer::TokenId> ids;
  for (const Json& item : list->array()) {
    const auto id = item.is_number() ? item.as_int64() : std::nullopt;
    if (!id || *id < 0 || *id > INT32_MAX) return InvalidArgument("ids are integers from 0");
    ids.push_back(static_cast<tokenizer::TokenId>(*id));
  }
  return ids;
}

Result<void> RunLines(const tokenizer::Tokenizer& tokenizer, const Arguments& a) {
  std::string line;
  for (int number = 1; std::getline(std::cin, line); ++number) {
    if (line.empty()) continue;
    auto json = ParseJson(line);
    if (!json) return InvalidArgument(fmt::format("line {}: {}", number, json.error().message));
    Json out;
    if (a.decode) {
      auto ids = ReadIds(json->find("ids"));
      if (!ids) return InvalidArgument(fmt::format("line {}: {}", number, ids.error().message));
      auto text = Decode(tokenizer, *ids);
      if (!text) return InvalidArgument(fmt::format("line {}: {}", number, text.error().message));
      out = Json::Object{{"text", SanitizeUtf8(*text)}};
    } else {
      const Json* text = json->find("text");
      if (text == nullptr || !text->is_string())
        return InvalidArgument(fmt::format("line {}: expected {{\"text\":\"...\"}}", number));
      out = Json::Object{{"ids", Ids(Encode(tokenizer, text->as_string(), a))}};
    }
    std::cout << out.Dump() << '\n';
  }
  std::cout.flush();
  return {};
}

Result<void> RunOnce(const tokenizer::Tokenizer& tokenizer, const Arguments& a) {
  const std::string text(std::istreambuf_iterator<char>(std::cin), {});
  if (a.decode) {
    std::vector<tokenizer::TokenId> ids;
    std::string normal = text;
    for (char& c : normal)
      if (c == ',' || c == '[' || c == ']') c = ' ';
    std::istringstream in(normal);
    for (std::string word; in >> word;) {
      if (word.find_first_not_of("0123456789") != std::string::npos || word.size() > 9)
        return InvalidArgument(fmt::format("\"{}\" is not a token id", word));
      ids.push_back(static_cast<tokenizer::TokenId>(std::stoul(word)));
    }
    INFE_ASSIGN(const std::string decoded, Decode(tokenizer, ids));
    std::cout << decoded;
    std::cout.flush();
    return {};
  }
  const auto ids = Encode(tokenizer, text, a);
  if (a.json) {
    std::cout << Json(Json::Object{{"ids", Ids(ids)}}).Dump() << '\n';
    return {};
  }
  for (size_t i = 0; i < ids.size(); ++i) std::cout << (i == 0 ? "" : " ") << ids[i];
  std::cout << '\n';
  return {};
}

Result<void> Tokenize(const Arguments& a) {
  INFE_ASSIGN(const model::GgufFile file, OpenGguf(a.model, a.data_dir));
  INFE_ASSIGN(const auto tokenizer, engine::LoadTokenizer(file));
  return a.jsonl ? RunLines(*tokenizer, a) : RunOnce(*tokenizer, a);
}

}  // namespace

void AddTokenize(CommandLine& line) {
  static Arguments a;
  line.Add("tokenize", "Text on stdin to token ids, and back")
      .Option("--model", a.model, "Name or GGUF path (a vocabulary-only file will do)")
      .Option("--data-dir", a.data_dir, "Where models and keys are kept")
      .Flag("--decode", a.decode, "Token ids to text")
      .Flag("--jsonl", a.jsonl,
            "JSON lines: {\"text\":..} -> {\"ids\":[..]}; with --decode the other way")
      .Flag("--special", a.special, "Read special tokens such as <|im_end|> in the text")
      .Flag("--add-special", a.add_special, "Add BOS and EOS where the vocabulary asks for them")
      .Flag("--json", a.json, "Print {\"ids\":[..]}")
      .Run([] {
        if (a.model.empty())
          return FailUsage("which model? give --model NAME or --model FILE.gguf");
        auto done = Tokenize(a);
        return done ? kExitDone : Fail(done.error());
      });
}

}  // namespace infe::cli

// infe grammar: schemas and grammars with instances as JSON lines in, verdicts and times out.
#include <iostream>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/open_model.h"
#include "engine/loader.h"
#include "engine/token_trie.h"
#include "grammar/jsonl.h"

namespace infe::cli {
namespace {

struct Arguments {
  std::string model, data_dir;
  bool check_masks = false;
};

Result<void> Run(const Arguments& a) {
  INFE_ASSIGN(const model::GgufFile file, OpenGguf(a.model, a.data_dir));
  INFE_ASSIGN(const auto tokenizer, engine::LoadTokenizer(file));
  INFE_ASSIGN(const auto trie, engine::BuildTokenTrie(*tokenizer, tokenizer->end_of_generation()));
  const auto encode = [&](std::string_view text) {
    return tokenizer->Encode(text, {.add_special = tokenizer::AddSpecial::kNever});
  };
  return grammar::RunGrammarJsonLines(std::cin, std::cout, trie, encode,
                                      {.check_masks = a.check_masks});
}

}  // namespace

void AddGrammar(CommandLine& line) {
  static Arguments a;
  line.Add("grammar", "Try schemas and grammars on texts: JSON lines in, verdicts out")
      .Option("--model", a.model, "Name or GGUF path whose vocabulary is used")
      .Option("--data-dir", a.data_dir, "Where models and keys are kept")
      .Flag("--check-masks", a.check_masks, "Compare each mask with trying every token; slow")
      .Footer(
          "In:  {\"schema\"|\"grammar\"|\"lark\"|\"regex\"|\"choice\": ..., \"instances\": "
          "[text...]}\n"
          "Out: {\"status\": \"ok|named|refused\", \"reason\", \"path\", \"results\", "
          "\"compile_us\", \"mask_us\"}")
      .Run([] {
        if (a.model.empty())
          return Fail(InvalidArgument("which model? give --model NAME or --model FILE.gguf"));
        auto done = Run(a);
        return done ? kExitDone : Fail(done.error());
      });
}

}  // namespace infe::cli

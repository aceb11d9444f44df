// GBNF, the grammar notation of llama.cpp: rules over code points, without a lexer of their own.
// The root rule is `root`.
#include <fmt/format.h>

#include "base/utf8.h"
#include "grammar/cfg.h"
#include "grammar/grammar_text.h"
#include "grammar/limits.h"
#include "grammar/text_grammars.h"

namespace infe::grammar {
namespace {

class GbnfParser : GrammarText {
 public:
  GbnfParser(std::string_view text, Cfg* cfg) : GrammarText(text), cfg_(cfg) {}

  Result<void> Parse() {
    Skip(true);
    while (at_ < text_.size()) {
      line_ +=
          static_cast<size_t>(std::ranges::count(text_.substr(counted_, at_ - counted_), '\n'));
      counted_ = at_;
      INFE_ASSIGN(const std::string_view name, Name());
      Skip(false);
      if (!Take("::=")) return Bad("'::=' is missing");
      Skip(true);
      INFE_ASSIGN(CfgExpr body, Alternatives(0));
      INFE_TRY(cfg_->Define(cfg_->Rule(name), std::move(body), line_));
      if (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\r')
        return Bad("the end of a rule was expected");
      Skip(true);
    }
    return {};
  }

 private:
  void Skip(bool lines) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r'))) {
        ++at_;
      } else {
        return;
      }
    }
  }
  static bool IsName(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  }
  Result<std::string_view> Name() {
    const size_t begin = at_;
    while (at_ < text_.size() && IsName(text_[at_])) ++at_;
    if (at_ == begin) return Bad("the name of a rule was expected");
    return text_.substr(begin, at_ - begin);
  }

  Result<CfgExpr> Alternatives(size_t depth) {
    if (depth > kGrammarDepthMax)
      return TooMuch(fmt::format("more than {} groups inside each other (kGrammarDepthMax)",
                                 kGrammarDepthMax));
    CfgExpr choice{.kind = CfgExpr::Kind::kChoice};
    do {
      Skip(true);
      INFE_ASSIGN(CfgExpr sequence, Sequence(depth));
      choice.Take(std::move(sequence));
      Skip(depth > 0);
    } while (Take("|"));
    if (choice.children.size() == 1) return std::move(choice.children.front());
    return choice;
  }

  Result<CfgExpr> Sequence(size_t depth) {
    CfgExpr sequence;
    while (at_ < text_.size()) {
      const char c = Peek();
      CfgExpr item;
      if (c == '"') {
        INFE_ASSIGN(item.regex, Literal());
        item.kind = CfgExpr::Kind::kRegex;
      } else if (c == '[') {
        INFE_ASSIGN(item.regex, Class());
        item.kind = CfgExpr::Kind::kRegex;
      } else if (c == '.') {
        ++at_;
        item.kind = CfgExpr::Kind::kRegex;
        item.regex = cfg_->pool().Class(CharSet::All());
      } else if (c == '(') {
        ++at_;
        INFE_ASSIGN(item, Alternatives(depth + 1));
        Skip(true);
        if (!Take(")")) return Bad("a group is not closed");
      } else if (IsName(c)) {
        INFE_ASSIGN(const std::string_view name, Name());
        item.kind = CfgExpr::Kind::kRule;
        item.rule = cfg_->Rule(name);
      } else if (c == '<' || c == '!') {
        return Unsupported("grammar: token terminals are not supported");
      } else {
        break;
      }
      Skip(depth > 0);
      INFE_TRY(Repeats(&item, depth));
      if (!cfg_->Spend()) return cfg_->Refusal(fmt::format("grammar, line {}: reading it", Line()));
      sequence.Take(std::move(item));
    }
    return sequence;
  }

  Result<void> Repeats(CfgExpr* item, size_t depth) {
    while (true) {
      uint32_t min = 0;
      uint32_t max = kUnbounded;
      if (Take("*")) {
      } else if (Take("+")) {
        min = 1;
      } else if (Take("?")) {
        max = 1;
      } else if (Take("{")) {
        INFE_ASSIGN(min, Number(0));
        if (Take(",")) {
          INFE_ASSIGN(max, Number(kUnbounded));
        } else {
          max = min;
        }
        if (!Take("}")) return Bad("'}' is missing");
        if (min > max) return Bad("a repeat whose bounds are the wrong way round");
      } else {
        return {};
      }
      CfgExpr repeat{.kind = CfgExpr::Kind::kRepeat, .min = min, .max = max};
      repeat.Take(std::move(*item));
      *item = std::move(repeat);
      if (item->height > 3 * kGrammarDepthMax)
        return TooMuch(
            fmt::format("more than {} groups and repeats inside each other "
                        "(kGrammarDepthMax)",
                        kGrammarDepthMax));
      Skip(depth > 0);
    }
  }

  Result<uint32_t> Number(uint32_t otherwise) {
    Skip(false);
    uint64_t value = 0;
    const size_t begin = at_;
    while (Peek() >= '0' && Peek() <= '9') {
      value = value * 10 + static_cast<uint64_t>(text_[at_++] - '0');
      if (value > kRepeatMax)
        return TooMuch(fmt::format("a repeat of more than {} (kRepeatMax)", kRepeatMax));
    }
    const bool none = at_ == begin;
    Skip(false);
    return none ? otherwise : static_cast<uint32_t>(value);
  }

  Result<uint32_t> Character() {
    if (Peek() != '\\') return DecodeUtf8(text_, at_);
    ++at_;
    const char c = Peek();
    if (at_ >= text_.size()) return Bad("a backslash at the end");
    ++at_;
    size_t digits = 0;
    switch (c) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
      case '^':
        return static_cast<uint8_t>(c);
      case 'x':
        digits = 2;
        break;
      case 'u':
        digits = 4;
        break;
      case 'U':
        digits = 8;
        break;
      default:
        return Bad("an unknown escape");
    }
    uint64_t value = 0;
    for (size_t i = 0; i < digits; ++i) {
      const char h = Peek();
      const int d = h >= '0' && h <= '9'   ? h - '0'
                    : h >= 'a' && h <= 'f' ? h - 'a' + 10
                    : h >= 'A' && h <= 'F' ? h - 'A' + 10
                                           : -1;
      if (d < 0) return Bad("an escape with too few hexadecimal digits");
      value = value * 16 + static_cast<uint64_t>(d);
      ++at_;
    }
    if (value > kCodePointMax) return Bad("an escape past the last code point");
    return static_cast<uint32_t>(value);
  }

  Result<RegexId> Literal() {
    ++at_;
    std::vector<RegexId> characters;
    while (!Take("\"")) {
      if (at_ >= text_.size() || Peek() == '\n') return Bad("a literal is not closed");
      INFE_ASSIGN(const uint32_t c, Character());
      characters.push_back(cfg_->pool().Char(c));
    }
    return cfg_->pool().Concat(characters);
  }

  Result<RegexId> Class() {
    ++at_;
    const bool negative = Take("^");
    CharSet set;
    while (!Take("]")) {
      if (at_ >= text_.size()) return Bad("a class is not closed");
      INFE_ASSIGN(const uint32_t low, Character());
      uint32_t high = low;
      if (Peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        INFE_ASSIGN(high, Character());
      }
      if (high < low) return Bad("a range the wrong way round");
      set.Add(low, high);
    }
    return cfg_->pool().Class(negative ? set.Complement() : set);
  }

  Cfg* cfg_;
  size_t line_ = 1;     // of the rule that is read
  size_t counted_ = 0;  // bytes whose lines are in line_
};

}  // namespace

Result<NodeId> GbnfInto(ProgramBuilder& builder, std::string_view source, Spelling spelling) {
  if (source.size() > kGrammarBytesMax)
    return ResourceExhausted(
        fmt::format("a grammar of more than {} bytes (kGrammarBytesMax)", kGrammarBytesMax));
  if (!IsValidUtf8(source)) return InvalidArgument("the grammar is not UTF-8");
  builder.Reads(source.size());
  Cfg cfg(&builder, spelling);
  INFE_TRY(GbnfParser(source, &cfg).Parse());
  return cfg.Build("root");
}

}  // namespace infe::grammar

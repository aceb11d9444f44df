// A subset of Lark's notation: rules and terminals, strings with the i flag, regexes with i and s,
// groups, [optional], | * + ? ~n ~n..m, %ignore, %import common.X, comments. The start rule is
// `start`.
//
// Read without a lexer of its own: a text belongs to the grammar if some way to cut it into
// terminals does, ignored ones between them. Lark's contextual lexer prefers the longest terminal;
// where the two differ we take more.
#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "grammar/cfg.h"
#include "grammar/ecma_regex.h"
#include "grammar/grammar_text.h"
#include "grammar/limits.h"
#include "grammar/text_grammars.h"

namespace infe::grammar {
namespace {

// What Lark's library `common` defines, as patterns.
constexpr std::array<std::pair<std::string_view, std::string_view>, 19> kCommon = {{
    {"DIGIT", "[0-9]"},
    {"HEXDIGIT", "[0-9a-fA-F]"},
    {"INT", "[0-9]+"},
    {"SIGNED_INT", "[+-]?[0-9]+"},
    {"DECIMAL", "(?:[0-9]+\\.[0-9]*|\\.[0-9]+)"},
    {"FLOAT", "(?:[0-9]+[eE][+-]?[0-9]+|(?:[0-9]+\\.[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"},
    {"SIGNED_FLOAT",
     "[+-]?(?:[0-9]+[eE][+-]?[0-9]+|(?:[0-9]+\\.[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"},
    {"NUMBER", "(?:[0-9]+(?:\\.[0-9]*)?|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?"},
    {"SIGNED_NUMBER", "[+-]?(?:[0-9]+(?:\\.[0-9]*)?|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?"},
    {"ESCAPED_STRING", "\"(?:[^\"\\\\\\n]|\\\\.)*\""},
    {"LCASE_LETTER", "[a-z]"},
    {"UCASE_LETTER", "[A-Z]"},
    {"LETTER", "[a-zA-Z]"},
    {"WORD", "[a-zA-Z]+"},
    {"CNAME", "[a-zA-Z_][a-zA-Z_0-9]*"},
    {"WS_INLINE", "[ \\t]+"},
    {"WS", "[ \\t\\f\\r\\n]+"},
    {"NEWLINE", "(?:\\r?\\n)+"},
    {"SH_COMMENT", "#[^\\n]*"},
}};

// Terminals are kept as patterns until all of them are known; then each use is its regex with the
// ignored texts in front.
class LarkParser : GrammarText {
 public:
  LarkParser(std::string_view text, Cfg* cfg) : GrammarText(text), cfg_(cfg) {}

  Result<void> Parse() {
    Skip(true);
    while (at_ < text_.size()) {
      line_ +=
          static_cast<size_t>(std::ranges::count(text_.substr(counted_, at_ - counted_), '\n'));
      counted_ = at_;
      if (Peek() == '%') {
        INFE_TRY(Directive());
      } else {
        INFE_TRY(Definition());
      }
      Skip(true);
    }
    INFE_TRY(Finish());
    return {};
  }

 private:
  void Skip(bool lines) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (text_.substr(at_, 2) == "//" || (c == '#' && lines)) {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r'))) {
        ++at_;
      } else {
        return;
      }
    }
  }
  static bool IsName(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  }
  Result<std::string> Name() {
    const size_t begin = at_;
    while (at_ < text_.size() && IsName(text_[at_])) ++at_;
    if (at_ == begin) return Bad("a name was expected");
    return std::string(text_.substr(begin, at_ - begin));
  }
  static bool IsTerminal(std::string_view name) {
    while (!name.empty() && name.front() == '_') name.remove_prefix(1);
    return !name.empty() && name.front() >= 'A' && name.front() <= 'Z';
  }
  // Rules and terminals live in one space; terminals inside terminals take no ignored text.
  uint32_t Reference(const std::string& name) {
    return cfg_->Rule(IsTerminal(name) && !in_terminal_ ? "use of " + name : name);
  }

  Result<void> Directive() {
    if (Take("%ignore")) {
      Skip(false);
      in_terminal_ = true;
      INFE_ASSIGN(CfgExpr body, Alternatives(0));
      ignored_.push_back(std::move(body));
      return {};
    }
    if (Take("%import")) {
      Skip(false);
      INFE_ASSIGN(const std::string module, Name());
      if (module != "common" || !Take("."))
        return Unsupported("grammar: %import is supported from 'common' only");
      if (Take("(")) return Unsupported("grammar: %import of lists is not supported");
      INFE_ASSIGN(const std::string name, Name());
      Skip(false);
      std::string as = name;
      if (Take("->")) {
        Skip(false);
        INFE_ASSIGN(as, Name());
      }
      for (const auto& [known, pattern] : kCommon)
        if (known == name) {
          INFE_ASSIGN(const RegexId regex,
                      CompilePattern(cfg_->pool(), pattern, PatternMode::kWhole));
          return Terminal(as, {.kind = CfgExpr::Kind::kRegex, .regex = regex});
        }
      return Unsupported(fmt::format("grammar: common.{} is not known", name));
    }
    return Unsupported("grammar: only %ignore and %import are supported");
  }

  Result<void> Terminal(const std::string& name, CfgExpr body) {
    terminals_.push_back(name);
    return cfg_->Define(cfg_->Rule(name), std::move(body), line_);
  }

  Result<void> Definition() {
    Take("?");
    Take("!");
    INFE_ASSIGN(const std::string name, Name());
    if (Peek() == '{') return Unsupported("grammar: templates are not supported");
    if (Take(".")) {  // a priority: changes trees, not texts
      while (Peek() == '-' || (Peek() >= '0' && Peek() <= '9')) ++at_;
    }
    Skip(false);
    if (!Take(":")) return Bad("':' is missing");
    in_terminal_ = IsTerminal(name);
    INFE_ASSIGN(CfgExpr body, Alternatives(0));
    if (at_ < text_.size() && Peek() != '\n' && Peek() != '\r')
      return Bad("the end of a definition was expected");
    if (in_terminal_) return Terminal(name, std::move(body));
    return cfg_->Define(cfg_->Rule(name), std::move(body), line_);
  }

  Result<CfgExpr> Alternatives(size_t depth) {
    if (depth > kGrammarDepthMax)
      return TooMuch(fmt::format("more than {} groups inside each other (kGrammarDepthMax)",
                                 kGrammarDepthMax));
    CfgExpr choice{.kind = CfgExpr::Kind::kChoice};
    while (true) {
      Skip(depth > 0);
      INFE_ASSIGN(CfgExpr sequence, Sequence(depth));
      choice.Take(std::move(sequence));
      Skip(depth > 0);
      if (Take("|")) continue;
      // An alternative may stand on the next line.
      const size_t before = at_;
      Skip(true);
      if (Peek() == '|') {
        ++at_;
        continue;
      }
      if (depth == 0) at_ = before;
      break;
    }
    if (choice.children.size() == 1) return std::move(choice.children.front());
    return choice;
  }

  Result<CfgExpr> Sequence(size_t depth) {
    CfgExpr sequence;
    while (at_ < text_.size()) {
      CfgExpr item;
      const char c = Peek();
      if (c == '"') {
        INFE_ASSIGN(item, Literal());
      } else if (c == '/') {
        INFE_ASSIGN(item, Regex());
      } else if (c == '(' || c == '[') {
        ++at_;
        INFE_ASSIGN(item, Alternatives(depth + 1));
        Skip(true);
        if (!Take(c == '(' ? ")" : "]")) return Bad("a group is not closed");
        if (c == '[') item = Repeat(std::move(item), 0, 1);
      } else if (IsName(c)) {
        INFE_ASSIGN(const std::string name, Name());
        if (Peek() == '{') return Unsupported("grammar: templates are not supported");
        item.kind = CfgExpr::Kind::kRule;
        item.rule = Reference(name);
      } else if (c == '-' && Peek(1) == '>') {
        at_ += 2;
        Skip(false);
        INFE_ASSIGN(const std::string alias, Name());  // names a branch of the tree
        Skip(depth > 0);
        break;
      } else if (c == '<' || c == '@' || c == '%') {
        return Unsupported("grammar: special tokens and nested grammars are not supported");
      } else {
        break;
      }
      INFE_TRY(Repeats(&item));
      if (!cfg_->Spend()) return cfg_->Refusal(fmt::format("grammar, line {}: reading it", Line()));
      sequence.Take(std::move(item));
      Skip(depth > 0);
    }
    return sequence;
  }

  static CfgExpr Repeat(CfgExpr item, uint32_t min, uint32_t max) {
    CfgExpr repeat{.kind = CfgExpr::Kind::kRepeat, .min = min, .max = max};
    repeat.Take(std::move(item));
    return repeat;
  }

  Result<void> Repeats(CfgExpr* item) {
    while (true) {
      const size_t before = at_;
      Skip(false);
      if (Take("*")) {
        *item = Repeat(std::move(*item), 0, kUnbounded);
      } else if (Take("+")) {
        *item = Repeat(std::move(*item), 1, kUnbounded);
      } else if (Take("?")) {
        *item = Repeat(std::move(*item), 0, 1);
      } else if (Take("~")) {
        Skip(false);
        INFE_ASSIGN(const uint32_t min, Number());
        uint32_t max = min;
        Skip(false);
        if (Take("..")) {
          Skip(false);
          INFE_ASSIGN(max, Number());
        }
        if (min > max) return Bad("a repeat whose bounds are the wrong way round");
        *item = Repeat(std::move(*item), min, max);
      } else {
        at_ = before;
        return {};
      }
      if (item->height > 3 * kGrammarDepthMax)
        return TooMuch(
            fmt::format("more than {} groups and repeats inside each other "
                        "(kGrammarDepthMax)",
                        kGrammarDepthMax));
    }
  }

  Result<uint32_t> Number() {
    uint64_t value = 0;
    const size_t begin = at_;
    while (Peek() >= '0' && Peek() <= '9') {
      value = value * 10 + static_cast<uint64_t>(text_[at_++] - '0');
      if (value > kRepeatMax)
        return TooMuch(fmt::format("a repeat of more than {} (kRepeatMax)", kRepeatMax));
    }
    if (at_ == begin) return Bad("a number was expected");
    return static_cast<uint32_t>(value);
  }

  // A terminal written in place, as it stands in a rule.
  CfgExpr InPlace(RegexId regex) {
    CfgExpr expr{.kind = CfgExpr::Kind::kRegex, .regex = regex};
    if (in_terminal_) return expr;
    CfgExpr with_ignored;
    with_ignored.Take({.kind = CfgExpr::Kind::kRule, .rule = cfg_->Rule(kIgnored)});
    with_ignored.Take(std::move(expr));
    return with_ignored;
  }

  RegexId AnyCase(uint32_t c) {
    CharSet set = CharSet::Of(c);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) set.Add(CharSet::Of(c ^ 0x20));
    return cfg_->pool().Class(set);
  }

  Result<CfgExpr> Literal() {
    ++at_;
    std::u32string characters;
    while (!Take("\"")) {
      if (at_ >= text_.size() || Peek() == '\n') return Bad("a string is not closed");
      if (!Take("\\")) {
        characters += DecodeUtf8(text_, at_);
        continue;
      }
      const char c = Peek();
      ++at_;
      switch (c) {
        case 'n':
          characters += U'\n';
          break;
        case 't':
          characters += U'\t';
          break;
        case 'r':
          characters += U'\r';
          break;
        case 'f':
          characters += U'\f';
          break;
        case '\\':
        case '"':
        case '/':
          characters += static_cast<char32_t>(c);
          break;
        default:
          return Bad("an unknown escape");
      }
    }
    const bool any_case = Take("i");
    RegexId regex = kEmptyText;
    for (size_t i = characters.size(); i-- > 0;)
      regex = cfg_->pool().Concat(
          any_case ? AnyCase(characters[i]) : cfg_->pool().Char(characters[i]), regex);
    // "a".."z" is a range of characters.
    if (Peek() == '.' && Peek(1) == '.' && Peek(2) == '"' && characters.size() == 1) {
      at_ += 3;
      const uint32_t high = DecodeUtf8(text_, at_);
      if (!Take("\"") || high < characters[0]) return Bad("a malformed range");
      regex = cfg_->pool().Class(CharSet::Range(characters[0], high));
    }
    return InPlace(regex);
  }

  Result<CfgExpr> Regex() {
    const size_t begin = ++at_;
    bool in_class = false;
    while (at_ < text_.size() && (in_class || text_[at_] != '/')) {
      if (text_[at_] == '\n') return Bad("a regex is not closed");
      if (text_[at_] == '[') in_class = true;
      if (text_[at_] == ']') in_class = false;
      at_ += text_[at_] == '\\' ? 2 : 1;
    }
    if (at_ >= text_.size()) return Bad("a regex is not closed");
    const std::string_view pattern = text_.substr(begin, at_ - begin);
    ++at_;
    if (Peek() >= 'a' && Peek() <= 'z')
      return Unsupported(fmt::format("grammar: the regex flag {} is not supported", Peek()));
    auto regex = CompilePattern(cfg_->pool(), pattern, PatternMode::kWhole);
    if (!regex) return InPattern(std::move(regex).error());
    return InPlace(*regex);
  }

  // The rules that were only promised: a terminal with ignored texts in front, and the start.
  Result<void> Finish() {
    CfgExpr ignored{.kind = CfgExpr::Kind::kChoice};
    for (CfgExpr& text : ignored_) ignored.Take(std::move(text));
    INFE_TRY(cfg_->Define(cfg_->Rule(kIgnored), Repeat(std::move(ignored), 0, kUnbounded)));
    for (const std::string& name : terminals_) {
      CfgExpr use;
      use.Take({.kind = CfgExpr::Kind::kRule, .rule = cfg_->Rule(kIgnored)});
      use.Take({.kind = CfgExpr::Kind::kRule, .rule = cfg_->Rule(name)});
      INFE_TRY(cfg_->Define(cfg_->Rule("use of " + name), std::move(use)));
    }
    CfgExpr whole;
    whole.Take({.kind = CfgExpr::Kind::kRule, .rule = cfg_->Rule("start")});
    whole.Take({.kind = CfgExpr::Kind::kRule, .rule = cfg_->Rule(kIgnored)});
    return cfg_->Define(cfg_->Rule("whole text"), std::move(whole));
  }

  static constexpr std::string_view kIgnored = "ignored texts";  // no name of Lark's has a blank

  Cfg* cfg_;
  bool in_terminal_ = false;
  std::vector<std::string> terminals_;
  std::vector<CfgExpr> ignored_;
  size_t line_ = 1;     // of the definition that is read
  size_t counted_ = 0;  // bytes whose lines are in line_
};

}  // namespace

Result<NodeId> LarkInto(ProgramBuilder& builder, std::string_view source, Spelling spelling) {
  if (source.size() > kGrammarBytesMax)
    return ResourceExhausted(
        fmt::format("a grammar of more than {} bytes (kGrammarBytesMax)", kGrammarBytesMax));
  if (!IsValidUtf8(source)) return InvalidArgument("the grammar is not UTF-8");
  builder.Reads(source.size());
  Cfg cfg(&builder, spelling);
  INFE_TRY(LarkParser(source, &cfg).Parse());
  return cfg.Build("whole text");
}

}  // namespace infe::grammar

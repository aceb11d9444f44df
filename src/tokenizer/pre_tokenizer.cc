#include "tokenizer/pre_tokenizer.h"

#include "base/utf8.h"

namespace infe::tokenizer {
namespace {

constexpr uint8_t kWordLike = kSpace | kLetter | kNumber;

// One character: where it ends and what it is.
struct Char {
  size_t end = 0;
  uint32_t code = 0;
  uint8_t classes = 0;

  bool Is(uint8_t any) const { return (classes & any) != 0; }
  bool IsOther() const { return !Is(kWordLike); }  // [^\s\p{L}\p{N}]
};

// Reads characters of one text by position.
class Reader {
 public:
  Reader(std::string_view text, const CharClasses& classes) : text_(text), classes_(classes) {}

  bool AtEnd(size_t at) const { return at >= text_.size(); }
  // REQUIRES: not AtEnd(at).
  Char Read(size_t at) const {
    const auto byte = static_cast<uint8_t>(text_[at]);
    if (byte < 0x80) return {at + 1, byte, classes_.Of(byte)};
    size_t end = at;
    const uint32_t code = DecodeUtf8(text_, end);
    return {end, code, classes_.Of(code)};
  }
  // End of the run of characters of which test is true.
  template <typename Test>
  size_t RunEnd(size_t at, const Test& test) const {
    while (!AtEnd(at)) {
      const Char c = Read(at);
      if (!test(c)) break;
      at = c.end;
    }
    return at;
  }
  size_t RunEndOf(uint8_t any, size_t at) const {
    return RunEnd(at, [any](const Char& c) { return c.Is(any); });
  }
  // The lower-case ASCII letter at a byte, with U+017F (long s) folding to s as Unicode says;
  // advances at. 0 for anything else. Only asked for the letters of contractions, none of which has
  // another case variant.
  char FoldedLetter(size_t& at) const {
    if (AtEnd(at)) return 0;
    const Char c = Read(at);
    at = c.end;
    if (c.code == 0x17F) return 's';
    if (c.code >= 'A' && c.code <= 'Z') return static_cast<char>(c.code - 'A' + 'a');
    return c.code >= 'a' && c.code <= 'z' ? static_cast<char>(c.code) : 0;
  }
  std::string_view text() const { return text_; }

 private:
  std::string_view text_;
  const CharClasses& classes_;
};

// End of 's 't 're 've 'm 'll 'd at a position that holds an apostrophe; 0 if there is none.
size_t ContractionEnd(const Reader& reader, size_t apostrophe) {
  const std::string_view rest = reader.text().substr(apostrophe + 1);
  for (const std::string_view two : {"re", "ve", "ll"})
    if (rest.starts_with(two)) return apostrophe + 3;
  if (!rest.empty() && std::string_view("stmd").find(rest[0]) != std::string_view::npos)
    return apostrophe + 2;
  return 0;
}

// The same in any case.
size_t FoldedContractionEnd(const Reader& reader, size_t apostrophe) {
  size_t at = apostrophe + 1;
  const char first = reader.FoldedLetter(at);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return at;
  if (first != 'r' && first != 'v' && first != 'l') return 0;
  const char second = reader.FoldedLetter(at);
  return second == (first == 'l' ? 'l' : 'e') ? at : 0;
}

// [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and [\p{Ll}\p{Lm}\p{Lo}\p{M}].
bool MayBegin(const Char& c) {
  return c.Is(kMark) || (c.Is(kLetter) && !c.Is(kLower));
}
bool MayEnd(const Char& c) {
  return c.Is(kMark) || (c.Is(kLetter) && !c.Is(kUpper));
}
// The same less \p{Han}.
bool MayBeginButHan(const Char& c) {
  return MayBegin(c) && !IsHan(c.code);
}
bool MayEndButHan(const Char& c) {
  return MayEnd(c) && !IsHan(c.code);
}

// The ends of a word of case at one place: 0 where there is none.
struct CasedWord {
  size_t with_end = 0;    // U*L+: an end is needed, and taken as late as can be
  size_t with_begin = 0;  // U+L*
};

template <typename Begin, typename End>
CasedWord ReadCasedWord(const Reader& reader, size_t at, const Begin& may_begin,
                        const End& may_end) {
  CasedWord word;
  size_t last_both = 0;  // behind the last character that may begin and end
  size_t end = at;
  while (!reader.AtEnd(end)) {
    const Char c = reader.Read(end);
    if (!may_begin(c)) break;
    end = c.end;
    if (may_end(c)) last_both = end;
  }
  const size_t lower_end = reader.RunEnd(end, may_end);
  if (end > at) word.with_begin = lower_end;
  word.with_end = lower_end > end ? lower_end : last_both;
  return word;
}

// A run of white space: where it ends, where its last character and the end of its last newline
// are.
struct SpaceRun {
  size_t end = 0;
  size_t last_begin = 0;
  size_t newline_end = 0;  // 0: no newline in it
};

SpaceRun ReadSpaceRun(const Reader& reader, size_t at) {
  SpaceRun run{at, at, 0};
  while (!reader.AtEnd(run.end)) {
    const Char c = reader.Read(run.end);
    if (!c.Is(kSpace)) break;
    run.last_begin = run.end;
    run.end = c.end;
    if (c.Is(kNewline)) run.newline_end = c.end;
  }
  return run;
}

// \s+(?!\S) | \s+ : all but the last character if something follows, unless it is the only one.
size_t SpacePieceEnd(const Reader& reader, size_t at, const SpaceRun& run) {
  return reader.AtEnd(run.end) || run.last_begin == at ? run.end : run.last_begin;
}

using Kind = PreTokenizerKind;

constexpr PreTokenizerSpec kGpt2{.kind = Kind::kGpt2};
constexpr PreTokenizerSpec kSmollm{.kind = Kind::kDigitsThenGpt2};
constexpr PreTokenizerSpec kQwen2{.kind = Kind::kQwen2};
constexpr PreTokenizerSpec kQwen35{.kind = Kind::kQwen35};
constexpr PreTokenizerSpec kGpt4o{.kind = Kind::kGpt4o};
constexpr PreTokenizerSpec kTekken{
    .kind = Kind::kTekken, .vocabulary_first = true, .add_bos = true};
constexpr PreTokenizerSpec kKimiK2{.kind = Kind::kKimiK2};
constexpr PreTokenizerSpec kDeepseekV3{.kind = Kind::kDeepseekV3};
constexpr PreTokenizerSpec kDbrx{.kind = Kind::kLlama3};
constexpr PreTokenizerSpec kGlm4{.kind = Kind::kLlama3, .vocabulary_first = true};
constexpr PreTokenizerSpec kLlama3{
    .kind = Kind::kLlama3, .vocabulary_first = true, .add_bos = true};

struct Named {
  std::string_view name;
  PreTokenizerSpec spec;
};

// Each row was checked against llama.cpp on a text of all scripts with this name in the file;
// gpt-4o, tekken, kimi-k2 and superbpe against the expressions of the header, which that engine
// only approximates.
constexpr Named kNames[] = {
    Named{"gpt-2", kGpt2},
    Named{"phi-2", kGpt2},
    Named{"olmo", kGpt2},
    Named{"mpt", kGpt2},
    Named{"jais", kGpt2},
    Named{"trillion", kGpt2},
    Named{"gigachat", kGpt2},
    Named{"mellum", kGpt2},
    Named{"roberta-bpe", kGpt2},
    Named{"jina-v2-es", kGpt2},
    Named{"granite-docling", kGpt2},
    Named{"smollm", kSmollm},
    Named{"starcoder", kSmollm},
    Named{"refact", kSmollm},
    Named{"command-r", kSmollm},
    Named{"codeshell", kSmollm},
    Named{"exaone", kSmollm},
    Named{"minerva-7b", kSmollm},
    Named{"qwen2", kQwen2},
    Named{"deepseek-r1-qwen", kQwen2},
    Named{"stablelm2", kQwen2},
    Named{"megrez", kQwen2},
    Named{"kormo", kQwen2},
    Named{"f2llmv2", kQwen2},
    Named{"qwen35", kQwen35},
    Named{"gpt-4o", kGpt4o},
    Named{"llama4", kGpt4o},
    Named{"kanana2", kGpt4o},
    Named{"talkie", kGpt4o},
    Named{"tekken", kTekken},
    Named{"exaone4", kGpt2},
    Named{"modern-bert", kGpt2},
    Named{"jina-v2-de", kGpt2},
    Named{"mellum2", kSmollm},
    Named{"glm5", kGlm4},
    Named{"jina-v5-nano", kLlama3},
    Named{"llama-bpe", kLlama3},
    Named{"llama3", kLlama3},
    Named{"llama-v3", kLlama3},
    Named{"falcon3", kLlama3},
    Named{"falcon-h1", kLlama3},
    Named{"pixtral", kLlama3},
    Named{"lfm2", kLlama3},
    Named{"midm-2.0", kLlama3},
    Named{"glm4", kGlm4},
    Named{"dbrx", kDbrx},
    Named{"smaug-bpe", kDbrx},
    Named{"chatglm-bpe", kDbrx},
    // By their expressions alone.
    Named{"a.x-4.0", kGpt2},
    Named{"jina-es", kGpt2},
    Named{"jina-de", kGpt2},
    Named{"hunyuan", kQwen2},
    Named{"solar-open", kQwen2},
    Named{"grok-2", kQwen2},
    Named{"bailingmoe", kQwen2},
    Named{"bailingmoe2", kQwen2},
    Named{"llada-moe", kQwen2},
    Named{"minimax-m2", kGpt4o},
    Named{"granite-embed-multi-97m", {.kind = Kind::kGpt4o, .vocabulary_first = true}},
    Named{"kimi-k2", kKimiK2},
    Named{"seed-coder", {.kind = Kind::kSeedCoder}},
    Named{"ufakzeka", {.kind = Kind::kUfakzeka}},
    Named{"minicpm5", {.kind = Kind::kDigitsThenLlama3, .vocabulary_first = true}},
    Named{"deepseek-v3", kDeepseekV3},
    Named{"hunyuan-dense", kDeepseekV3},
    Named{"joyai-llm", kDeepseekV3},
    Named{"hy_v4", kDeepseekV3},
    Named{"superbpe", {.kind = Kind::kSuperBpe}},
};

}  // namespace

std::optional<PreTokenizerSpec> FindPreTokenizer(std::string_view name) {
  for (const Named& known : kNames)
    if (known.name == name) return known.spec;
  return std::nullopt;
}

size_t PreTokenizer::PieceEnd(std::string_view text, size_t at) const {
  switch (kind_) {
    case PreTokenizerKind::kGpt2:
    case PreTokenizerKind::kDigitsThenGpt2:
      return Gpt2(text, at);
    case PreTokenizerKind::kQwen2:
    case PreTokenizerKind::kQwen35:
    case PreTokenizerKind::kSeedCoder:
    case PreTokenizerKind::kUfakzeka:
      return Llama3(text, at, 1);
    case PreTokenizerKind::kLlama3:
    case PreTokenizerKind::kDigitsThenLlama3:
      return Llama3(text, at, 3);
    case PreTokenizerKind::kGpt4o:
    case PreTokenizerKind::kTekken:
    case PreTokenizerKind::kKimiK2:
      return Gpt4o(text, at);
    case PreTokenizerKind::kDeepseekV3:
      return DeepseekV3(text, at);
    case PreTokenizerKind::kSuperBpe:
      return SuperBpe(text, at);
  }
  return text.size();
}

size_t PreTokenizer::Gpt2(std::string_view text, size_t at) const {
  const Reader reader(text, classes_);
  const bool digits_alone = kind_ == PreTokenizerKind::kDigitsThenGpt2;
  const Char first = reader.Read(at);
  if (first.code == '\'') {
    if (const size_t end = ContractionEnd(reader, at); end != 0) return end;
  }
  Char c = first;
  if (first.code == ' ' && !reader.AtEnd(first.end)) c = reader.Read(first.end);
  if (c.Is(kLetter)) return reader.RunEndOf(kLetter, c.end);
  if (c.Is(kNumber) && !digits_alone) return reader.RunEndOf(kNumber, c.end);
  if (c.IsOther()) return reader.RunEnd(c.end, [](const Char& next) { return next.IsOther(); });
  if (first.Is(kNumber)) return first.end;
  const SpaceRun run = ReadSpaceRun(reader, at);
  // A digit that stands alone ends the stretch that the expression sees.
  if (digits_alone && !reader.AtEnd(run.end) && reader.Read(run.end).Is(kNumber)) return run.end;
  return SpacePieceEnd(reader, at, run);
}

namespace {

// End of a number of up to digits_max characters, the first of which ends at `end`.
size_t NumberEnd(const Reader& reader, size_t end, int digits_max) {
  for (int digits = 1; digits < digits_max && !reader.AtEnd(end); ++digits) {
    const Char next = reader.Read(end);
    if (!next.Is(kNumber)) break;
    end = next.end;
  }
  return end;
}

// What Llama 3's expression does from numbers on: a number, punctuation with what may follow it, or
// white space. other: what counts as punctuation.
template <typename Other, typename Trail>
size_t RestOfPieces(const Reader& reader, size_t at, int digits_max, const Other& other,
                    const Trail& trail) {
  const Char first = reader.Read(at);
  if (first.Is(kNumber)) return NumberEnd(reader, first.end, digits_max);
  Char second = first;  // a character after a space, or the first one itself
  if (first.code == ' ' && !reader.AtEnd(first.end)) second = reader.Read(first.end);
  if (other(second)) return reader.RunEnd(reader.RunEnd(second.end, other), trail);
  const SpaceRun run = ReadSpaceRun(reader, at);
  return run.newline_end != 0 ? run.newline_end : SpacePieceEnd(reader, at, run);
}

}  // namespace

size_t PreTokenizer::Llama3(std::string_view text, size_t at, int digits_max) const {
  const Reader reader(text, classes_);
  const Char first = reader.Read(at);
  // Marks are letters of words in one kind, and punctuation in the others.
  const uint8_t word = kind_ == PreTokenizerKind::kQwen35 ? kLetter | kMark : kLetter;
  if (first.code == '\'' && kind_ != PreTokenizerKind::kUfakzeka) {
    if (const size_t end = FoldedContractionEnd(reader, at); end != 0) return end;
  }
  if (first.Is(word)) return reader.RunEndOf(word, first.end);
  if (!first.Is(kNumber | kNewline) && !reader.AtEnd(first.end)) {
    const Char next = reader.Read(first.end);
    if (next.Is(word)) return reader.RunEndOf(word, next.end);
  }
  const uint8_t trail = kind_ == PreTokenizerKind::kSeedCoder ? kOther : kNewline;
  const size_t end = RestOfPieces(
      reader, at, digits_max, [word](const Char& c) { return c.IsOther() && !c.Is(word); },
      [trail](const Char& c) { return c.Is(trail); });
  // Numbers that stand alone end the stretch that the expression sees: white space in front of one
  // is at its end.
  if (kind_ != PreTokenizerKind::kDigitsThenLlama3 || !first.Is(kSpace)) return end;
  const SpaceRun run = ReadSpaceRun(reader, at);
  const bool is_last = run.newline_end == 0 && end == run.last_begin;
  return is_last && !reader.AtEnd(run.end) && reader.Read(run.end).Is(kNumber) ? run.end : end;
}

size_t PreTokenizer::Gpt4o(std::string_view text, size_t at) const {
  const Reader reader(text, classes_);
  const Char first = reader.Read(at);
  const bool is_kimi = kind_ == PreTokenizerKind::kKimiK2;
  const auto is_han = [](const Char& c) { return IsHan(c.code); };
  if (is_kimi && is_han(first)) return reader.RunEnd(first.end, is_han);
  const auto read_word = [&](size_t from) {
    return is_kimi ? ReadCasedWord(reader, from, MayBeginButHan, MayEndButHan)
                   : ReadCasedWord(reader, from, MayBegin, MayEnd);
  };
  const CasedWord here = read_word(at);
  CasedWord behind;  // one character that is neither letter, number nor newline
  if (!first.Is(kLetter | kNumber | kNewline)) behind = read_word(first.end);
  for (const size_t end : {behind.with_end, here.with_end, behind.with_begin, here.with_begin}) {
    if (end == 0) continue;
    if (kind_ == PreTokenizerKind::kTekken || reader.AtEnd(end) || text[end] != '\'') return end;
    const size_t contraction = FoldedContractionEnd(reader, end);
    return contraction != 0 ? contraction : end;
  }
  const auto other = [](const Char& c) { return c.IsOther(); };
  const auto trail = [is_kimi](const Char& c) {
    return c.Is(kNewline) || (c.code == '/' && !is_kimi);
  };
  return RestOfPieces(reader, at, kind_ == PreTokenizerKind::kTekken ? 1 : 3, other, trail);
}

namespace {

bool IsAsciiPunctuation(const Char& c) {
  return c.code > ' ' && c.code < 0x7f && !c.Is(kLetter | kNumber);
}
bool IsAsciiLetter(const Char& c) {
  return c.code < 0x80 && c.Is(kLetter);
}
// What DeepSeek's second expression cuts out.
bool IsCjk(const Char& c) {
  return (c.code >= 0x4E00 && c.code <= 0x9FA5) || (c.code >= 0x3040 && c.code <= 0x30FF);
}
bool IsWordPart(const Char& c) {
  return c.Is(kLetter | kMark) && !IsCjk(c);
}
// [\p{P}\p{S}]. U+30A0 and U+30FB are among the CJK, and U+309B and U+309C.
bool IsMarkOfText(const Char& c) {
  return !IsCjk(c) && (c.Is(kPunctuation) || (c.classes == kOther && IsSymbol(c.code)));
}

// End of the piece that DeepSeek's third expression finds at a place that is neither a number nor
// CJK; 0: it finds none.
size_t DeepseekPieceEnd(const Reader& reader, size_t at) {
  const Char first = reader.Read(at);
  Char second;  // of no class at the end
  if (!reader.AtEnd(first.end)) second = reader.Read(first.end);
  if (IsAsciiPunctuation(first) && IsAsciiLetter(second))
    return reader.RunEnd(second.end, IsAsciiLetter);
  if (IsWordPart(first)) return reader.RunEnd(first.end, IsWordPart);
  if (!first.Is(kNewline) && !IsMarkOfText(first) && IsWordPart(second))
    return reader.RunEnd(second.end, IsWordPart);
  const Char& mark = first.code == ' ' ? second : first;
  if (mark.end != 0 && IsMarkOfText(mark)) {
    const size_t end = reader.RunEnd(mark.end, IsMarkOfText);
    return reader.RunEndOf(kNewline, end);
  }
  if (!first.Is(kSpace)) return 0;
  const SpaceRun run = ReadSpaceRun(reader, at);
  if (run.newline_end != 0) return run.newline_end;
  if (!reader.AtEnd(run.end)) {
    const Char next = reader.Read(run.end);
    if (next.Is(kNumber) || IsCjk(next)) return run.end;  // the stretch ends here
  }
  return SpacePieceEnd(reader, at, run);
}

}  // namespace

size_t PreTokenizer::DeepseekV3(std::string_view text, size_t at) const {
  const Reader reader(text, classes_);
  const Char first = reader.Read(at);
  if (first.Is(kNumber)) return NumberEnd(reader, first.end, 3);
  if (IsCjk(first)) return reader.RunEnd(first.end, IsCjk);
  if (const size_t end = DeepseekPieceEnd(reader, at); end != 0) return end;
  // What nothing takes is one piece, up to where something does.
  size_t end = first.end;
  while (!reader.AtEnd(end)) {
    const Char c = reader.Read(end);
    if (c.Is(kNumber) || IsCjk(c) || DeepseekPieceEnd(reader, end) != 0) break;
    end = c.end;
  }
  return end;
}

namespace {

// Whether the character in front of a place is a decimal digit.
bool IsBehindDigit(const Reader& reader, size_t at) {
  if (at == 0) return false;
  size_t begin = at - 1;
  while (begin > 0 && at - begin < 4 && (reader.text()[begin] & 0xC0) == 0x80) --begin;
  const Char c = reader.Read(begin);
  return c.end == at && IsDecimalDigit(c.code);
}

// Decimal digits from a place on: how many, and where the first and the third end.
struct DigitRun {
  size_t count = 0;
  size_t ends[3] = {};
  size_t end = 0;
};

DigitRun ReadDigitRun(const Reader& reader, size_t at, size_t count_max) {
  DigitRun run;
  run.end = at;
  while (run.count < count_max && !reader.AtEnd(run.end)) {
    const Char c = reader.Read(run.end);
    if (!IsDecimalDigit(c.code)) break;
    run.end = c.end;
    if (run.count < 3) run.ends[run.count] = c.end;
    ++run.count;
  }
  return run;
}

}  // namespace

size_t PreTokenizer::SuperBpe(std::string_view text, size_t at) const {
  const Reader reader(text, classes_);
  if (!reader.Read(at).Is(kNumber))
    return reader.RunEnd(at, [](const Char& c) { return !c.Is(kNumber); });
  // A cut between two digits has multiples of three behind it: no need to count on to their end, or
  // a long number would be counted again and again.
  if (IsBehindDigit(reader, at)) {
    const DigitRun four = ReadDigitRun(reader, at, 4);
    if (four.count == 4) return four.ends[2];
    if (four.count == 3) at = four.end;
  }
  for (size_t end = at; !reader.AtEnd(end);) {
    const Char c = reader.Read(end);
    if (!c.Is(kNumber)) return end;
    if (!IsDecimalDigit(c.code)) {
      end = c.end;
      continue;
    }
    const DigitRun run = ReadDigitRun(reader, end, text.size());
    if (run.count % 3 == 0 && end > at) return end;
    const size_t first = run.count % 3 == 0 ? 3 : run.count % 3;
    if (run.count > first) return run.ends[first - 1];
    end = run.end;
  }
  return text.size();
}

}  // namespace infe::tokenizer

#include "chat/output_parser.h"

#include <algorithm>
#include <utility>

#include "chat/spellings/json_words.h"
#include "chat/spellings/spelling.h"

namespace infe::chat {
namespace {

// An object without markers counts as a call at the start of a line within so much content: small
// models put a sentence before it, while one deep in a long answer is an example.
constexpr size_t kBareWithinBytes = 512;
// A candidate that is longer without having given its name is none.
constexpr size_t kCandidateBytesMax = 64 * 1024;
constexpr size_t kFenceWordMax = 16;
constexpr std::string_view kFence = "```";

enum class Match : uint8_t { kNo, kPartial, kWhole };

Match MatchAny(std::string_view text, const std::vector<std::string>& marks) {
  Match best = Match::kNo;
  for (const std::string& mark : marks) {
    if (mark == text) return Match::kWhole;
    if (!mark.empty() && std::string_view(mark).starts_with(text)) best = Match::kPartial;
  }
  return best;
}

}  // namespace

OutputParser::OutputParser(OutputParserOptions options)
    : options_(std::move(options)), state_(State::kText) {
  if (options_.reasoning == ReasoningMode::kOptional) state_ = State::kLead;
  if (options_.reasoning == ReasoningMode::kOpen) state_ = State::kThink;
  if (options_.is_harmony || (options_.tools && options_.tools->kind == ToolFormat::Kind::kHarmony))
    harmony_.emplace(options_.tools ? HarmonyReader::Calls::kTaken : HarmonyReader::Calls::kNone);
  if (options_.tools) {
    const ToolFormat& format = *options_.tools;
    std::string mark =
        Trimmed(format.kind == ToolFormat::Kind::kNamed ? format.call_begin + format.before_name
                                                        : format.call_begin);
    if (mark.empty() && format.is_notated()) mark = Trimmed(format.before_name);
    if (!mark.empty()) after_call_marks_.push_back(mark);
    for (const std::string& trigger : format.triggers) after_call_marks_.push_back(trigger);
  }
}

std::vector<OutputEvent> OutputParser::Feed(std::string_view piece) {
  if (harmony_) return harmony_->Feed(piece);
  input_.append(piece);
  Drain();
  return std::exchange(events_, {});
}

std::vector<OutputEvent> OutputParser::Finish(TextEnd end) {
  if (harmony_) return harmony_->Finish();
  const bool cut = end == TextEnd::kCut;
  // A marked call that was cut before its name says nothing; anything else held is content after
  // all.
  while (state_ == State::kCandidate) {
    const bool marked = origin_ != Origin::kBare && origin_ != Origin::kFence;
    if (marked || (cut && IsCutMarkup())) {
      raw_.clear();
      blanks_.clear();
      state_ = State::kAfterCall;
      break;
    }
    FailCandidate();
    Drain();
  }
  switch (state_) {
    case State::kLead:
    case State::kText: {
      state_ = State::kText;
      // What is held may begin a marker, and then no blank before it is text either.
      if (cut && !match_.empty()) break;
      for (const char c : std::exchange(match_, {})) EmitText(c);
      if (call_count_ == 0 && !(trim_lead_ && !has_text_))
        Emit(OutputEvent::Kind::kContent, blanks_);
      break;
    }
    case State::kThink:
      if (!cut || match_.empty()) Emit(OutputEvent::Kind::kReasoning, blanks_ + match_);
      break;
    case State::kBroken:
      if (!reader_->arguments_complete()) Emit(OutputEvent::Kind::kCallArguments, match_);
      [[fallthrough]];
    case State::kCall:
      CloseReader();
      EndCall(reader_->arguments_complete());
      break;
    case State::kCandidate:
    case State::kAfterCall:
      break;
  }
  match_.clear();
  blanks_.clear();
  return std::exchange(events_, {});
}

void OutputParser::Drain() {
  while (input_at_ < input_.size()) Step(input_[input_at_++]);
  input_.clear();
  input_at_ = 0;
}

void OutputParser::Step(char c) {
  switch (state_) {
    case State::kLead:
      return StepLead(c);
    case State::kThink:
      return StepThink(c);
    case State::kText:
      return StepText(c);
    case State::kCandidate:
      return StepCandidate(c);
    case State::kCall:
      return StepCall(c);
    case State::kAfterCall:
      return StepAfterCall(c);
    case State::kBroken:
      return StepBroken(c);
  }
}

void OutputParser::Emit(OutputEvent::Kind kind, std::string_view text) {
  if (text.empty()) return;
  if (!events_.empty() && events_.back().kind == kind &&
      (kind != OutputEvent::Kind::kCallArguments || events_.back().call + 1 == call_count_)) {
    events_.back().text.append(text);
    return;
  }
  const size_t call = kind == OutputEvent::Kind::kCallArguments ? call_count_ - 1 : 0;
  events_.push_back({kind, std::string(text), call, true});
}

// A byte of content. Blanks wait: before a call they are dropped.
void OutputParser::EmitText(char c) {
  if (IsBlank(c) && (options_.tools || (trim_lead_ && !has_text_))) {
    blanks_ += c;
    return;
  }
  const bool keeps_blanks = has_text_ || (call_count_ == 0 && !trim_lead_);
  if (keeps_blanks) {
    Emit(OutputEvent::Kind::kContent, blanks_);
    content_bytes_ += blanks_.size();
  }
  blanks_.clear();
  has_text_ = true;
  after_call_ = false;
  ++content_bytes_;
  Emit(OutputEvent::Kind::kContent, std::string_view(&c, 1));
}

void OutputParser::StepLead(char c) {
  if (match_.empty() && IsBlank(c)) {
    blanks_ += c;
    return;
  }
  match_ += c;
  if (match_ == options_.tags.begin) {
    match_.clear();
    blanks_.clear();
    state_ = State::kThink;
    return;
  }
  if (std::string_view(options_.tags.begin).starts_with(match_)) return;
  // No reasoning: all of it is the answer.
  state_ = State::kText;
  const std::string held = std::exchange(blanks_, {}) + std::exchange(match_, {});
  input_.insert(input_at_, held);
}

void OutputParser::StepThink(char c) {
  match_ += c;
  while (!match_.empty()) {
    if (match_ == options_.tags.end) {
      match_.clear();
      blanks_.clear();
      trim_lead_ = true;
      state_ = State::kText;
      return;
    }
    // Some models open the tags again that the prompt has opened.
    if (!has_reasoning_ && match_ == options_.tags.begin) {
      match_.clear();
      return;
    }
    if (std::string_view(options_.tags.end).starts_with(match_) ||
        (!has_reasoning_ && std::string_view(options_.tags.begin).starts_with(match_)))
      return;
    const char first = match_.front();
    match_.erase(0, 1);
    if (IsBlank(first)) {
      blanks_ += first;
      continue;
    }
    // Blanks at both ends of the reasoning belong to the tags.
    if (has_reasoning_) Emit(OutputEvent::Kind::kReasoning, blanks_);
    blanks_.clear();
    has_reasoning_ = true;
    Emit(OutputEvent::Kind::kReasoning, std::string_view(&first, 1));
  }
}

bool OutputParser::IsLineStart() const {
  return !has_text_ || blanks_.find('\n') != std::string::npos;
}

bool OutputParser::AllowsBare() const {
  return IsLineStart() && !options_.tool_names.empty() && content_bytes_ <= kBareWithinBytes;
}

// Where a grammar runs what follows the fence is a call or not wherever it stands.
bool OutputParser::AllowsFence() const {
  return !in_code_ && (AllowsBare() || (options_.bare_openings && IsLineStart()));
}

// Whether the candidate, cut here, was going to be a call: all of it is what a call begins with.
bool OutputParser::IsCutMarkup() const {
  if (origin_ == Origin::kFence && in_prelude_)
    return std::string_view("json").starts_with(fence_word_) ||
           std::string_view("tool_call").starts_with(fence_word_);
  if (!options_.bare_openings) return origin_ == Origin::kFence;
  const size_t object = raw_.find('{');
  if (object == std::string::npos) return true;
  return MatchAny(std::string_view(raw_).substr(object), *options_.bare_openings) != Match::kNo;
}

void OutputParser::StepText(char c) {
  if (!options_.tools) return EmitText(c);
  match_ += c;
  while (!match_.empty()) {
    const Match marker = MatchAny(match_, options_.tools->triggers);
    if (marker == Match::kWhole) return BeginCandidate(Origin::kMarker, std::exchange(match_, {}));
    if (marker == Match::kPartial) return;
    if (after_call_) {  // what closes a whole section of calls
      const Match closer = MatchAny(match_, options_.tools->closers);
      if (closer == Match::kWhole) return match_.clear();
      if (closer == Match::kPartial) return;
    }
    const char first = match_.front();
    if (options_.bare_openings) {
      const Match opening = MatchAny(match_, *options_.bare_openings);
      if (opening == Match::kPartial) return;
      if (opening == Match::kWhole) return BeginBare();
    }
    if (AllowsFence()) {
      if (match_ == kFence) return BeginCandidate(Origin::kFence, std::exchange(match_, {}));
      if (kFence.starts_with(match_)) return;
    }
    if (in_code_ && IsLineStart()) {
      if (match_ == kFence)
        in_code_ = false;
      else if (kFence.starts_with(match_))
        return;
    }
    if (AllowsBare()) {
      if (first == '[' || (first == '{' && !options_.bare_openings)) return BeginBare();
    }
    match_.erase(0, 1);
    EmitText(first);
  }
}

// match_ begins with the bracket of what may be a call without markers.
void OutputParser::BeginBare() {
  input_.insert(input_at_, match_, 1, std::string::npos);
  const char bracket = match_.front();
  match_.clear();
  BeginCandidate(Origin::kBare, std::string(1, bracket));
}

void OutputParser::BeginCandidate(Origin origin, std::string raw) {
  state_ = State::kCandidate;
  origin_ = origin;
  raw_ = std::move(raw);
  fence_word_.clear();
  in_prelude_ = true;
  prelude_blank_ = false;
  reader_.reset();
  if (origin == Origin::kBare) {
    if (raw_ == "{") {
      BeginScan(origin);
      reader_->Feed('{');
    }
  } else if (!options_.tools->is_object() && origin != Origin::kFence) {
    BeginScan(origin);
    // A marker that is the beginning of the call itself.
    if (options_.tools->is_notated() && raw_ == Trimmed(options_.tools->before_name))
      for (const char c : raw_) reader_->Feed(c);
  }
}

void OutputParser::CloseReader() {
  reader_->Finish();
  Emit(OutputEvent::Kind::kCallArguments, reader_->TakeArguments());
}

// Whether calls follow each other without a mark of their own: [f(a=1), g()].
bool OutputParser::BeginsNextName(char c) const {
  const ToolFormat& format = *options_.tools;
  return format.kind == ToolFormat::Kind::kLiteral &&
         Trimmed(format.call_begin + format.before_name).empty() && IsNameByte(c);
}

void OutputParser::BeginScan(Origin origin) {
  const bool bare = origin == Origin::kBare || origin == Origin::kFence;
  reader_ = SpellingOf(options_.tools->kind)
                .NewReader(*options_.tools, options_.types,
                           bare ? CallReader::Strictness::kBare : CallReader::Strictness::kMarked);
  in_prelude_ = false;
}

// What was held is text: its first byte for certain, the rest is looked at anew.
void OutputParser::FailCandidate() {
  const std::string raw = std::exchange(raw_, {});
  reader_.reset();
  state_ = State::kText;
  if (origin_ == Origin::kFence) in_code_ = true;
  EmitText(raw.front());
  input_.insert(input_at_, raw, 1, std::string::npos);
}

// Whether the object without markers, whose name has just been read, is a call.
bool OutputParser::IsBareCall() const {
  if (options_.bare_openings) {
    const std::string_view opening = std::string_view(raw_).substr(raw_.find('{'));
    return std::ranges::find(*options_.bare_openings, opening) != options_.bare_openings->end();
  }
  return std::ranges::find(options_.tool_names, reader_->name()) != options_.tool_names.end();
}

void OutputParser::StepCandidate(char c) {
  raw_ += c;
  if (raw_.size() > kCandidateBytesMax) return FailCandidate();
  if (in_prelude_) return StepPrelude(c);
  const CallReader::Status status = reader_->Feed(c);
  if (reader_->has_name()) {
    const bool bare = origin_ == Origin::kBare || origin_ == Origin::kFence;
    if (bare && !IsBareCall()) return FailCandidate();
    CommitCall();
    if (status == CallReader::Status::kDone) EndCall(true);
    return;
  }
  if (status != CallReader::Status::kMore) FailCandidate();
}

// Between the marker and the object: blanks, the bracket of a list, the language of a fence.
void OutputParser::StepPrelude(char c) {
  const bool is_call_fence =
      fence_word_.empty() || fence_word_ == "json" || fence_word_ == "tool_call";
  if (c == '{' && is_call_fence) {
    BeginScan(origin_);
    reader_->Feed(c);
    return;
  }
  if (IsBlank(c) || (c == '[' && is_call_fence)) {
    prelude_blank_ = true;
    return;
  }
  const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  if (origin_ == Origin::kFence && letter && !prelude_blank_ &&
      fence_word_.size() < kFenceWordMax) {
    fence_word_ += c;
    return;
  }
  if (origin_ == Origin::kMarker && c == ']') return;  // an empty list: no call
  FailCandidate();
}

void OutputParser::CommitCall() {
  raw_.clear();
  blanks_.clear();
  events_.push_back({OutputEvent::Kind::kCallBegin, reader_->name(), call_count_, true});
  ++call_count_;
  state_ = State::kCall;
  Emit(OutputEvent::Kind::kCallArguments, reader_->TakeArguments());
}

void OutputParser::EndCall(bool complete) {
  if (complete && !reader_->has_arguments()) Emit(OutputEvent::Kind::kCallArguments, "{}");
  events_.push_back({OutputEvent::Kind::kCallEnd, {}, call_count_ - 1, complete});
  reader_.reset();
  match_.clear();
  after_call_ = true;
  state_ = State::kAfterCall;
}

void OutputParser::StepCall(char c) {
  const CallReader::Status status = reader_->Feed(c);
  Emit(OutputEvent::Kind::kCallArguments, reader_->TakeArguments());
  if (status == CallReader::Status::kDone) return EndCall(true);
  if (status == CallReader::Status::kFailed) {
    CloseReader();
    state_ = State::kBroken;
    StepBroken(c);
  }
}

void OutputParser::StepAfterCall(char c) {
  match_ += c;
  while (!match_.empty()) {
    const Match closer = MatchAny(match_, options_.tools->closers);
    if (closer == Match::kWhole) {
      match_.clear();
      state_ = State::kText;
      return;
    }
    const Match next = MatchAny(match_, after_call_marks_);
    if (next == Match::kWhole) return BeginCandidate(Origin::kNext, std::exchange(match_, {}));
    if (closer == Match::kPartial || next == Match::kPartial) return;
    if (std::string_view(match_).starts_with(kFence)) {
      input_.insert(input_at_, match_, kFence.size(), std::string::npos);
      match_.clear();
      state_ = State::kText;
      return;
    }
    if (kFence.starts_with(match_)) return;
    const char first = match_.front();
    if (IsBlank(first) || first == ',' || first == ';' || first == ']' || first == '}') {
      if (IsBlank(first)) blanks_ += first;
      match_.erase(0, 1);
      continue;
    }
    // The next object of a list, or text.
    const std::string held = std::exchange(match_, {});
    if (BeginsNextName(first)) {
      BeginCandidate(Origin::kNext, {});
      input_.insert(input_at_, held);
    } else if (first == '{' && options_.tools->is_object()) {
      const bool bare = origin_ == Origin::kBare || origin_ == Origin::kFence;
      BeginCandidate(bare ? Origin::kBare : Origin::kNext, "{");
      if (!bare) {
        BeginScan(origin_);
        reader_->Feed('{');
      }
      input_.insert(input_at_, held, 1, std::string::npos);
    } else {
      state_ = State::kText;
      input_.insert(input_at_, held);
    }
    return;
  }
}

void OutputParser::StepBroken(char c) {
  match_ += c;
  while (!match_.empty()) {
    Match closer = MatchAny(match_, options_.tools->closers);
    if (origin_ == Origin::kFence && kFence.starts_with(match_))
      closer = match_ == kFence ? Match::kWhole : Match::kPartial;
    if (closer == Match::kWhole) {
      EndCall(reader_->arguments_complete());  // a missing last brace is no harm
      state_ = State::kText;
      return;
    }
    if (closer == Match::kPartial) return;
    if (!reader_->arguments_complete())
      Emit(OutputEvent::Kind::kCallArguments, std::string_view(match_).substr(0, 1));
    match_.erase(0, 1);
  }
}

ParsedOutput ParseOutput(const OutputParserOptions& options, std::string_view text) {
  OutputParser parser(options);
  std::vector<OutputEvent> events = parser.Feed(text);
  for (OutputEvent& event : parser.Finish()) events.push_back(std::move(event));
  ParsedOutput out;
  for (const OutputEvent& event : events) {
    switch (event.kind) {
      case OutputEvent::Kind::kContent:
        out.content += event.text;
        break;
      case OutputEvent::Kind::kReasoning:
        out.reasoning += event.text;
        break;
      case OutputEvent::Kind::kCallBegin:
        out.calls.push_back({event.text, {}, false});
        break;
      case OutputEvent::Kind::kCallArguments:
        out.calls.back().arguments += event.text;
        break;
      case OutputEvent::Kind::kCallEnd:
        out.calls.back().complete = event.complete;
        break;
    }
  }
  return out;
}

}  // namespace infe::chat

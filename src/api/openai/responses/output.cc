#include "api/openai/responses/output.h"

#include <ctime>
#include <utility>
#include <variant>

#include "api/ids.h"
#include "api/openai/answer_parts.h"
#include "api/openai/obfuscation.h"
#include "api/openai/responses/encrypted_reasoning.h"
#include "base/random.h"

namespace infe::api::responses {
namespace {

bool IsBlank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

void AppendScore(ObjectText& object, const TokenProbability& token) {
  object.String("token", TokenText(token));
  // The comparison is false for NaN as well.
  AppendFloat(object.Key("logprob"), token.logprob >= kLogprobMin ? token.logprob : kLogprobMin);
  std::string& out = object.Key("bytes");
  out += '[';
  // Special tokens have no bytes of their own; the API knows no null here.
  for (size_t i = 0; i < token.bytes.size() && !token.special; ++i) {
    if (i > 0) out += ',';
    AppendInteger(out, static_cast<unsigned char>(token.bytes[i]));
  }
  out += ']';
}

void AppendScores(std::string& out, const std::vector<TokenLogprob>& scores) {
  out += '[';
  for (size_t i = 0; i < scores.size(); ++i) {
    if (i > 0) out += ',';
    ObjectText entry(out);
    AppendScore(entry, scores[i].token);
    std::string& top = entry.Key("top_logprobs");
    top += '[';
    for (size_t j = 0; j < scores[i].top.size(); ++j) {
      if (j > 0) top += ',';
      ObjectText alternative(top);
      AppendScore(alternative, scores[i].top[j]);
      alternative.Close();
    }
    top += ']';
    entry.Close();
  }
  out += ']';
}

void MoveTo(std::vector<TokenLogprob>& to, std::vector<TokenLogprob> from) {
  for (TokenLogprob& score : from) to.push_back(std::move(score));
}

}  // namespace

Output::Output(OutputOptions options, SendEvent send)
    : options_(std::move(options)), send_(std::move(send)), obfuscation_seed_(RandomUint64()) {
  response_ = WriteResponse(options_.frame, {});
}

template <typename Write>
void Output::Emit(std::string_view type, const Write& write, std::optional<size_t> payload) {
  if (!send_) return;
  buffer_.clear();
  ObjectText object(buffer_);
  object.String("type", type);
  object.Integer("sequence_number", static_cast<int64_t>(number_));
  write(object);
  if (payload && options_.obfuscates)
    AppendObfuscation(buffer_, obfuscation_seed_, number_, *payload);
  object.Close();
  ++number_;
  send_(type, buffer_);
}

void Output::Begin() {
  const auto tell = [this](const char* type, const std::string& response) {
    Emit(type, [&](ObjectText& object) { object.Key("response") += response; });
  };
  if (options_.is_queued) {
    const std::string queued = WriteResponse(options_.frame, {.status = Status::kQueued});
    tell("response.created", queued);
    tell("response.queued", queued);
  } else {
    tell("response.created", response_);
  }
  tell("response.in_progress", response_);
}

void Output::Take(const answer::Event& event) {
  if (options_.logprobs) MoveTo(scores_, ToLogprobs(event.scores));
  std::visit([this](const auto& body) { On(body); }, event.body);
  const bool of_text = std::holds_alternative<answer::Text>(event.body) ||
                       std::holds_alternative<answer::ChoiceEnd>(event.body);
  if (!of_text) scores_.clear();
}

void Output::On(const answer::Text& text) {
  if (!open_ || open_->kind != Kind::kMessage) {
    // Nothing yet, or blanks behind a call: perhaps nothing follows them.
    if (text.text.empty() || (item_count_ > 0 && IsBlank(text.text))) {
      blanks_ += text.text;
      return;
    }
    OpenText(Kind::kMessage, "msg");
    Append(std::exchange(blanks_, {}));
  }
  Append(text.text);
}

void Output::On(const answer::Reasoning& text) {
  if (text.text.empty()) return;
  if (!open_ || open_->kind != Kind::kReasoning) OpenText(Kind::kReasoning, "rs");
  Append(text.text);
}

void Output::On(const answer::CallBegin& call) {
  const bool custom = call.kind == answer::CallKind::kCustom;
  Open& item = OpenItem(custom ? Kind::kCustom : Kind::kFunction, custom ? "ctc" : "fc");
  item.call_id = NewCallId();
  item.name = call.name;
  for (const GroupedTool& tool : options_.grouped)
    if (tool.flat_name == call.name) {
      item.name = tool.name;
      item.group = tool.group;
    }
  Emit("response.output_item.added", [&](ObjectText& object) {
    object.Integer("output_index", item_count_);
    object.Key("item") += ItemJson(Status::kInProgress, false);
  });
}

void Output::On(const answer::CallArguments& call) {
  Append(call.text);
}

Output::Open& Output::OpenItem(Kind kind, std::string_view prefix) {
  Close(Status::kCompleted);
  blanks_.clear();
  if (kind != Kind::kReasoning) speaks_ = true;
  open_.emplace();
  open_->kind = kind;
  open_->id = ItemId(prefix, options_.frame.id, item_count_);
  return *open_;
}

void Output::OpenText(Kind kind, std::string_view prefix) {
  std::string blanks = std::move(blanks_);
  OpenItem(kind, prefix);
  if (kind == Kind::kMessage) blanks_ = std::move(blanks);
  Emit("response.output_item.added", [&](ObjectText& object) {
    object.Integer("output_index", item_count_);
    object.Key("item") += ItemJson(Status::kInProgress, false);
  });
  const bool summary = kind == Kind::kReasoning && options_.reasoning_as_summary;
  Emit(summary ? "response.reasoning_summary_part.added" : "response.content_part.added",
       [&](ObjectText& object) {
         object.String("item_id", open_->id);
         object.Integer("output_index", item_count_);
         object.Integer(summary ? "summary_index" : "content_index", 0);
         object.Key("part") += PartJson({}, false);
       });
}

void Output::Append(std::string_view text) {
  if (!open_) return;
  if (open_->kind == Kind::kMessage) MoveTo(open_->pending, std::exchange(scores_, {}));
  if (text.empty()) return;
  open_->text += text;
  SendDelta(text);
}

void Output::SendDelta(std::string_view text) {
  const auto write = [&](ObjectText& object) {
    object.String("item_id", open_->id);
    object.Integer("output_index", item_count_);
    switch (open_->kind) {
      case Kind::kMessage:
        object.Integer("content_index", 0);
        break;
      case Kind::kReasoning:
        object.Integer(options_.reasoning_as_summary ? "summary_index" : "content_index", 0);
        break;
      case Kind::kFunction:
      case Kind::kCustom:
        break;
    }
    object.String("delta", text);
    if (open_->kind == Kind::kMessage) AppendScores(object.Key("logprobs"), open_->pending);
  };
  const auto type = [&]() -> std::string_view {
    switch (open_->kind) {
      case Kind::kMessage:
        return "response.output_text.delta";
      case Kind::kReasoning:
        return options_.reasoning_as_summary ? "response.reasoning_summary_text.delta"
                                             : "response.reasoning_text.delta";
      case Kind::kFunction:
        return "response.function_call_arguments.delta";
      case Kind::kCustom:
        break;
    }
    return "response.custom_tool_call_input.delta";
  };
  Emit(type(), write, text.size());
  MoveTo(open_->scores, std::exchange(open_->pending, {}));
}

void Output::SendTextDone() {
  const bool summary = open_->kind == Kind::kReasoning && options_.reasoning_as_summary;
  const std::string_view index = summary ? "summary_index" : "content_index";
  const auto place = [&](ObjectText& object) {
    object.String("item_id", open_->id);
    object.Integer("output_index", item_count_);
  };
  const auto part = [&](ObjectText& object) {
    place(object);
    object.Integer(index, 0);
    object.Key("part") += PartJson(open_->text, true);
  };
  const auto text = [&](ObjectText& object) {
    place(object);
    object.Integer(index, 0);
    object.String("text", open_->text);
    if (open_->kind == Kind::kMessage) AppendScores(object.Key("logprobs"), open_->scores);
  };
  switch (open_->kind) {
    case Kind::kMessage:
      Emit("response.output_text.done", text);
      return Emit("response.content_part.done", part);
    case Kind::kReasoning:
      Emit(summary ? "response.reasoning_summary_text.done" : "response.reasoning_text.done", text);
      return Emit(summary ? "response.reasoning_summary_part.done" : "response.content_part.done",
                  part);
    case Kind::kFunction:
      return Emit("response.function_call_arguments.done", [&](ObjectText& object) {
        place(object);
        object.String("name", open_->name);
        object.String("arguments", open_->text);
      });
    case Kind::kCustom:
      return Emit("response.custom_tool_call_input.done", [&](ObjectText& object) {
        place(object);
        object.String("input", open_->text);
      });
  }
}

void Output::Close(Status status) {
  if (!open_) return;
  if (!open_->pending.empty()) SendDelta({});  // of tokens without text, at the end
  SendTextDone();
  std::string item = ItemJson(status, true);
  Emit("response.output_item.done", [&](ObjectText& object) {
    object.Integer("output_index", item_count_);
    object.Key("item") += item;
  });
  if (!items_.empty()) items_ += ',';
  items_ += item;
  ++item_count_;
  open_.reset();
}

std::string Output::PartJson(std::string_view text, bool whole) const {
  std::string out;
  ObjectText part(out);
  const bool is_message = open_->kind == Kind::kMessage;
  part.String("type", is_message                      ? "output_text"
                      : options_.reasoning_as_summary ? "summary_text"
                                                      : "reasoning_text");
  part.String("text", text);
  if (is_message) {
    part.Key("annotations") += "[]";
    if (whole) {
      AppendScores(part.Key("logprobs"), open_->scores);
    } else {
      part.Key("logprobs") += "[]";
    }
  }
  part.Close();
  return out;
}

std::string Output::ItemJson(Status status, bool whole) const {
  std::string out;
  ObjectText item(out);
  item.String("id", open_->id);
  const auto parts = [&](std::string_view key) {
    std::string& to = item.Key(key);
    to += '[';
    if (whole) to += PartJson(open_->text, true);
    to += ']';
  };
  const auto call = [&](std::string_view type, std::string_view arguments) {
    item.String("type", type);
    item.String("status", Name(status));
    item.String("call_id", open_->call_id);
    item.String("name", open_->name);
    if (!open_->group.empty()) item.String("namespace", open_->group);
    item.String(arguments, open_->text);
  };
  switch (open_->kind) {
    case Kind::kMessage:
      item.String("type", "message");
      item.String("status", Name(status));
      item.String("role", "assistant");
      parts("content");
      break;
    case Kind::kReasoning:
      item.String("type", "reasoning");
      item.String("status", Name(status));
      if (options_.reasoning_as_summary) {
        parts("summary");
      } else {
        item.Key("summary") += "[]";
        parts("content");
      }
      if (whole && options_.seals_reasoning)
        item.String("encrypted_content", SealReasoning(open_->text));
      break;
    case Kind::kFunction:
      call("function_call", "arguments");
      break;
    case Kind::kCustom:
      call("custom_tool_call", "input");
      break;
  }
  item.Close();
  return out;
}

void Output::On(const answer::Done& done) {
  const bool cut = end_.reason == answer::StopReason::kLength;
  // An answer of no tokens is an empty text, not nothing.
  if (!cut && !speaks_) {
    if (!open_ || open_->kind != Kind::kMessage) OpenText(Kind::kMessage, "msg");
  }
  if (open_ && open_->kind == Kind::kMessage) MoveTo(open_->pending, std::exchange(scores_, {}));
  Close(cut ? Status::kIncomplete : Status::kCompleted);
  State state;
  state.status = cut ? Status::kIncomplete : Status::kCompleted;
  state.totals = done.totals;
  if (!cut) state.completed_at = std::time(nullptr);
  Finish(std::move(state));
}

void Output::Fail(const ApiError& error) {
  Emit("error", [&](ObjectText& object) {
    object.String("code", error.code.value_or(error.type));
    object.String("message", error.message);
    if (error.param) {
      object.String("param", *error.param);
    } else {
      object.Null("param");
    }
  });
  State state;
  state.status = Status::kFailed;
  state.error = error;
  Finish(std::move(state));
}

void Output::Finish(State state) {
  const std::string output = '[' + items_ + ']';
  state.output = output;
  response_ = WriteResponse(options_.frame, state);
  if (options_.keep) options_.keep(state.status, response_, output);
  const std::string type = "response." + std::string(Name(state.status));
  Emit(type, [this](ObjectText& object) { object.Key("response") += response_; });
}

std::string_view Output::finish() const {
  switch (end_.reason) {
    case answer::StopReason::kStop:
      return "stop";
    case answer::StopReason::kCalls:
      return "tool_calls";
    case answer::StopReason::kLength:
      break;
  }
  return "length";
}

}  // namespace infe::api::responses

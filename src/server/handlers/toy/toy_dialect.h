// The smallest dialect, for a test: what a new one brings in its folder of api/. A request is
// {"say": TEXT, "model": NAME, "whole": BOOL}; an answer is the text in capitals, streamed as
// events called "word" or sent as {"said": TEXT}; a refusal is "no, STATUS at FIELD".
#pragma once

#include <cctype>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "answer/ask.h"
#include "api/answer_text.h"
#include "api/openai/answer_error.h"
#include "api/parsed.h"
#include "base/json.h"

namespace infe::toy {

struct Request {
  std::string model;
  bool whole = false;
  answer::ChatAsk ask;
};

inline api::Parsed<Request> Parse(std::string_view body) {
  const auto json = ParseJson(body);
  if (!json) return api::InvalidBody(json.error().message);
  const Json* say = json->find("say");
  const Json* model = json->find("model");
  if (say == nullptr || !say->is_string()) return api::MissingParameter("say");
  if (model == nullptr || !model->is_string()) return api::MissingParameter("model");
  Request request;
  request.model = model->as_string();
  request.whole = json->find("whole") != nullptr;
  chat::Message& message = request.ask.messages.emplace_back();
  message.role = chat::Role::kUser;
  message.content = say->as_string();
  request.ask.messages_origin = "say";
  return request;
}

inline std::string WriteError(const api::ApiError& error) {
  return "no, " + std::to_string(error.status) + " at " + error.param.value_or("nothing");
}

inline std::string Capitals(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

class Stream : public api::StreamText {
 public:
  explicit Stream(api::SendEvent send) : send_(std::move(send)) {}
  void Take(const answer::Event& event) override {
    if (const auto* text = std::get_if<answer::Text>(&event.body))
      send_("word", Capitals(text->text));
    if (std::holds_alternative<answer::Done>(event.body)) send_("end", "bye");
  }
  std::string_view finish() const override { return "stop"; }
  api::ApiError ToError(const answer::AnswerError& error) const override {
    return api::ToApiError(error);
  }
  void Fail(const api::ApiError& error) override { send_("no", toy::WriteError(error)); }

 private:
  const api::SendEvent send_;
};

class Whole : public api::WholeText {
 public:
  void Take(const answer::Event& event) override {
    if (const auto* text = std::get_if<answer::Text>(&event.body)) said_ += Capitals(text->text);
  }
  std::string_view finish() const override { return "stop"; }
  api::ApiError ToError(const answer::AnswerError& error) const override {
    return api::ToApiError(error);
  }
  std::string Body() override { return Json(Json::Object{{"said", said_}}).Dump(); }

 private:
  std::string said_;
};

}  // namespace infe::toy

#include "api/openai/responses/response_text.h"

#include <utility>

#include "api/openai/responses/ask.h"

namespace infe::api::responses {
namespace {

class Stream : public StreamText {
 public:
  Stream(OutputOptions options, SendEvent send) : output_(std::move(options), std::move(send)) {}
  void Begin() override { output_.Begin(); }
  void Take(const answer::Event& event) override { output_.Take(event); }
  std::string_view finish() const override { return output_.finish(); }
  ApiError ToError(const answer::AnswerError& error) const override {
    return responses::ToError(error);
  }
  void Fail(const ApiError& error) override { output_.Fail(error); }

 private:
  Output output_;
};

class Whole : public WholeText {
 public:
  explicit Whole(OutputOptions options) : output_(std::move(options), {}) {}
  void Take(const answer::Event& event) override { output_.Take(event); }
  std::string_view finish() const override { return output_.finish(); }
  ApiError ToError(const answer::AnswerError& error) const override {
    return responses::ToError(error);
  }
  std::string Body() override { return output_.response(); }

 private:
  Output output_;
};

}  // namespace

std::unique_ptr<StreamText> MakeStream(OutputOptions options, SendEvent send) {
  return std::make_unique<Stream>(std::move(options), std::move(send));
}
std::unique_ptr<WholeText> MakeWhole(OutputOptions options) {
  return std::make_unique<Whole>(std::move(options));
}

}  // namespace infe::api::responses

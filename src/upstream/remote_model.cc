#include "upstream/remote_model.h"

#include <algorithm>
#include <utility>

#include "upstream/chat_request.h"
#include "upstream/remote_answer.h"

namespace infe::upstream {
namespace {

using answer::Answered;

// A token of English has four to five bytes; of what is to be charged too little is worse.
constexpr size_t kBytesPerToken = 4;
// So much of a conversation's beginning decides where it goes: its system message and its first
// turn, which every later turn repeats.
constexpr size_t kPrefixMessages = 2;

// Nobody here knows the model's tokens.
uint32_t EstimateTokens(const answer::ChatAsk& ask) {
  size_t bytes = 0;
  for (const chat::Message& message : ask.messages) {
    bytes += message.content.size() + message.reasoning_content.size() + 16;
    for (const chat::ToolCall& call : message.tool_calls)
      bytes += call.name.size() + call.arguments.size();
  }
  for (const answer::Tool& tool : ask.tools)
    bytes += tool.name.size() + tool.description.size() + tool.parameters.Dump().size();
  return static_cast<uint32_t>(std::min<size_t>(1 + bytes / kBytesPerToken, UINT32_MAX));
}

uint64_t PrefixOf(const answer::ChatAsk& ask) {
  uint64_t hash = HashText(ask.caller.cache_salt);
  for (size_t i = 0; i < std::min(kPrefixMessages, ask.messages.size()); ++i)
    hash = HashText(ask.messages[i].content, hash);
  return hash;
}

class PreparedRemote : public answer::Prepared {
 public:
  PreparedRemote(std::shared_ptr<RemoteModel> model, RemotePlan plan, answer::PreparedFacts facts)
      : model_(std::move(model)), plan_(std::move(plan)), facts_(std::move(facts)) {}
  const answer::PreparedFacts& facts() const override { return facts_; }
  // What the answer must look like is the upstream's to hold.
  Answered<void> Compile(answer::GrammarSource&) override { return {}; }
  Answered<std::shared_ptr<answer::Running>> Start(
      std::shared_ptr<answer::Executor> executor,
      const std::function<std::unique_ptr<answer::Consumer>()>& make_consumer) override {
    return std::shared_ptr<answer::Running>(RemoteAnswer::Start(
        std::move(model_), std::move(plan_), std::move(executor), make_consumer()));
  }

 private:
  std::shared_ptr<RemoteModel> model_;
  RemotePlan plan_;
  const answer::PreparedFacts facts_;
};

}  // namespace

std::shared_ptr<RemoteModel> RemoteModel::Make(HttpClient& client, std::vector<Route> routes,
                                               RemoteModelOptions options) {
  return std::shared_ptr<RemoteModel>(
      new RemoteModel(client, std::move(routes), std::move(options)));
}

RemoteModel::RemoteModel(HttpClient& client, std::vector<Route> routes, RemoteModelOptions options)
    : client_(client), routes_(std::move(routes)), options_(std::move(options)) {
  facts_.name = options_.name;
  facts_.aliases = options_.aliases;
  facts_.created = options_.created;
  facts_.context_max = options_.context_max;
  facts_.can.text = false;
}

answer::BackendLoad RemoteModel::load() const {
  answer::BackendLoad load;
  for (const Route& route : routes_) load.running += route.upstream->outstanding();
  return load;
}

Answered<std::unique_ptr<answer::Prepared>> RemoteModel::Prepare(answer::ChatAsk ask,
                                                                 const answer::AnswerPolicy&) {
  if (ask.purpose == answer::Purpose::kLook)
    return answer::InvalidAt(
        ask.messages_origin,
        "This model runs on another server: its prompt is not rendered and not counted here.");
  // Servers of one model that take different fields: what one of them cannot take is refused.
  const auto strict = std::find_if(routes_.begin(), routes_.end(), [](const Route& route) {
    return !route.upstream->options().extended;
  });
  const Route& taker = strict == routes_.end() ? routes_.front() : *strict;
  auto body = ToChatBody(ask, taker.upstream->options());
  if (!body) return std::move(body).error();
  RemotePlan plan;
  plan.body = std::make_shared<const Json>(*std::move(body));
  plan.reading.choices = ask.choices;
  for (const answer::Tool& tool : ask.tools)
    if (tool.kind == answer::Tool::Kind::kCustom) plan.reading.custom_tools.insert(tool.name);
  plan.reading.stops = ask.sampling.stops;
  plan.reading.stop_tokens = ask.sampling.bounds.stops;
  plan.reading.scores = ask.scores.tokens;
  plan.prompt_tokens = EstimateTokens(ask);
  plan.prefix = PrefixOf(ask);
  plan.arrival = ask.caller.arrival;
  plan.deadline = ask.caller.deadline;
  answer::PreparedFacts facts;
  facts.prompt_tokens = plan.prompt_tokens;
  facts.counted = false;
  facts.seed = ask.sampling.seed;
  facts.refuses_late = true;
  return std::unique_ptr<answer::Prepared>(
      new PreparedRemote(shared_from_this(), std::move(plan), std::move(facts)));
}

Answered<std::unique_ptr<answer::Prepared>> RemoteModel::Prepare(answer::TextAsk ask,
                                                                 const answer::AnswerPolicy&) {
  return answer::InvalidAt(ask.prompts_origin,
                           "This model runs on another server, which is only asked for chats.");
}

std::optional<size_t> RemoteModel::Choose(const std::vector<bool>& tried, uint64_t prefix) {
  const auto now = Now();
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < routes_.size(); ++i) {
    const Upstream& upstream = *routes_[i].upstream;
    candidates.push_back({.name = upstream.name(),
                          .weight = upstream.options().weight,
                          .outstanding = upstream.outstanding(),
                          .allowed = !tried[i] && upstream.Allows(now),
                          .busy = upstream.IsBusy(now)});
  }
  return upstream::Choose(candidates, options_.balance,
                          turn_.fetch_add(1, std::memory_order_relaxed), prefix);
}

int64_t RemoteModel::RestMs() const {
  const auto now = Now();
  auto first = Breaker::Time::max();
  for (const Route& route : routes_) first = std::min(first, route.upstream->rest_until());
  return std::max<int64_t>(
      1000, std::chrono::duration_cast<std::chrono::milliseconds>(first - now).count());
}

}  // namespace infe::upstream

// For tests of what stands above a Backend: one that tells a script instead of running a model. It
// keeps what it was asked, so that a dialect's reading of its requests is seen, too.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "answer/backend.h"
#include "answer/grammar_source.h"

namespace infe::answer {

// What one ask comes to.
struct FakeScript {
  std::optional<AnswerError> prepare_error = {}, compile_error = {}, start_error = {};
  std::string grammar_key = {};  // a grammar of this name is asked for; "": none
  PreparedFacts facts = {.prompt_tokens = 3, .seed = 7};
  std::vector<Event> events = {};  // told in order; each of Text, Reasoning and calls is a token
  bool goes_on = false;  // the answer is not over after them: it waits for Fail or Abandon
};

// What became of the answers. Thread-safe.
class FakeDiary {
 public:
  void Add(std::string line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
  }
  std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;  // guarded by mutex_
};

class FakeRunning : public Running, public std::enable_shared_from_this<FakeRunning> {
 public:
  FakeRunning(std::shared_ptr<Executor> executor, std::unique_ptr<Consumer> consumer,
              FakeDiary& diary)
      : executor_(std::move(executor)), consumer_(std::move(consumer)), diary_(diary) {}
  // On the executor.
  void Tell(const FakeScript& script) {
    for (const Event& event : script.events) {
      if (!consumer_) return;
      const bool token = std::holds_alternative<Text>(event.body) ||
                         std::holds_alternative<Reasoning>(event.body) ||
                         std::holds_alternative<CallBegin>(event.body) ||
                         std::holds_alternative<CallArguments>(event.body);
      if (token) consumer_->OnToken(event.choice);
      consumer_->OnEvent(event);
      if (token && consumer_) consumer_->OnStep(event.choice, 1);
    }
    if (!script.goes_on) return consumer_.reset();
    if (consumer_) held_ = shared_from_this();
  }
  void Abandon() override {
    if (consumer_) diary_.Add("abandoned");
    consumer_.reset();
    held_.reset();
  }
  void SetPaused(bool paused) override { diary_.Add(paused ? "paused" : "resumed"); }
  void Fail(AnswerError error) override {
    executor_->Post([self = shared_from_this(), error = std::move(error)] {
      if (self->consumer_) self->consumer_->OnEvent({0, Failed{error}, {}});
      self->consumer_.reset();
      self->held_.reset();
    });
  }

 private:
  const std::shared_ptr<Executor> executor_;
  std::unique_ptr<Consumer> consumer_;
  FakeDiary& diary_;
  std::shared_ptr<FakeRunning> held_;  // itself, while it goes on, as an engine holds an answer
};

class FakePrepared : public Prepared {
 public:
  FakePrepared(FakeScript script, FakeDiary& diary) : script_(std::move(script)), diary_(diary) {}
  const PreparedFacts& facts() const override { return script_.facts; }
  Answered<void> Compile(GrammarSource& source) override {
    if (!script_.grammar_key.empty()) {
      const auto made = source.FindOrCompile(script_.grammar_key, [&] {
        diary_.Add("compiled " + script_.grammar_key);
        return grammar::CompileJsonObject();
      });
      if (!made) return ToAnswerError(made.error());
    }
    if (script_.compile_error) return *script_.compile_error;
    return {};
  }
  Answered<std::shared_ptr<Running>> Start(
      std::shared_ptr<Executor> executor,
      const std::function<std::unique_ptr<Consumer>()>& make_consumer) override {
    if (script_.start_error) return *script_.start_error;
    auto running = std::make_shared<FakeRunning>(executor, make_consumer(), diary_);
    executor->Post([running, script = script_] { running->Tell(script); });
    return std::shared_ptr<Running>(running);
  }

 private:
  const FakeScript script_;
  FakeDiary& diary_;
};

// Of the script it follows prepare_error, start_error, the prompt's tokens and goes_on: its vector
// is made, or never comes.
class FakeEmbedding : public PreparedEmbedding {
 public:
  FakeEmbedding(FakeScript script, FakeDiary& diary) : script_(std::move(script)), diary_(diary) {}
  uint32_t prompt_tokens() const override { return script_.facts.prompt_tokens; }
  Answered<std::shared_ptr<Running>> Start(std::shared_ptr<Executor> executor,
                                           TakeEmbeddings take) override {
    if (script_.start_error) return *script_.start_error;
    auto running = std::make_shared<FakeEmbeddingRun>(executor, std::move(take), diary_);
    if (script_.goes_on) {
      running->Hold();
    } else {
      executor->Post([running, tokens = prompt_tokens()] { running->Tell(tokens); });
    }
    return std::shared_ptr<Running>(running);
  }

 private:
  class FakeEmbeddingRun : public Running, public std::enable_shared_from_this<FakeEmbeddingRun> {
   public:
    FakeEmbeddingRun(std::shared_ptr<Executor> executor, TakeEmbeddings take, FakeDiary& diary)
        : executor_(std::move(executor)), take_(std::move(take)), diary_(diary) {}
    void Hold() { held_ = shared_from_this(); }
    // On the executor.
    void Tell(uint32_t tokens) {
      End(Embeddings{.vectors = {{0.6F, 0.8F}}, .totals = {.prompt_tokens = tokens}});
    }
    void Abandon() override {
      if (take_) diary_.Add("abandoned");
      take_ = nullptr;
      held_.reset();
    }
    void SetPaused(bool) override {}
    void Fail(AnswerError error) override {
      executor_->Post([self = shared_from_this(), error = std::move(error)] { self->End(error); });
    }

   private:
    void End(Answered<Embeddings> result) {
      if (const auto take = std::exchange(take_, nullptr)) take(std::move(result));
      held_.reset();
    }

    const std::shared_ptr<Executor> executor_;
    TakeEmbeddings take_;
    FakeDiary& diary_;
    std::shared_ptr<FakeEmbeddingRun> held_;  // itself, while it goes on
  };

  const FakeScript script_;
  FakeDiary& diary_;
};

class FakeBackend : public Backend {
 public:
  explicit FakeBackend(ModelFacts facts) : facts_(std::move(facts)) {}

  // For the next ask that has none yet. One without any is answered by nothing but its end.
  void Expect(FakeScript script) {
    const std::lock_guard lock(mutex_);
    scripts_.push_back(std::move(script));
  }
  // The last one of each kind.
  ChatAsk chat_ask() const {
    const std::lock_guard lock(mutex_);
    return chat_ask_;
  }
  TextAsk text_ask() const {
    const std::lock_guard lock(mutex_);
    return text_ask_;
  }
  EmbedAsk embed_ask() const {
    const std::lock_guard lock(mutex_);
    return embed_ask_;
  }
  const FakeDiary& diary() const { return diary_; }
  void set_load(const BackendLoad& load) { load_ = load; }

  const ModelFacts& facts() const override { return facts_; }
  BackendLoad load() const override { return load_; }
  Answered<std::unique_ptr<Prepared>> Prepare(ChatAsk ask, const AnswerPolicy&) override {
    const std::lock_guard lock(mutex_);
    chat_ask_ = std::move(ask);
    return Next();
  }
  Answered<std::unique_ptr<Prepared>> Prepare(TextAsk ask, const AnswerPolicy&) override {
    const std::lock_guard lock(mutex_);
    text_ask_ = std::move(ask);
    return Next();
  }
  Answered<std::unique_ptr<PreparedEmbedding>> PrepareEmbedding(EmbedAsk ask) override {
    const std::lock_guard lock(mutex_);
    embed_ask_ = std::move(ask);
    FakeScript script = NextScript();
    if (script.prepare_error) return *script.prepare_error;
    return std::unique_ptr<PreparedEmbedding>(new FakeEmbedding(std::move(script), diary_));
  }
  Answered<std::unique_ptr<PreparedEmbedding>> PrepareRanking(RankAsk ask) override {
    return PrepareEmbedding({.texts = {ask.query}, .caller = std::move(ask.caller)});
  }

 private:
  FakeScript NextScript() {
    FakeScript script{.events = {{0, ChoiceEnd{}, {}}, {0, Done{}, {}}}};
    if (!scripts_.empty()) {
      script = std::move(scripts_.front());
      scripts_.pop_front();
    }
    return script;
  }
  Answered<std::unique_ptr<Prepared>> Next() {
    FakeScript script = NextScript();
    if (script.prepare_error) return *script.prepare_error;
    return std::unique_ptr<Prepared>(new FakePrepared(std::move(script), diary_));
  }

  const ModelFacts facts_;
  BackendLoad load_;
  FakeDiary diary_;
  mutable std::mutex mutex_;
  std::deque<FakeScript> scripts_;  // guarded by mutex_, as is
  ChatAsk chat_ask_;
  TextAsk text_ask_;
  EmbedAsk embed_ask_;
};

}  // namespace infe::answer

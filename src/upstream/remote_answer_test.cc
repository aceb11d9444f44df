// One ask over servers that the test plays itself: it holds the HTTP client, the clock and the
// executor.
#include "upstream/remote_answer.h"

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "answer/test_support.h"
#include "upstream/remote_model.h"

namespace infe::upstream {
namespace {

using answer::Failed;
using How = HttpEnd::How;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Words = std::vector<std::string>;

struct FakeTransfer : HttpTransfer {
  void Cancel() override { cancelled = true; }
  void SetPaused(bool on) override { paused = on; }
  void SetDeadline(std::chrono::steady_clock::time_point at) override { deadline = at; }
  bool cancelled = false, paused = false;
  std::chrono::steady_clock::time_point deadline = {};
};

struct Sent {
  HttpAsk ask;
  std::shared_ptr<FakeTransfer> transfer = std::make_shared<FakeTransfer>();
  std::unique_ptr<HttpListener> listener;
};

class FakeClient : public HttpClient {
 public:
  std::shared_ptr<HttpTransfer> Send(HttpAsk ask, std::unique_ptr<HttpListener> listener) override {
    Sent& one = sent.emplace_back();
    one.ask = std::move(ask);
    one.listener = std::move(listener);
    one.transfer->deadline = one.ask.deadline;
    return one.transfer;
  }
  std::vector<Sent> sent;
};

std::string Chunk(std::string_view delta, std::string_view more = "") {
  return "data: {\"choices\":[{\"index\":0,\"delta\":" + std::string(delta) + "}" +
         std::string(more) + "]}\n\n";
}
std::string Said(std::string_view text) {
  return Chunk("{\"content\":\"" + std::string(text) + "\"}");
}
const std::string kRole = Chunk(R"({"role":"assistant","content":""})");
const std::string kEnd =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const std::string kUsage =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":3}}\n\n";
const std::string kDone = "data: [DONE]\n\n";

class Hearing : public answer::Consumer {
 public:
  Hearing(answer::Heard& heard, Words& servers) : listener_(heard), servers_(servers) {}
  void OnEvent(const answer::Event& event) override { listener_.OnEvent(event); }
  void OnToken(uint32_t choice) override { listener_.OnToken(choice); }
  void OnStep(uint32_t choice, uint32_t tokens) override { listener_.OnStep(choice, tokens); }
  void OnServer(std::string_view name) override { servers_.emplace_back(name); }

 private:
  answer::Listener listener_;
  Words& servers_;
};

class RemoteAnswers : public testing::Test {
 protected:
  // Upstreams "a", "b" ..., of falling weight: so they are asked in this order.
  void Serve(size_t count, uint32_t retries = 2) {
    std::vector<Route> routes;
    for (size_t i = 0; i < count; ++i) {
      UpstreamOptions options;
      options.name = std::string(1, static_cast<char>('a' + i));
      options.url = "http://" + options.name + "/v1";
      options.key = "sk-" + options.name;
      options.weight = 100.0 / static_cast<double>(i + 1);
      options.first_token_timeout = seconds(60);
      options.silence_timeout = seconds(20);
      upstreams.push_back(std::make_shared<Upstream>(options));
      routes.push_back({upstreams.back(), "their-" + options.name});
    }
    RemoteModelOptions options;
    options.name = "m";
    options.retries = retries;
    options.now = [this] { return now; };
    model = RemoteModel::Make(client, routes, options);
  }

  // What is heard of it is in `heard`.
  void Ask(const std::function<void(answer::ChatAsk&)>& change = [](answer::ChatAsk&) {}) {
    answer::ChatAsk ask;
    ask.messages.resize(1);
    ask.messages[0].content = "Hello, how are you today?";
    ask.caller.arrival = now;
    change(ask);
    auto prepared = model->Prepare(std::move(ask), {});
    ASSERT_TRUE(prepared);
    auto started =
        (*prepared)->Start(executor, [&] { return std::make_unique<Hearing>(heard, servers); });
    ASSERT_TRUE(started);
    running = *started;
    executor->RunAll();
  }

  Sent& Last() { return client.sent.back(); }
  void Head(int status = 200, std::string type = "text/event-stream", int64_t retry_ms = -1) {
    Last().listener->OnHead({status, std::move(type), retry_ms});
    executor->RunAll();
  }
  void Data(std::string_view data) {
    Last().listener->OnData(data);
    executor->RunAll();
  }
  void End(How how = How::kWhole) {
    const std::unique_ptr<HttpListener> listener = std::move(Last().listener);
    listener->OnEnd({how, "reason"});
    executor->RunAll();
  }
  void Refuse(int status, std::string_view body = "{}", int64_t retry_ms = -1) {
    Head(status, "application/json", retry_ms);
    Data(body);
    End();
  }
  answer::AnswerError Failure() const {
    const Failed* failed = heard.Last<Failed>();
    EXPECT_NE(failed, nullptr);
    return failed == nullptr ? answer::AnswerError() : failed->error;
  }
  answer::Totals Totals() const {
    const auto* done = heard.Last<answer::Done>();
    EXPECT_NE(done, nullptr);
    return done == nullptr ? answer::Totals() : done->totals;
  }

  Breaker::Time now{std::chrono::hours(10)};
  FakeClient client;
  std::shared_ptr<answer::ManualExecutor> executor = std::make_shared<answer::ManualExecutor>();
  std::vector<std::shared_ptr<Upstream>> upstreams;
  std::shared_ptr<RemoteModel> model;
  std::shared_ptr<answer::Running> running;
  answer::Heard heard;
  Words servers;
};

// ---- The straight way

TEST_F(RemoteAnswers, AnAnswerIsToldAsItComes) {
  Serve(1);
  Ask();
  ASSERT_EQ(client.sent.size(), 1U);
  EXPECT_EQ(Last().ask.url, "http://a/v1/chat/completions");
  EXPECT_EQ(ParseJson(*Last().ask.body)->find("model")->as_string(), "their-a");
  EXPECT_EQ(servers, Words{"a"});
  EXPECT_EQ(upstreams[0]->outstanding(), 1U);
  Head();
  Data(kRole + Said("Hel"));
  EXPECT_EQ(heard.words, Words{"0:Hel"});
  Data(Said("lo") + kEnd);
  EXPECT_EQ(heard.words, (Words{"0:Hel", "0:lo"})) << "an end is told when all is there";
  now += milliseconds(250);
  Data(kUsage + kDone);
  EXPECT_EQ(heard.words, (Words{"0:Hel", "0:lo", "0.stop", "0done"}));
  EXPECT_EQ(heard.destroyed, 1U);
  EXPECT_EQ(Totals().prompt_tokens, 11U);
  EXPECT_EQ(Totals().completion_tokens, 3U);
  EXPECT_EQ(Totals().timings.total_ms, 250);
  EXPECT_EQ(upstreams[0]->outstanding(), 0U);
  EXPECT_EQ(upstreams[0]->counts().answered, 1U);
  EXPECT_FALSE(Last().transfer->cancelled) << "its connection is used again";
}

TEST_F(RemoteAnswers, HoweverTheBytesAreCutTheAnswerIsTheSame) {
  const std::string all =
      kRole + Said("Hel") + ": ping\r\n\r\n" + Said("lo") + kEnd + kUsage + kDone;
  for (size_t cut = 1; cut < all.size(); ++cut) {
    client.sent.clear();
    upstreams.clear();
    heard = {};
    Serve(1);
    Ask();
    Head();
    Data(all.substr(0, cut));
    Data(all.substr(cut));
    EXPECT_EQ(heard.words, (Words{"0:Hel", "0:lo", "0.stop", "0done"})) << cut;
  }
}

TEST_F(RemoteAnswers, AWholeAnswerIsTakenWhole) {
  Serve(1);
  Ask();
  Head(200, "application/json");
  Data(R"({"choices":[{"index":0,"message":{"content":"Hi"},)");
  Data(R"("finish_reason":"stop"}],"usage":{"prompt_tokens":4,"completion_tokens":1}})");
  EXPECT_TRUE(heard.words.empty());
  End();
  EXPECT_EQ(heard.words, (Words{"0:Hi", "0.stop", "0done"}));
}

TEST_F(RemoteAnswers, AUsageOfZerosIsNone) {
  Serve(1);
  Ask();
  Head();
  Data(Said("a") + Said("b") + kEnd);
  Data("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0}}\n\n" +
       kDone);
  EXPECT_EQ(Totals().completion_tokens, 2U);
  EXPECT_GT(Totals().prompt_tokens, 0U) << "an estimate";
}

// ---- What breaks off

TEST_F(RemoteAnswers, WhatIsNotWholeFails) {
  struct Row {
    const char* what;
    std::string data;
    How how;
    const char* code;
  };
  for (const Row& row : {
           Row{"cut", Said("Hel"), How::kCut, "upstream_cut"},
           Row{"no end", Said("Hel"), How::kWhole, "upstream_cut"},
           Row{"half an event", Said("Hel") + "data: {\"cho", How::kWhole, "upstream_invalid"},
           Row{"cut behind the reason", Said("Hel") + kEnd, How::kCut, "upstream_cut"},
           Row{"last word without a reason", Said("Hel") + kDone, How::kWhole, "upstream_cut"},
           Row{"no JSON", Said("Hel") + "data: <html>\n\n", How::kWhole, "upstream_invalid"},
           Row{"another choice", Said("Hel") + "data: {\"choices\":[{\"index\":3}]}\n\n",
               How::kWhole, "upstream_invalid"},
       }) {
    client.sent.clear();
    upstreams.clear();
    heard = {};
    Serve(2);
    Ask();
    Head();
    Data(row.data);
    if (Last().listener) End(row.how);
    EXPECT_EQ(Failure().remote.code, row.code) << row.what;
    EXPECT_EQ(Failure().remote.status, 502) << row.what;
    EXPECT_EQ(heard.words.front(), "0:Hel");
    EXPECT_EQ(client.sent.size(), 1U) << row.what << ": nothing is sent again after content";
    EXPECT_EQ(upstreams[0]->counts().failed, 1U);
    EXPECT_EQ(heard.Last<answer::Done>(), nullptr);
  }
}

TEST_F(RemoteAnswers, AnEndWithoutTheLastWordIsAnEnd) {
  Serve(1);
  Ask();
  Head();
  Data(Said("Hi") + kEnd);
  End();
  EXPECT_EQ(heard.words, (Words{"0:Hi", "0.stop", "0done"}));
}

TEST_F(RemoteAnswers, ALastWordWithoutItsBlankLineIsRead) {
  Serve(1);
  Ask();
  Head();
  Data(Said("Hi") + kEnd + "data: [DONE]");
  End();
  EXPECT_EQ(heard.words.back(), "0done");
}

// ---- Elsewhere, while nothing was told

TEST_F(RemoteAnswers, WhatFailsBeforeContentIsSentElsewhere) {
  for (const How how : {How::kUnreached, How::kCut}) {
    client.sent.clear();
    upstreams.clear();
    heard = {};
    servers.clear();
    Serve(2);
    Ask();
    if (how == How::kCut) {
      Head();
      Data(kRole + Chunk("{\"content\":\"\"}"));
    }
    End(how);
    ASSERT_EQ(client.sent.size(), 2U);
    EXPECT_EQ(Last().ask.url, "http://b/v1/chat/completions");
    EXPECT_EQ(servers, (Words{"a", "b"}));
    Head();
    Data(Said("Hi") + kEnd + kDone);
    EXPECT_EQ(heard.words, (Words{"0:Hi", "0.stop", "0done"}));
    EXPECT_EQ(upstreams[0]->counts().failed, 1U);
    EXPECT_EQ(upstreams[1]->counts().answered, 1U);
    EXPECT_EQ(upstreams[0]->outstanding() + upstreams[1]->outstanding(), 0U);
  }
}

TEST_F(RemoteAnswers, WhatTheFirstServerStillSendsIsDropped) {
  Serve(2);
  Ask();
  Head();
  // Two things in one reading: the second belongs to an attempt that the first has ended.
  Last().listener->OnData("data: {\"error\":{\"message\":\"x\",\"code\":500}}\n\n" + Said("late"));
  Sent& first = client.sent[0];
  const std::unique_ptr<HttpListener> old = std::move(first.listener);
  executor->RunAll();
  ASSERT_EQ(client.sent.size(), 2U);
  EXPECT_TRUE(client.sent[0].transfer->cancelled);
  old->OnData(Said("later"));
  old->OnEnd({How::kCancelled, ""});
  Head();
  Data(Said("Hi") + kEnd + kDone);
  EXPECT_EQ(heard.words, (Words{"0:Hi", "0.stop", "0done"}));
}

TEST_F(RemoteAnswers, AttemptsAreBounded) {
  Serve(5, 2);
  Ask();
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(client.sent.size(), i + 1U);
    End(How::kUnreached);
  }
  EXPECT_EQ(client.sent.size(), 3U);
  EXPECT_EQ(Failure().remote.code, "upstream_unreachable");
}

TEST_F(RemoteAnswers, ARequestsOwnFaultIsToldAtOnce) {
  for (const int status : {400, 409, 413, 422}) {
    client.sent.clear();
    upstreams.clear();
    Serve(2);
    Ask();
    Refuse(status, R"({"error":{"message":"no","code":"their_code","param":"n"}})");
    EXPECT_EQ(client.sent.size(), 1U);
    EXPECT_EQ(Failure().remote.status, status);
    EXPECT_EQ(Failure().remote.code, "their_code");
    EXPECT_EQ(upstreams[0]->counts().refused, 1U);
    EXPECT_EQ(upstreams[0]->state(), Breaker::State::kClosed);
  }
}

TEST_F(RemoteAnswers, OfSeveralFailuresTheOneThatTellsMostIsTold) {
  Serve(3);
  Ask();
  Refuse(429, R"({"error":{"message":"slow"}})", 7000);
  End(How::kUnreached);
  Refuse(503, "{}");
  EXPECT_EQ(Failure().remote.status, 429);
  EXPECT_EQ(Failure().retry_ms, 7000);
}

TEST_F(RemoteAnswers, WhoSaysWhenToComeAgainIsAskedLastUntilThen) {
  Serve(2);
  Ask();
  Refuse(429, "{}", 7000);
  EXPECT_EQ(Last().ask.url, "http://b/v1/chat/completions");
  Ask();
  EXPECT_EQ(Last().ask.url, "http://b/v1/chat/completions");
  now += milliseconds(7000);
  Ask();
  EXPECT_EQ(Last().ask.url, "http://a/v1/chat/completions");
}

TEST_F(RemoteAnswers, AKeyThatIsRefusedIsNotTheClientsMatter) {
  Serve(1);
  Ask();
  Refuse(401, R"({"error":{"message":"Incorrect API key: sk-a."}})");
  EXPECT_EQ(Failure().remote.status, 502);
  EXPECT_EQ(Failure().remote.code, "upstream_denied");
  EXPECT_EQ(Failure().error.message.find("sk-a"), std::string::npos);
}

TEST_F(RemoteAnswers, AKeyIsInNoErrorHoweverLongItIs) {
  Serve(1);
  Ask();
  // Where the message is cut lies in the middle of the key.
  const std::string filler(1997, 'x');
  Refuse(400, R"({"error":{"message":")" + filler + R"(sk-a","code":"sk-a","type":"sk-a"}})");
  EXPECT_EQ(Failure().error.message.find("sk-"), std::string::npos);
  EXPECT_EQ(Failure().remote.code, "***");
  EXPECT_EQ(Failure().remote.type, "***");
}

// ---- Time

TEST_F(RemoteAnswers, TheFirstTokenHasItsTimeAndEachSilenceIts) {
  Serve(1);
  Ask();
  EXPECT_EQ(Last().ask.deadline, now + seconds(60));
  now += seconds(50);
  Head();
  Data(kRole);
  EXPECT_EQ(Last().transfer->deadline, now + seconds(10)) << "a role is not the first token";
  Data(Said("Hel"));
  EXPECT_EQ(Last().transfer->deadline, now + seconds(20));
  now += seconds(15);
  Data(": ping\n\n");
  EXPECT_EQ(Last().transfer->deadline, now + seconds(20)) << "any byte ends a silence";
  now += seconds(20);
  End(How::kDeadline);
  EXPECT_EQ(Failure().remote.status, 504);
  EXPECT_EQ(Failure().remote.code, "upstream_timeout");
}

TEST_F(RemoteAnswers, ASlowFirstTokenIsAskedForElsewhere) {
  Serve(2);
  Ask();
  now += seconds(60);
  End(How::kDeadline);
  ASSERT_EQ(client.sent.size(), 2U);
  EXPECT_EQ(Last().ask.deadline, now + seconds(60));
}

TEST_F(RemoteAnswers, TheRequestsOwnDeadlineEndsItEverywhere) {
  Serve(2);
  Ask([&](answer::ChatAsk& ask) { ask.caller.deadline = now + seconds(5); });
  EXPECT_EQ(Last().ask.deadline, now + seconds(5));
  now += seconds(5);
  End(How::kDeadline);
  EXPECT_EQ(Failure().kind, answer::AnswerError::Kind::kDeadline);
  EXPECT_EQ(client.sent.size(), 1U);
  EXPECT_EQ(upstreams[0]->counts().failed, 0U) << "it is not the server's fault";
}

TEST_F(RemoteAnswers, AReaderThatDoesNotReadIsNotTheServersSilence) {
  Serve(1);
  Ask();
  Head();
  Data(Said("Hel"));
  running->SetPaused(true);
  EXPECT_TRUE(Last().transfer->paused);
  EXPECT_EQ(Last().transfer->deadline, std::chrono::steady_clock::time_point::max());
  now += std::chrono::hours(1);
  running->SetPaused(false);
  EXPECT_FALSE(Last().transfer->paused);
  EXPECT_EQ(Last().transfer->deadline, now + seconds(20));
}

// ---- Whoever leaves

TEST_F(RemoteAnswers, WhoLeavesStopsTheServer) {
  Serve(2);
  Ask();
  running->Abandon();
  EXPECT_TRUE(Last().transfer->cancelled);
  EXPECT_EQ(upstreams[0]->outstanding(), 0U);
  EXPECT_EQ(upstreams[0]->counts().left, 1U);
  End(How::kCancelled);
  EXPECT_EQ(client.sent.size(), 1U);
  EXPECT_TRUE(heard.words.empty());
  EXPECT_EQ(heard.destroyed, 1U);
}

TEST_F(RemoteAnswers, WhatWasProducedIsCountedAsItComes) {
  Serve(1);
  Ask();
  Head();
  Data(Said("a") + Said("b"));
  EXPECT_EQ(heard.tokens, 2U);
  // A server that counts as it goes knows better.
  Data(
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"c\"}}],"
      "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":7}}\n\n");
  EXPECT_EQ(heard.tokens, 7U);
}

TEST_F(RemoteAnswers, OneThatFailsFromOutsideSaysSo) {
  Serve(1);
  Ask();
  Head();
  Data(Said("a"));
  running->Fail(answer::Stopping(1000));
  executor->RunAll();
  EXPECT_EQ(Failure().kind, answer::AnswerError::Kind::kStopping);
  EXPECT_TRUE(Last().transfer->cancelled);
}

// ---- Health

TEST_F(RemoteAnswers, AServerThatKeepsFailingIsLeftAloneAndComesBack) {
  Serve(1);
  for (uint32_t i = 0; i < Breaker::kFailuresMax; ++i) {
    Ask();
    End(How::kUnreached);
  }
  const size_t asked = client.sent.size();
  Ask();
  EXPECT_EQ(client.sent.size(), asked);
  EXPECT_EQ(Failure().remote.status, 503);
  EXPECT_EQ(Failure().remote.code, "upstream_unavailable");
  EXPECT_EQ(Failure().retry_ms, 1000);
  now += Breaker::kFirstRest;
  Ask();
  ASSERT_EQ(client.sent.size(), asked + 1);
  Ask();
  EXPECT_EQ(client.sent.size(), asked + 1) << "one tries, the others wait";
  client.sent.back().listener->OnHead({200, "text/event-stream", -1});
  executor->RunAll();
  Ask();
  EXPECT_EQ(client.sent.size(), asked + 2) << "whoever answers is asked by all again";
}

TEST_F(RemoteAnswers, ErrorsInsideA200AreFailuresInARow) {
  Serve(1);
  for (uint32_t i = 0; i < Breaker::kFailuresMax; ++i) {
    Ask();
    Head();
    Data("data: {\"error\":{\"message\":\"out of memory\",\"code\":500}}\n\n");
    EXPECT_EQ(Failure().remote.status, 500);
  }
  EXPECT_EQ(upstreams[0]->state(), Breaker::State::kOpen);
}

// ---- Asks that are no chats to be answered

TEST_F(RemoteAnswers, NobodyHereCountsOrCompletesForAServerElsewhere) {
  Serve(1);
  answer::ChatAsk look;
  look.messages.resize(1);
  look.purpose = answer::Purpose::kLook;
  EXPECT_FALSE(model->Prepare(std::move(look), {}));
  EXPECT_FALSE(model->Prepare(answer::TextAsk(), {}));
  EXPECT_FALSE(model->facts().can.text);
}

}  // namespace
}  // namespace infe::upstream

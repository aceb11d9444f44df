// A model that runs on other servers: any number of them, all of which have it, each perhaps under
// a name of its own. Immutable; which of them answers is decided per request.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "answer/backend.h"
#include "upstream/balance.h"
#include "upstream/http_client.h"
#include "upstream/upstream.h"

namespace infe::upstream {

// Where the model is, and what it is called there.
struct Route {
  std::shared_ptr<Upstream> upstream;
  std::string model = {};
};

struct RemoteModelOptions {
  std::string name = {};
  std::vector<std::string> aliases = {};
  int64_t created = 0;       // seconds since 1970
  uint32_t context_max = 0;  // 0: only the upstreams know
  Balance balance = Balance::kLeast;
  uint32_t retries = 2;  // after the first attempt, each at another server
  std::function<Breaker::Time()> now = std::chrono::steady_clock::now;
};

class RemoteModel : public answer::Backend, public std::enable_shared_from_this<RemoteModel> {
 public:
  // routes: at least one. client outlives the model and every answer.
  static std::shared_ptr<RemoteModel> Make(HttpClient& client, std::vector<Route> routes,
                                           RemoteModelOptions options);

  const answer::ModelFacts& facts() const override { return facts_; }
  answer::BackendLoad load() const override;
  answer::Answered<std::unique_ptr<answer::Prepared>> Prepare(
      answer::ChatAsk ask, const answer::AnswerPolicy& policy) override;
  answer::Answered<std::unique_ptr<answer::Prepared>> Prepare(
      answer::TextAsk ask, const answer::AnswerPolicy& policy) override;

  HttpClient& client() const { return client_; }
  const std::vector<Route>& routes() const { return routes_; }
  uint32_t retries() const { return options_.retries; }
  Breaker::Time Now() const { return options_.now(); }
  // Who is asked next, but none of `tried` (of routes(), by index). Nothing: nobody is left.
  std::optional<size_t> Choose(const std::vector<bool>& tried, uint64_t prefix);
  // When the first of those that rest may be asked again, from now.
  int64_t RestMs() const;

 private:
  RemoteModel(HttpClient& client, std::vector<Route> routes, RemoteModelOptions options);

  HttpClient& client_;
  const std::vector<Route> routes_;
  const RemoteModelOptions options_;
  answer::ModelFacts facts_;
  std::atomic<uint64_t> turn_{0};
};

}  // namespace infe::upstream

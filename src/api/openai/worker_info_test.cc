#include "api/openai/worker_info.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace infe::api {
namespace {

constexpr WorkerLoad kLoad{.running = 3, .waiting = 2, .tokens = 700};

// What sglang-router 0.3.2 does with it: the sum of num_tokens over a list, and only over a list.
TEST(WorkerInfo, SglangsRouterAddsUpTokens) {
  const auto json = ParseJson(WriteLoads(kLoad));
  ASSERT_TRUE(json && json->is_array());
  ASSERT_EQ(json->array().size(), 1u);
  const Json& one = json->array()[0];
  EXPECT_EQ(one.find("num_tokens")->as_int64(), 700);
  EXPECT_EQ(one.find("num_reqs")->as_int64(), 5);
  EXPECT_EQ(one.find("num_waiting_reqs")->as_int64(), 2);
}

// What vllm-router 0.1.17 does with it: the member load of an object.
TEST(WorkerInfo, VllmsRouterReadsRequests) {
  const auto json = ParseJson(WriteLoad(kLoad));
  ASSERT_TRUE(json && json->is_object());
  EXPECT_EQ(json->find("load")->as_int64(), 5);
  EXPECT_EQ(json->find("num_tokens")->as_int64(), 700);
  const auto server = ParseJson(WriteServerLoad(kLoad));
  EXPECT_EQ(server->find("server_load")->as_int64(), 5);
}

// SGLang's router would load a tokenizer from a path.
TEST(WorkerInfo, NoPathIsTold) {
  const std::vector<std::string> models{"a", "b"};
  const auto json = ParseJson(WriteServerInfo({.models = models, .running_max = 32}));
  EXPECT_EQ(json->find("served_model_name")->as_string(), "a");
  EXPECT_EQ(json->find("served_model_names")->array().size(), 2u);
  EXPECT_EQ(json->find("model_path"), nullptr);
  EXPECT_TRUE(ParseJson(WriteServerInfo({}))->find("served_model_name")->is_null());
}

}  // namespace
}  // namespace infe::api

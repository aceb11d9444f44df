#include "server/config.h"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "base/source_dir.h"

namespace infe::server {
namespace {

ServerConfig Read(const std::string& text) {
  ServerConfig config;
  const auto applied = ApplyToml(text, "test.toml", config);
  EXPECT_TRUE(applied) << applied.error().message;
  return config;
}

// The example is complete, and says no default that is not one.
TEST(Config, TheExampleFileHoldsEveryKeyWithItsDefault) {
  std::ifstream in(std::string(kSourceDir) + "/config/infe.toml");
  ASSERT_TRUE(in);
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_EQ(ToToml(Read(text.str())), ToToml(ServerConfig()));
  std::istringstream keys(ToToml(ServerConfig()));
  for (std::string line; std::getline(keys, line);) {
    const std::string key = line.substr(0, line.find(" = "));
    EXPECT_NE(text.str().find("\n" + key + " = "), std::string::npos) << key;
  }
}

TEST(Config, WhatIsWrittenReadsBackTheSame) {
  ServerConfig config;
  config.port = 1234;
  config.models = {"a", "b"};
  config.n_max = 3;
  config.step_budget_ms = 12.5;
  config.cors_origins = {"https://app.example"};
  EXPECT_EQ(ToToml(Read(ToToml(config))), ToToml(config));
}

TEST(Config, UnknownKeysAndWrongTypesAreNamedWithTheirLine) {
  ServerConfig config;
  const auto unknown = ApplyToml("port = 1\nprot = 2\n", "x.toml", config);
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message.find("x.toml:2: unknown key prot"), std::string::npos);
  const auto type = ApplyToml("port = \"8080\"\n", "x.toml", config);
  ASSERT_FALSE(type);
  EXPECT_NE(type.error().message.find("port must be an integer"), std::string::npos);
}

TEST(Config, ContradictionsAreRefused) {
  const auto refused = [](const char* text) {
    ServerConfig config = Read(text);
    return !Validate(config).has_value();
  };
  EXPECT_TRUE(Validate(ServerConfig()));
  for (const char* text :
       {"port = 70000", "sampling_defaults = \"mine\"", "kv_type = \"f8\"",
        "tls_certificate = \"a.pem\"", "n_max = 0", "cors_origins = [\"app.example/\"]",
        "ledger_on_failure = \"maybe\"", "ledger_journal = \"many\"",
        "store_url = \"mysql://host/db\"", "drain_grace_s = -1"})
    EXPECT_TRUE(refused(text)) << text;
}

TEST(Config, AReloadTakesOverWhatIsLiveAndNamesTheRest) {
  ServerConfig now, wanted;
  wanted.port = 9999;
  wanted.threads = 3;
  wanted.n_max = 2;
  wanted.cors_origins = {"*"};
  const ServerConfig merged = TakeLive(now, wanted);
  EXPECT_EQ(merged.n_max, 2u);
  EXPECT_EQ(merged.cors_origins, wanted.cors_origins);
  EXPECT_EQ(merged.port, now.port);
  EXPECT_EQ(NeedRestart(now, wanted), (std::vector<std::string>{"port", "threads"}));
  EXPECT_TRUE(NeedRestart(now, now).empty());
}

TEST(Config, ADatabasesPasswordIsNeverPrinted) {
  ServerConfig config;
  config.store_url = "postgresql://infe:canary-secret@db/infe";
  EXPECT_EQ(ToToml(config).find("canary-secret"), std::string::npos);
  EXPECT_NE(ToToml(config).find("db/infe"), std::string::npos);
}

}  // namespace
}  // namespace infe::server

#include "server/config/config.h"

#include <fstream>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "base/source_dir.h"
#include "server/config/config_keys.h"

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
    ServerConfig config;
    return !ApplyToml(text, "x.toml", config) || !Validate(config).has_value();
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

TEST(Config, WhatIsNotOneOfItsWordsOrNoSizeIsNamedWithItsLine) {
  const auto why = [](const std::string& text) {
    ServerConfig config;
    const auto read = ApplyToml(text, "x.toml", config);
    return read ? std::string() : read.error().message;
  };
  EXPECT_EQ(why("\nkv_type = \"f8\""), "x.toml:2: kv_type must be f16 or int8");
  EXPECT_EQ(why("require_keys = true"), "x.toml:1: require_keys must be auto, always or never");
  EXPECT_EQ(why("kv_memory = 5"), "x.toml:1: kv_memory must be a string");
  EXPECT_EQ(why("kv_memory = \"many\"").find("x.toml:1: kv_memory: \"many\" is not a size"), 0u);
  EXPECT_EQ(why("models = [1]"), "x.toml:1: models must be a list of strings");
  EXPECT_EQ(why("models = \"a\""), "x.toml:1: models must be a list of strings");
  EXPECT_EQ(why("port = 2.5"), "x.toml:1: port must be an integer from 0");
  EXPECT_EQ(why("port = -1"), "x.toml:1: port must be an integer from 0");
  EXPECT_EQ(why("insecure = 1"), "x.toml:1: insecure must be true or false");
  EXPECT_EQ(why("queue_wait_s = 1"), "");
  // A flag alone is no key of the file.
  EXPECT_EQ(why("first_key = true").find("x.toml:1: unknown key first_key"), 0u);
}

TEST(Config, AnUnknownKeyNamesTheOneThatWasMeant) {
  const auto meant = [](const char* name) {
    const ConfigKey* key = NearestKey(name);
    return std::string(key == nullptr ? "" : key->name);
  };
  EXPECT_EQ(meant("prot"), "port");
  EXPECT_EQ(meant("model"), "models");
  EXPECT_EQ(meant("max-batch"), "max_batch");
  EXPECT_EQ(meant("drain_grace"), "drain_grace_s");
  EXPECT_EQ(meant("kv_cache_memory"), "");
  EXPECT_EQ(meant("x"), "");
  ServerConfig config;
  const auto unknown = ApplyToml("max-batch = 2", "x.toml", config);
  EXPECT_EQ(unknown.error().message, "x.toml:1: unknown key max-batch; did you mean max_batch?");
}

TEST(Config, AnIpv6AddressMayStandInBrackets) {
  const ServerConfig config = Read("host = \"[::1]\"\nops_host = \"::1\"");
  EXPECT_EQ(config.host, "::1");
  EXPECT_EQ(config.ops_host, "::1");
  EXPECT_EQ(Read("host = \"[\"").host, "[");
}

TEST(Config, SizesAreWrittenInTheLargestUnitThatSaysThemExactly) {
  for (const char* text : {"1GiB", "512MiB", "800MB", "3kB", "17", "0", "1GB"})
    EXPECT_EQ(FormatBytes(*ParseBytes(text)), text);
  EXPECT_EQ(FormatBytes(*ParseBytes("1024MiB")), "1GiB");
}

TEST(Config, EveryKeyStandsOnceWithItsHelpAndReadsBackWhatItWrites) {
  std::set<std::string> names, flags;
  for (const ConfigKey& key : ConfigKeys()) {
    EXPECT_TRUE(names.insert(key.name).second) << key.name;
    EXPECT_TRUE(key.flag == nullptr || flags.insert(key.flag).second) << key.name;
    EXPECT_TRUE(key.in_file || key.flag != nullptr) << key.name;
    EXPECT_FALSE(std::string(key.help).empty()) << key.name;
    ServerConfig config;
    EXPECT_TRUE(key.set(key.get(config), config)) << key.name;
    EXPECT_EQ(ToToml(config), ToToml(ServerConfig())) << key.name;
    // A flag that turns off has something to turn off.
    if (key.turns_off()) {
      EXPECT_EQ(key.get(ServerConfig()), ConfigValue(true)) << key.name;
    }
  }
}

TEST(Config, TheTableOfTheDocumentationIsMadeOfTheKeys) {
  std::ifstream in(std::string(kSourceDir) + "/docs/operations.md");
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_NE(text.str().find(ConfigKeysAsMarkdown()), std::string::npos)
      << "docs/operations.md should hold (infe config keys):\n"
      << ConfigKeysAsMarkdown();
}

TEST(Config, ADatabasesPasswordIsNeverPrinted) {
  ServerConfig config;
  config.store_url = "postgresql://infe:canary-secret@db/infe";
  EXPECT_EQ(ToToml(config).find("canary-secret"), std::string::npos);
  EXPECT_NE(ToToml(config).find("db/infe"), std::string::npos);
}

}  // namespace
}  // namespace infe::server

#include "server/config/upstream_keys.h"

#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "base/source_dir.h"

namespace infe::server {
namespace {

UpstreamConfig Plain() {
  UpstreamConfig config;
  config.name = "gpu-a";
  config.url = "http://gpu-a/v1";
  config.models = {"m"};
  return config;
}

std::string Complaint(const UpstreamConfig& config) {
  const auto valid = ValidateUpstreams({config});
  return valid ? std::string() : valid.error().message;
}

TEST(UpstreamKeys, TheTableOfTheDocumentationIsMadeOfThem) {
  std::ifstream in(std::string(kSourceDir) + "/docs/gateway.md");
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_NE(text.str().find(UpstreamKeysAsMarkdown()), std::string::npos)
      << "docs/gateway.md should hold:\n"
      << UpstreamKeysAsMarkdown();
}

TEST(UpstreamKeys, EachTakesItsOwnDefaultAndRefusesAnotherType) {
  for (const UpstreamKey& key : UpstreamKeys()) {
    UpstreamConfig config;
    EXPECT_TRUE(key.set(key.get(UpstreamConfig()), config)) << key.name;
    EXPECT_EQ(config, UpstreamConfig()) << key.name;
    const bool is_list = std::holds_alternative<std::vector<std::string>>(key.get(config));
    const auto set =
        key.set(is_list ? ConfigValue(true) : ConfigValue(std::vector<std::string>()), config);
    ASSERT_FALSE(set) << key.name;
    EXPECT_NE(set.error().message.find(key.name), std::string::npos) << set.error().message;
  }
}

TEST(UpstreamKeys, AWholeNumberOfSecondsIsANumber) {
  UpstreamConfig config;
  EXPECT_TRUE(SetUpstreamKey("silence_timeout_s", ConfigValue(int64_t{30}), config));
  EXPECT_EQ(config.silence_timeout_s, 30);
  EXPECT_TRUE(SetUpstreamKey("weight", ConfigValue(0.5), config));
  EXPECT_EQ(config.weight, 0.5);
  EXPECT_FALSE(SetUpstreamKey("wieght", ConfigValue(0.5), config));
}

TEST(UpstreamKeys, WhatIsWrittenIsWhatWasSet) {
  UpstreamConfig config = Plain();
  config.models = {"ours=theirs/Model \"70B\"", "m"};
  config.weight = 0.25;
  config.extended = false;
  ServerConfig server;
  server.upstreams = {config, Plain()};
  server.upstreams[1].name = "gpu-b";
  const std::string text = UpstreamsAsToml(server.upstreams);
  EXPECT_EQ(text,
            "\n[[upstream]]\nname = \"gpu-a\"\nurl = \"http://gpu-a/v1\"\n"
            "models = [\"ours=theirs/Model \\\"70B\\\"\", \"m\"]\nweight = 0.25\nextended = false\n"
            "\n[[upstream]]\nname = \"gpu-b\"\nurl = \"http://gpu-a/v1\"\nmodels = [\"m\"]\n");
}

TEST(UpstreamKeys, AModelHasOurNameAndTheirs) {
  EXPECT_EQ(ToUpstreamName("m").theirs, "m");
  EXPECT_EQ(ToUpstreamName("ours=org/a=b").ours, "ours");
  EXPECT_EQ(ToUpstreamName("ours=org/a=b").theirs, "org/a=b");
}

TEST(UpstreamKeys, WhatAnUpstreamCannotBeIsSaid) {
  EXPECT_EQ(Complaint(Plain()), "");
  const auto with = [](auto member, auto value) {
    UpstreamConfig config = Plain();
    config.*member = value;
    return Complaint(config);
  };
  using U = UpstreamConfig;
  for (const char* name : {"", "a b", "a\"b"}) EXPECT_NE(with(&U::name, name), "") << name;
  for (const char* url : {"", "gpu-a:8000", "ftp://x/v1", "http://user:key@x/v1"})
    EXPECT_NE(with(&U::url, url), "") << url;
  using List = std::vector<std::string>;
  for (const List& models : {List{}, List{""}, List{"=theirs"}, List{"ours="}})
    EXPECT_NE(with(&U::models, models), "");
  for (const double weight : {0.0, -1.0, 1e9}) EXPECT_NE(with(&U::weight, weight), "");
  for (const double seconds : {0.0, -1.0, 1e9}) {
    EXPECT_NE(with(&U::connect_timeout_s, seconds), "");
    EXPECT_NE(with(&U::first_token_timeout_s, seconds), "");
    EXPECT_NE(with(&U::silence_timeout_s, seconds), "");
  }
  EXPECT_NE(with(&U::tokens_field, "tokens"), "");
  EXPECT_NE(with(&U::credential, "../key"), "");
  UpstreamConfig twice = Plain();
  twice.key_file = "a";
  twice.credential = "b";
  EXPECT_NE(Complaint(twice), "");
  EXPECT_FALSE(ValidateUpstreams({Plain(), Plain()})) << "two of one name";
}

}  // namespace
}  // namespace infe::server

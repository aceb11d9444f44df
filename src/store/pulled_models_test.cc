// Claims about pulled.toml: what was noted is read again, as the registry reads it.
#include "store/pulled_models.h"

#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "store/test_databases.h"
#include "store/test_gguf.h"

namespace infe::store {
namespace {

ModelSpec Spec(const std::string& name) {
  ModelSpec spec;
  spec.name = name;
  spec.title = "org/repo, \"Q4\" \\ \u00e4";
  spec.licence = "mit";
  spec.sha256 = std::string(64, 'a');
  spec.reference = "hf:org/repo:Q4_K_M";
  spec.architecture = "llama";
  spec.bytes = 12345;
  spec.aliases = {"org/repo:Q4_K_M"};
  HfSource source;
  source.repository = "org/repo";
  source.files = {"sub folder/a.gguf"};
  source.revision = "c0ffee";
  spec.sources = {source};
  return spec;
}

TEST(PulledModels, WhatIsNotedIsReadAgain) {
  const TemporaryDir dir;
  ASSERT_TRUE(NotePulled(dir.data(), Spec("mine")));
  auto registry = ModelRegistry::Load(dir.data());
  ASSERT_TRUE(registry) << registry.error().message;
  const ModelSpec* read = registry->Find("org/repo:Q4_K_M");
  ASSERT_NE(read, nullptr);
  const ModelSpec spec = Spec("mine");
  EXPECT_EQ(read->name, spec.name);
  EXPECT_EQ(read->title, spec.title);
  EXPECT_EQ(read->licence, spec.licence);
  EXPECT_EQ(read->sha256, spec.sha256);
  EXPECT_EQ(read->reference, spec.reference);
  EXPECT_EQ(read->architecture, spec.architecture);
  EXPECT_EQ(read->bytes, spec.bytes);
  ASSERT_EQ(read->sources.size(), 1u);
  const auto& source = std::get<HfSource>(read->sources[0]);
  EXPECT_EQ(source.repository, "org/repo");
  EXPECT_EQ(source.files, std::vector<std::string>{"sub folder/a.gguf"});
  EXPECT_EQ(source.revision, "c0ffee");
}

TEST(PulledModels, EveryKindOfSourceIsReadAgain) {
  const TemporaryDir dir;
  HfSource parts;
  parts.repository = "org/repo";
  parts.files = {"a-00001-of-00002.gguf", "a-00002-of-00002.gguf"};
  ModelSpec spec = Spec("mine");
  spec.sources = {parts, UrlSource{"https://example.org/a.gguf?x=\"1\""}, FileSource{"/a b.gguf"}};
  ASSERT_TRUE(NotePulled(dir.data(), spec));
  auto registry = ModelRegistry::Load(dir.data());
  ASSERT_TRUE(registry) << registry.error().message;
  const auto& sources = registry->Find("mine")->sources;
  ASSERT_EQ(sources.size(), 3u);
  EXPECT_EQ(std::get<HfSource>(sources[0]).files, parts.files);
  EXPECT_EQ(std::get<UrlSource>(sources[1]).url, "https://example.org/a.gguf?x=\"1\"");
  EXPECT_EQ(std::get<FileSource>(sources[2]).path, "/a b.gguf");
}

TEST(PulledModels, AnEntryIsReplacedAndForgotten) {
  const TemporaryDir dir;
  EXPECT_TRUE(ForgetPulled(dir.data(), "mine"));  // nothing is there, and nothing is made
  ASSERT_TRUE(NotePulled(dir.data(), Spec("mine")));
  ASSERT_TRUE(NotePulled(dir.data(), [] {
    ModelSpec other = Spec("other");
    other.aliases.clear();
    return other;
  }()));
  ModelSpec newer = Spec("mine");
  newer.sha256 = std::string(64, 'b');
  ASSERT_TRUE(NotePulled(dir.data(), newer));
  EXPECT_EQ(ModelRegistry::Load(dir.data())->Find("mine")->sha256, newer.sha256);
  ASSERT_TRUE(ForgetPulled(dir.data(), "mine"));
  const auto registry = ModelRegistry::Load(dir.data());
  EXPECT_EQ(registry->Find("mine"), nullptr);
  EXPECT_NE(registry->Find("other"), nullptr);
}

TEST(PulledModels, WhatCouldNotBeReadAgainIsNotWritten) {
  const TemporaryDir dir;
  ASSERT_TRUE(NotePulled(dir.data(), Spec("mine")));
  const std::string before = ReadBytes(dir.data().pulled_path());
  ModelSpec wrong = Spec("wrong");
  wrong.aliases = {std::string(200, 'x')};
  EXPECT_FALSE(NotePulled(dir.data(), wrong));
  wrong.aliases.clear();
  wrong.sha256 = "no digest";
  EXPECT_FALSE(NotePulled(dir.data(), wrong));
  EXPECT_EQ(ReadBytes(dir.data().pulled_path()), before);
}

TEST(PulledModels, WritersAtOnceLoseNothing) {
  const TemporaryDir dir;
  std::vector<std::thread> writers;
  for (int i = 0; i < 8; ++i) {
    writers.emplace_back([&, i] {
      ModelSpec spec = Spec("m" + std::to_string(i));
      spec.aliases.clear();
      EXPECT_TRUE(NotePulled(dir.data(), spec));
    });
  }
  for (std::thread& writer : writers) writer.join();
  const auto registry = ModelRegistry::Load(dir.data());
  for (int i = 0; i < 8; ++i) EXPECT_NE(registry->Find("m" + std::to_string(i)), nullptr);
}

TEST(PulledModels, AnEntryOfOnesOwnWithTheSameReferenceKeepsThePin) {
  const TemporaryDir dir;
  ASSERT_TRUE(NotePulled(dir.data(), Spec("mine")));
  const auto with = [&](const std::string& reference) {
    std::ofstream(dir.data().registry_path())
        << "[[model]]\nname='mine'\nreference='" << reference
        << "'\naliases=['gpt-4o-mini']\ndefaults={temperature=0.3}\n";
    return *ModelRegistry::Load(dir.data())->Find("mine");
  };
  for (const char* same : {"hf:org/repo:Q4_K_M", "hf.co/org/repo:Q4_K_M"}) {
    const ModelSpec spec = with(same);
    EXPECT_EQ(spec.sha256, std::string(64, 'a')) << same;
    EXPECT_EQ(spec.sources.size(), 1u);
    EXPECT_EQ(spec.aliases, (std::vector<std::string>{"org/repo:Q4_K_M", "gpt-4o-mini"}));
    EXPECT_EQ(spec.defaults.temperature, 0.3);
  }
  // Another reference means another model: nothing is pinned of it yet.
  EXPECT_EQ(with("hf:org/repo:Q8_0").sha256, "");
}

}  // namespace
}  // namespace infe::store

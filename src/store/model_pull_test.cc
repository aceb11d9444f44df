// Claims about the registry and pulling, on temporary folders and a stub Hugging Face server.
#include "store/model_pull.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sha256.h"
#include "store/model_reference.h"
#include "store/pull_room.h"
#include "store/test_databases.h"
#include "store/wheel.h"

namespace infe::store {
namespace {

namespace fs = std::filesystem;

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string Sha(const std::string& text) {
  Sha256 sha;
  sha.Update(text);
  return ToHex(sha.Finish());
}

TEST(ModelRegistry, BuiltinNamesTheModels) {
  const TemporaryDir dir;
  auto registry = ModelRegistry::Load(dir.data());
  ASSERT_TRUE(registry) << registry.error().message;
  for (const char* name : {"infe-pulse", "infe-titan", "smollm2-135m", "gemma-3-270m"}) {
    const ModelSpec* spec = registry->Find(name);
    ASSERT_NE(spec, nullptr);
    EXPECT_EQ(spec->sha256.size(), 64u);
    EXPECT_FALSE(spec->sources.empty());
  }
  EXPECT_EQ(registry->Find("gpt-4o-mini"), nullptr);
  EXPECT_TRUE(registry->Installed().empty());
}

TEST(ModelRegistry, UserEntriesAddAliasesAndModels) {
  const TemporaryDir dir;
  const DataDir data = dir.data();
  std::ofstream(data.registry_path()) << "[[model]]\nname='infe-pulse'\naliases=['gpt-4o-mini']\n"
                                         "[[model]]\nname='mine'\nsources=[{file='/x.gguf'}]\n";
  auto registry = ModelRegistry::Load(data);
  ASSERT_TRUE(registry) << registry.error().message;
  EXPECT_EQ(registry->Find("gpt-4o-mini")->name, "infe-pulse");
  EXPECT_NE(registry->Find("mine"), nullptr);
  EXPECT_EQ(registry->Find("mine")->bytes, 0u);
}

TEST(ModelRegistry, AnAliasMayHaveSlashesAndMeansOneModel) {
  const auto load = [](const std::string& text) {
    const TemporaryDir dir;
    const DataDir data = dir.data();
    std::ofstream(data.registry_path()) << text;
    return ModelRegistry::Load(data);
  };
  const auto model = [](const std::string& name, const std::string& alias) {
    return "[[model]]\nname = \"" + name + "\"\naliases = [\"" + alias + "\"]\n" +
           "sources = [{ file = \"/m.gguf\" }]\n";
  };
  const auto hub = load(model("mine", "org/sub/mine-7b"));
  ASSERT_TRUE(hub) << hub.error().message;
  EXPECT_EQ(hub->Find("org/sub/mine-7b")->name, "mine");
  EXPECT_TRUE(load(model("mine", "mine")));
  for (const char* bad : {"/mine", "mine/", "a//b", "../mine", "a/.b", "a b"})
    EXPECT_FALSE(load(model("mine", bad))) << bad;
  const auto named = load(model("mine", "infe-pulse"));
  ASSERT_FALSE(named);
  EXPECT_NE(named.error().message.find("infe-pulse is an alias of mine and the name of another"),
            std::string::npos);
  const auto twice = load(model("one", "chat") + model("two", "chat"));
  ASSERT_FALSE(twice);
  EXPECT_NE(twice.error().message.find("chat is an alias of both one and two"), std::string::npos);
}

TEST(ModelRegistry, DownloadedModelsNameTheirSize) {
  const auto specs = ModelRegistry::Parse(BuiltinModelsToml(), "built in");
  ASSERT_TRUE(specs) << specs.error().message;
  for (const ModelSpec& spec : *specs) EXPECT_GT(spec.bytes, uint64_t{1} << 20) << spec.name;
}

TEST(ModelRegistry, EntriesNameADraftModelAndOwnOnesTakeItAway) {
  const auto parse = [](const std::string& line) {
    return ModelRegistry::Parse("[[model]]\nname = \"a\"\n" + line, "x.toml");
  };
  EXPECT_FALSE(parse("")->front().draft.has_value());
  EXPECT_EQ(parse("draft = \"b\"")->front().draft, "b");
  EXPECT_EQ(parse("draft = \"\"")->front().draft, "");
  for (const char* bad : {"draft = 3", "draft = \"../b\"", "draft = [\"b\"]"}) {
    const auto refused = parse(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_NE(refused.error().message.find("draft is the name of a model"), std::string::npos);
  }
  EXPECT_NE(parse("draft = \"a\"").error().message.find("cannot draft for itself"),
            std::string::npos);
}

TEST(ModelRegistry, EntriesNameSamplingDefaults) {
  const TemporaryDir dir;
  const DataDir data = dir.data();
  std::ofstream(data.registry_path())
      << "[[model]]\nname='infe-pulse'\ndefaults={temperature=1,min_p=0.1}\n"
         "[[model]]\nname='mine'\nsources=[{file='/x.gguf'}]\n";
  auto registry = ModelRegistry::Load(data);
  ASSERT_TRUE(registry) << registry.error().message;
  // The user's value, and the built-in entry's where there is none.
  EXPECT_EQ(registry->Find("infe-pulse")->defaults,
            (PartialSampling{.temperature = 1, .top_p = 0.8, .top_k = 20, .min_p = 0.1}));
  EXPECT_EQ(registry->Find("infe-titan")->defaults,
            (PartialSampling{.temperature = 0.7, .top_p = 0.8, .top_k = 20}));
  EXPECT_TRUE(registry->Find("mine")->defaults.empty());
  EXPECT_TRUE(registry->Find("smollm2-135m")->defaults.empty());
  std::ofstream(registry->PathOf(*registry->Find("infe-pulse"))) << "x";
  EXPECT_EQ(registry->Installed()[0].defaults.min_p, 0.1);
}

TEST(ModelRegistry, TheCatalogueIsOfReferencesThatAreNotPinned) {
  const auto specs = ModelRegistry::Parse(BuiltinCatalogueToml(), "built in");
  ASSERT_TRUE(specs) << specs.error().message;
  EXPECT_EQ(specs->size(), 20u);
  for (const ModelSpec& spec : *specs) {
    const auto reference = ParseModelReference(spec.reference);
    ASSERT_TRUE(reference && *reference) << spec.name;
    const auto* hub = std::get_if<HubReference>(&**reference);
    ASSERT_NE(hub, nullptr) << spec.name;
    EXPECT_FALSE(hub->quant.empty()) << spec.name;
    EXPECT_FALSE(spec.title.empty() || spec.licence.empty() || spec.architecture.empty())
        << spec.name;
    EXPECT_GT(spec.bytes, uint64_t{100} << 20) << spec.name;
    EXPECT_TRUE(spec.sha256.empty() && spec.sources.empty()) << spec.name;
  }
}

TEST(ModelRegistry, EntriesTellTheUseOfVectors) {
  const TemporaryDir dir;
  const DataDir data = dir.data();
  std::ofstream(data.registry_path())
      << "[[model]]\nname='qwen3-embedding-0.6b'\nembedding={document_prefix='text: '}\n"
         "[[model]]\nname='mine'\nsources=[{file='/x.gguf'}]\n"
         "embedding={dimensions=[64, 32], query_prefix='query: '}\n";
  const auto registry = ModelRegistry::Load(data);
  ASSERT_TRUE(registry) << registry.error().message;
  EXPECT_EQ(registry->Find("mine")->embedding,
            (EmbeddingUse{.dimensions = {64, 32}, .query_prefix = "query: "}));
  // The built-in entry's, where the user says nothing of it.
  const EmbeddingUse& qwen = registry->Find("qwen3-embedding-0.6b")->embedding;
  EXPECT_EQ(qwen.dimensions_min, 32u);
  EXPECT_NE(qwen.query_prefix, "");
  EXPECT_EQ(qwen.document_prefix, "text: ");
  EXPECT_EQ(registry->Find("infe-vector")->embedding, EmbeddingUse());
  std::ofstream(registry->PathOf(*registry->Find("mine"))) << "x";
  EXPECT_EQ(registry->Installed()[0].embedding.query_prefix, "query: ");
}

TEST(EmbeddingUse, VectorsAreCutOnlyToWhatTheModelWasMadeFor) {
  const EmbeddingUse none;
  EXPECT_TRUE(none.MayCut(384, 384));
  for (const uint32_t wanted : {0u, 1u, 383u, 385u}) EXPECT_FALSE(none.MayCut(384, wanted));
  const EmbeddingUse some{.dimensions = {256, 64}};
  for (const uint32_t wanted : {64u, 256u, 384u}) EXPECT_TRUE(some.MayCut(384, wanted));
  for (const uint32_t wanted : {63u, 128u, 512u}) EXPECT_FALSE(some.MayCut(384, wanted));
  const EmbeddingUse any{.dimensions_min = 32};
  for (const uint32_t wanted : {32u, 33u, 384u}) EXPECT_TRUE(any.MayCut(384, wanted));
  for (const uint32_t wanted : {31u, 385u}) EXPECT_FALSE(any.MayCut(384, wanted));
}

TEST(ModelRegistry, MistakesAreNamedWithTheirLine) {
  for (const char* bad : {"[[model]]\nname='a/../b'",
                          "[[model]]\nname='a'\nsha256='xyz'",
                          "[[model]]\nname='a'\ncolour='red'",
                          "model=3",
                          "[[model]]\nname='a'\nbytes=0",
                          "[[model]]\nname='a'\nbytes='1'",
                          "[[model]]\nname='a'\ndefaults=3",
                          "[[model]]\nname='a'\ndefaults={temperature=3}",
                          "[[model]]\nname='a'\ndefaults={top_k=1.5}",
                          "[[model]]\nname='a'\ndefaults={top_p='1'}",
                          "[[model]]\nname='a'\ndefaults={seed=1}",
                          "[[model]]\nname='a'\nsources=[{hf='org/repo'}]",
                          "x=1",
                          "[[model]]\nname='a'\nsources=[{hf='o/r/f'}]",
                          "[[model",
                          "[[model]]\nname='a'\nsources=[{pip=['x==1']}]",
                          "[[model]]\nname='a'\nbytes=-5",
                          "[[model]]\nname='a'\nembedding=3",
                          "[[model]]\nname='a'\nembedding={dimensions=[0]}",
                          "[[model]]\nname='a'\nembedding={dimensions=64}",
                          "[[model]]\nname='a'\nembedding={dimensions_min=-1}",
                          "[[model]]\nname='a'\nembedding={query_prefix=1}",
                          "[[model]]\nname='a'\nembedding={prefix='a'}",
                          "[[model]]\nname='a'\nbytes=1.5",
                          "[[model]]\nname='a'\nbytes=9223372036854775807"}) {
    auto parsed = ModelRegistry::Parse(bad, "models.toml");
    ASSERT_FALSE(parsed) << bad;
    EXPECT_NE(parsed.error().message.find("models.toml:"), std::string::npos)
        << parsed.error().message;
  }
}

// A server of one file over HTTP/1.1 with ranges; breaks the first `breaks` transfers in the
// middle.
class StubHub {
 public:
  StubHub(std::string body, int breaks) : body_(std::move(body)), breaks_(breaks) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~StubHub() {
    shutdown(listener_, SHUT_RDWR);
    close(listener_);
    thread_.join();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::string last_request() const { return last_request_; }
  int requests() const { return requests_; }

 private:
  void Serve() {
    for (;;) {
      const int client = accept(listener_, nullptr, nullptr);
      if (client < 0) return;
      std::string request;
      char buffer[4096];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t got = read(client, buffer, sizeof buffer);
        if (got <= 0) break;
        request.append(buffer, static_cast<size_t>(got));
      }
      last_request_ = request;
      ++requests_;
      size_t from = 0;
      if (const size_t at = request.find("Range: bytes="); at != std::string::npos)
        from = std::stoul(request.substr(at + 13));
      std::string answer;
      if (from >= body_.size() && from > 0) {
        answer =
            "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
      } else {
        answer = from == 0 ? "HTTP/1.1 200 OK\r\n"
                           : "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes " +
                                 std::to_string(from) + "-" + std::to_string(body_.size() - 1) +
                                 "/" + std::to_string(body_.size()) + "\r\n";
        answer += "Content-Length: " + std::to_string(body_.size() - from) +
                  "\r\nConnection: close\r\n\r\n" + body_.substr(from);
        if (requests_ <= breaks_) answer.resize(answer.size() - (body_.size() - from) / 2);
      }
      size_t done = 0;
      while (done < answer.size()) {
        const ssize_t wrote =
            send(client, answer.data() + done, answer.size() - done, MSG_NOSIGNAL);
        if (wrote <= 0) break;
        done += static_cast<size_t>(wrote);
      }
      close(client);
    }
  }
  const std::string body_;
  const int breaks_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
  std::string last_request_;
  std::atomic<int> requests_{0};
};

ModelRegistry RegistryWith(const DataDir& data, const std::string& sha256) {
  std::ofstream(data.registry_path())
      << "[[model]]\nname='m'\nsha256='" << sha256 << "'\nsources=[{hf='org/repo/dir/m.gguf'}]\n";
  return *ModelRegistry::Load(data);
}

TEST(ModelPull, BrokenDownloadResumesAndIsRenamedWhenWhole) {
  std::string body(300000, 'x');
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 2654435761u >> 13);
  const StubHub hub(body, 1);
  setenv("HF_ENDPOINT", hub.url().c_str(), 1);
  setenv("HF_TOKEN", "hf_secret", 1);
  const TemporaryDir dir;
  const ModelRegistry registry = RegistryWith(dir.data(), Sha(body));
  const ModelSpec& spec = *registry.Find("m");
  EXPECT_FALSE(PullModel(registry, spec, {}));
  EXPECT_FALSE(fs::exists(registry.PathOf(spec)));
  auto pulled = PullModel(registry, spec, {});
  ASSERT_TRUE(pulled) << pulled.error().message;
  EXPECT_FALSE(pulled->already_there);
  EXPECT_NE(hub.last_request().find("Range: bytes="), std::string::npos);
  EXPECT_NE(hub.last_request().find("/org/repo/resolve/main/dir/m.gguf"), std::string::npos);
  EXPECT_NE(hub.last_request().find("Bearer hf_secret"), std::string::npos);
  EXPECT_EQ(ReadAll(registry.PathOf(spec)), body);
  const int requests = hub.requests();
  EXPECT_TRUE(PullModel(registry, spec, {})->already_there);
  EXPECT_EQ(hub.requests(), requests);
  EXPECT_EQ(registry.Installed().size(), 1u);
  EXPECT_TRUE(RemoveModel(registry, spec));
  EXPECT_FALSE(RemoveModel(registry, spec));
}

TEST(ModelPull, WrongBytesAreNeverInstalled) {
  const StubHub hub("not the model", 0);
  setenv("HF_ENDPOINT", hub.url().c_str(), 1);
  const TemporaryDir dir;
  const ModelRegistry registry = RegistryWith(dir.data(), Sha("the model"));
  const ModelSpec& spec = *registry.Find("m");
  auto pulled = PullModel(registry, spec, {});
  ASSERT_FALSE(pulled);
  EXPECT_NE(pulled.error().message.find("sha256"), std::string::npos);
  EXPECT_TRUE(registry.Installed().empty());
  // A file changed after it was pulled is refused too, and fetched anew.
  std::ofstream(registry.PathOf(spec)) << "tampered";
  EXPECT_FALSE(PullModel(registry, spec, {}));
  EXPECT_FALSE(fs::exists(registry.PathOf(spec)));
}

// Two entries as after an update of the registry: `small` has the bytes that `m` had.
ModelRegistry RegistryWithMovedNames(const DataDir& data, const std::string& m,
                                     const std::string& small) {
  std::ofstream(data.registry_path())
      << "[[model]]\nname='m'\nbytes=" << m.size() << "\nsha256='" << Sha(m)
      << "'\nsources=[{hf='org/repo/m.gguf'}]\n[[model]]\nname='small'\nbytes=" << small.size()
      << "\nsha256='" << Sha(small) << "'\nsources=[{hf='org/repo/small.gguf'}]\n";
  return *ModelRegistry::Load(data);
}

TEST(ModelPull, FileOfAnOlderRegistryGoesByItsNewName) {
  const StubHub hub("the new bytes", 0);
  setenv("HF_ENDPOINT", hub.url().c_str(), 1);
  const TemporaryDir dir;
  const ModelRegistry registry =
      RegistryWithMovedNames(dir.data(), "the new bytes", "the old ones");
  const ModelSpec& m = *registry.Find("m");
  const ModelSpec& small = *registry.Find("small");
  std::ofstream(registry.PathOf(m)) << "the old ones";
  std::vector<std::string> told;
  PullOptions options;
  options.on_notice = [&](const std::string& sentence) { told.push_back(sentence); };
  auto pulled = PullModel(registry, m, options);
  ASSERT_TRUE(pulled) << pulled.error().message;
  EXPECT_FALSE(pulled->already_there);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0].find("small"), std::string::npos) << told[0];
  EXPECT_EQ(ReadAll(registry.PathOf(m)), "the new bytes");
  EXPECT_EQ(ReadAll(registry.PathOf(small)), "the old ones");
  EXPECT_EQ(hub.requests(), 1);
  EXPECT_TRUE(PullModel(registry, small, {})->already_there);
  EXPECT_TRUE(PullModel(registry, m, {})->already_there);
  EXPECT_EQ(hub.requests(), 1);
}

TEST(ModelPull, FileThatIsHereUnderAnotherNameIsNotDownloaded) {
  const StubHub hub("never sent", 0);
  setenv("HF_ENDPOINT", hub.url().c_str(), 1);
  const TemporaryDir dir;
  const ModelRegistry registry = RegistryWithMovedNames(dir.data(), "same length!", "the old ones");
  const ModelSpec& m = *registry.Find("m");
  const ModelSpec& small = *registry.Find("small");
  std::ofstream(registry.PathOf(small)) << "same length!";
  PullOptions offline;
  offline.offline = true;
  ASSERT_TRUE(PullModel(registry, m, offline));
  EXPECT_EQ(ReadAll(registry.PathOf(m)), "same length!");
  // It was never what the other name stands for.
  EXPECT_FALSE(fs::exists(registry.PathOf(small)));
  EXPECT_EQ(hub.requests(), 0);
}

TEST(ModelPull, DamagedFileOfTheRightSizeIsNotTaken) {
  const TemporaryDir dir;
  const ModelRegistry registry = RegistryWithMovedNames(dir.data(), "same length!", "the old ones");
  std::ofstream(registry.PathOf(*registry.Find("small"))) << "damaged here";
  PullOptions offline;
  offline.offline = true;
  EXPECT_EQ(PullModel(registry, *registry.Find("m"), offline).error().code,
            ErrorCode::kUnavailable);
  EXPECT_FALSE(fs::exists(registry.PathOf(*registry.Find("m"))));
}

TEST(ModelPull, OfflineOpensNoSocket) {
  const StubHub hub("x", 0);
  setenv("HF_ENDPOINT", hub.url().c_str(), 1);
  const TemporaryDir dir;
  const ModelRegistry registry = RegistryWith(dir.data(), Sha("x"));
  PullOptions options;
  options.offline = true;
  EXPECT_EQ(PullModel(registry, *registry.Find("m"), options).error().code,
            ErrorCode::kUnavailable);
  EXPECT_EQ(hub.requests(), 0);
}

TEST(Wheel, APipeInItsPlaceHangsNothing) {
  const TemporaryDir dir;
  const std::string path = dir.path() + "/x.whl";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const auto to = CreateRegular(dir.path() + "/to", 0600);
  EXPECT_FALSE(AppendWheelMember(path, "*", 1000, *to));
}

TEST(PullRoom, TellsWhichBoundIsReached) {
  const PullRoom stated{1000, 0, "/tmp"};
  EXPECT_TRUE(stated.Admits(1000, "it"));
  EXPECT_NE(stated.Admits(1001, "it").error().message.find("registry"), std::string::npos);
  const PullRoom allowed{1000, 500, "/tmp"};
  EXPECT_NE(allowed.Admits(501, "it").error().message.find("--max-bytes"), std::string::npos);
  EXPECT_FALSE((PullRoom{0, 0, "/tmp"}).HasBound());
  EXPECT_EQ((PullRoom{0, 0, "/tmp"}).BytesMax(), kPullBytesMaxDefault);
  EXPECT_TRUE(stated.FitsDisk(0));
  EXPECT_NE(stated.FitsDisk(uint64_t{1} << 60).error().message.find("make room"),
            std::string::npos);
}

TEST(Wheel, BrokenArchivesAreErrors) {
  const TemporaryDir dir;
  const std::string path = dir.path() + "/x.whl";
  std::ofstream(path) << "PK\x03\x04 garbage";
  const auto to = CreateRegular(dir.path() + "/to", 0600);
  ASSERT_TRUE(to);
  EXPECT_FALSE(AppendWheelMember(path, "*", 1000, *to));
}

}  // namespace
}  // namespace infe::store

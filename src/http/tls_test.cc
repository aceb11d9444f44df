// TLS against OpenSSL's own client side, with a key made here.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <unistd.h>

#include "http/testing.h"

namespace infe::http::testing {
namespace {

struct KeyPair {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  explicit KeyPair(const char* name) {
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_sign(certificate, key, EVP_sha256());
  }
  ~KeyPair() {
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  void Save(const TlsOptions& files) const {
    FILE* out = std::fopen(files.certificate_file.c_str(), "w");
    PEM_write_X509(out, certificate);
    std::fclose(out);
    out = std::fopen(files.key_file.c_str(), "w");
    PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(out);
  }
};

class TlsTest : public ::testing::Test {
 protected:
  TlsTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "infe-tls-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    files_ = {folder_ / "cert.pem", folder_ / "key.pem"};
    KeyPair("first").Save(files_);
  }
  ~TlsTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<HttpServer> Start() {
    ServerOptions options;
    options.tls = files_;
    return StartServer(std::move(options), EchoRouter());
  }

  std::filesystem::path folder_;
  TlsOptions files_;
};

class TlsClient {
 public:
  explicit TlsClient(uint16_t port, std::string_view alpn = {}, int version = TLS1_3_VERSION)
      : raw_(port), context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_min_proto_version(context_, 0);
    SSL_CTX_set_max_proto_version(context_, version);
    if (version < TLS1_2_VERSION) SSL_CTX_set_security_level(context_, 0);
    ssl_ = SSL_new(context_);
    if (!alpn.empty()) {
      SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(alpn.data()),
                          static_cast<unsigned>(alpn.size()));
    }
    SSL_set_fd(ssl_, raw_.fd());
    connected_ = SSL_connect(ssl_) == 1;
    ERR_clear_error();
  }
  ~TlsClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  bool connected() const { return connected_; }
  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const int sent = SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
      ASSERT_GT(sent, 0);
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  // One response with a Content-Length; its body.
  std::string ReadBody() {
    size_t wanted = std::string::npos;
    while (buffer_.size() < wanted) {
      char piece[4096];
      const int got = SSL_read(ssl_, piece, sizeof(piece));
      if (got <= 0) {
        ADD_FAILURE() << "cut after " << buffer_.size() << " bytes";
        return {};
      }
      buffer_.append(piece, static_cast<size_t>(got));
      const size_t end = buffer_.find("\r\n\r\n");
      const size_t length = buffer_.find("Content-Length: ");
      if (end == std::string::npos || length > end) continue;
      head_bytes_ = end + 4;
      wanted = head_bytes_ + std::strtoull(buffer_.c_str() + length + 16, nullptr, 10);
    }
    const std::string body = buffer_.substr(head_bytes_, wanted - head_bytes_);
    buffer_.erase(0, wanted);
    return body;
  }
  std::string ReadToEnd() {
    char piece[4096];
    for (int got; (got = SSL_read(ssl_, piece, sizeof(piece))) > 0;) {
      buffer_.append(piece, static_cast<size_t>(got));
    }
    return std::exchange(buffer_, {});
  }
  bool SeesCleanEnd() {
    char byte;
    const int got = SSL_read(ssl_, &byte, 1);
    return SSL_get_error(ssl_, got) == SSL_ERROR_ZERO_RETURN;
  }
  std::string PeerName() {
    X509* peer = SSL_get1_peer_certificate(ssl_);
    char name[100] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, name, sizeof(name));
    X509_free(peer);
    return name;
  }
  std::string Protocol() {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_, &name, &size);
    return std::string(reinterpret_cast<const char*>(name), size);
  }
  void Leave() { raw_.Reset(); }

 private:
  RawClient raw_;
  SSL_CTX* context_;
  SSL* ssl_;
  bool connected_ = false;
  std::string buffer_;
  size_t head_bytes_ = 0;
};

TEST_F(TlsTest, RequestsOfEverySizeAreServed) {
  const auto server = Start();
  TlsClient client(server->port(), "\x08http/1.1");
  ASSERT_TRUE(client.connected());
  EXPECT_EQ(client.Protocol(), "http/1.1");
  for (const size_t size : {0, 1, 1000, 16384, 16385, 100'000, 3'000'000}) {
    client.Send(Post("/echo", std::string(size, 'x')));
    EXPECT_EQ(client.ReadBody(), std::string(size, 'x'));
  }
  client.Send("GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(client.ReadToEnd().ends_with("hello"));
  EXPECT_TRUE(client.SeesCleanEnd());
}

TEST_F(TlsTest, PipelinedRequestsInOneRecordAreAllAnswered) {
  const auto server = Start();
  TlsClient client(server->port());
  std::string all;
  for (int i = 0; i < 50; ++i) all += Post("/echo", "<" + std::to_string(i) + ">");
  client.Send(all + "GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  const std::string answers = client.ReadToEnd();
  size_t at = 0;
  for (int i = 0; i < 50; ++i) {
    at = answers.find("<" + std::to_string(i) + ">", at);
    EXPECT_NE(at, std::string::npos) << i;
  }
}

TEST_F(TlsTest, OldVersionsAndOtherProtocolsAreRefused) {
  const auto server = Start();
  EXPECT_FALSE(TlsClient(server->port(), {}, TLS1_1_VERSION).connected());
  EXPECT_TRUE(TlsClient(server->port(), {}, TLS1_2_VERSION).connected());
  EXPECT_FALSE(TlsClient(server->port(), "\x02h2").connected());
}

TEST_F(TlsTest, PlainTextOnATlsPortIsNotServed) {
  const auto server = Start();
  RawClient client(server->port());
  client.Send(Get("/hello"));
  EXPECT_EQ(client.ReadToEnd().find("HTTP/1.1"), std::string::npos);
  EXPECT_TRUE(Eventually([&] { return server->open_connections() == 0; }));
}

TEST_F(TlsTest, AHandshakeThatStopsIsClosed) {
  ServerOptions options;
  options.tls = files_;
  options.limits.head_timeout = std::chrono::milliseconds(50);
  const auto server = StartServer(std::move(options), EchoRouter());
  RawClient client(server->port());
  client.Send("\x16\x03\x01");
  EXPECT_TRUE(client.SeesEnd());
}

TEST_F(TlsTest, AReloadIsForNewConnectionsAndABadOneChangesNothing) {
  const auto server = Start();
  TlsClient before(server->port());
  EXPECT_EQ(before.PeerName(), "first");
  KeyPair("second").Save(files_);
  EXPECT_TRUE(server->ReloadTls());
  EXPECT_EQ(TlsClient(server->port()).PeerName(), "second");
  KeyPair other("third");
  other.Save({folder_ / "unused.pem", files_.key_file});  // a key of another certificate
  const auto mismatch = server->ReloadTls();
  ASSERT_FALSE(mismatch);
  EXPECT_NE(mismatch.error().message.find("key.pem"), std::string::npos);
  std::filesystem::remove(files_.certificate_file);
  EXPECT_FALSE(server->ReloadTls());
  EXPECT_EQ(TlsClient(server->port()).PeerName(), "second");
  before.Send(Get("/hello"));
  EXPECT_EQ(before.ReadBody(), "hello");
}

TEST_F(TlsTest, AClientThatLeavesIsNoticed) {
  std::atomic<int> closed{0};
  Router router;
  router.Add("GET", "/wait", [&](HttpRequest request, std::shared_ptr<ResponseWriter> writer) {
    EXPECT_TRUE(request.is_tls);
    writer->OnClose([&closed, writer] { ++closed; });
  });
  ServerOptions options;
  options.tls = files_;
  const auto server = StartServer(std::move(options), std::move(router));
  TlsClient client(server->port());
  client.Send(Get("/wait"));
  EXPECT_TRUE(Eventually([&] { return server->stats().requests == 1; }));
  client.Leave();
  EXPECT_TRUE(Eventually([&] { return closed == 1; }));
}

TEST_F(TlsTest, MissingFilesAreAnErrorThatNamesThem) {
  ServerOptions options;
  options.tls = TlsOptions{folder_ / "none.pem", files_.key_file};
  const auto server = HttpServer::Start(std::move(options), EchoRouter());
  ASSERT_FALSE(server);
  EXPECT_NE(server.error().message.find("none.pem"), std::string::npos);
}

TEST_F(TlsTest, HandshakesThatNeverEndMakeRoomAndRunOutOfTime) {
  ServerOptions options;
  options.tls = files_;
  options.limits.connections_max = 8;
  options.limits.first_byte_timeout = std::chrono::milliseconds(300);
  const auto server = StartServer(std::move(options), EchoRouter());
  std::vector<std::unique_ptr<RawClient>> stuck;
  for (int i = 0; i < 32; ++i) {
    stuck.push_back(std::make_unique<RawClient>(server->port()));
    stuck.back()->Send("\x16\x03\x01");  // the beginning of a ClientHello
  }
  TlsClient client(server->port());
  ASSERT_TRUE(client.connected());
  client.Send(Get("/hello"));
  EXPECT_EQ(client.ReadBody(), "hello");
  EXPECT_TRUE(Eventually([&] { return server->open_connections() == 1; }));
}

}  // namespace
}  // namespace infe::http::testing

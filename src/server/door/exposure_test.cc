#include "server/door/exposure.h"

#include <gtest/gtest.h>

namespace infe::server {
namespace {

TEST(Exposure, OnLoopbackNothingIsAskedFor) {
  EXPECT_TRUE(CheckExposure({}, false));
}

TEST(Exposure, APublicApiNeedsKeysAndTls) {
  ServerConfig config;
  config.host = "0.0.0.0";
  EXPECT_FALSE(CheckExposure(config, true));
  config.tls_certificate = config.tls_key = "x.pem";
  EXPECT_FALSE(CheckExposure(config, false));
  EXPECT_TRUE(CheckExposure(config, true));
}

TEST(Exposure, APublicOperationsPortNeedsTlsToo) {
  for (const char* host : {"0.0.0.0", "::", "192.0.2.1", "ops.example"}) {
    ServerConfig config;
    config.ops_host = host;
    const auto refused = CheckExposure(config, true);
    ASSERT_FALSE(refused) << host;
    EXPECT_NE(refused.error().message.find("operations port"), std::string::npos);
    config.ops_port = 0;  // none
    EXPECT_TRUE(CheckExposure(config, true));
    config.ops_port = 8081;
    config.insecure = true;
    EXPECT_TRUE(CheckExposure(config, true));
  }
}

TEST(Exposure, ThePublicOperationsPortTakesTheApisFilesUnlessItHasItsOwn) {
  ServerConfig config;
  config.tls_certificate = config.tls_key = "api.pem";
  EXPECT_FALSE(OpsTls(config)) << "scrapers on this machine go on in clear text";
  config.ops_host = "0.0.0.0";
  EXPECT_EQ(OpsTls(config)->certificate_file, "api.pem");
  config.ops_tls_certificate = config.ops_tls_key = "ops.pem";
  EXPECT_EQ(OpsTls(config)->certificate_file, "ops.pem");
  config.ops_host = "127.0.0.1";
  EXPECT_EQ(OpsTls(config)->certificate_file, "ops.pem");
  EXPECT_TRUE(CheckExposure(config, false));
}

}  // namespace
}  // namespace infe::server

#include "http/tls.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/file_descriptor.h"

namespace infe::http {

namespace {

struct Deleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using ContextPtr = std::unique_ptr<SSL_CTX, Deleter>;
using SslPtr = std::unique_ptr<SSL, Deleter>;

std::string LastSslError() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : fmt::format("error {:x}", code);
}

class TlsTransport final : public Transport {
 public:
  TlsTransport(UniqueFd fd, SslPtr ssl) : Transport(std::move(fd)), ssl_(std::move(ssl)) {}

  IoResult Read(std::span<char> into) override {
    if (!fd_.valid()) return {};
    ERR_clear_error();
    size_t bytes = 0;
    const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &bytes);
    return result == 1 ? IoResult{IoResult::Kind::kBytes, bytes} : Outcome(result);
  }

  // One record per piece at most: small writes were joined before they come here.
  IoResult Write(std::span<const iovec> pieces) override {
    if (!fd_.valid()) return {};
    size_t total = 0;
    for (const iovec& piece : pieces) {
      size_t done = 0;
      while (done < piece.iov_len) {
        ERR_clear_error();
        size_t bytes = 0;
        const int result = SSL_write_ex(ssl_.get(), static_cast<const char*>(piece.iov_base) + done,
                                        piece.iov_len - done, &bytes);
        if (result != 1) {
          return total > 0 ? IoResult{IoResult::Kind::kBytes, total} : Outcome(result);
        }
        done += bytes;
        total += bytes;
      }
    }
    return {IoResult::Kind::kBytes, total};
  }

  void ShutdownWrite() override {
    if (!fd_.valid()) return;
    ERR_clear_error();
    if (!failed_ && SSL_is_init_finished(ssl_.get())) (void)SSL_shutdown(ssl_.get());
    (void)shutdown(fd(), SHUT_WR);
  }

  // OpenSSL may hold decrypted bytes, and hands out one record at a time.
  bool ShortReadMeansEmpty() const override { return false; }

 private:
  IoResult Outcome(int result) {
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:  // edges of both kinds are watched: try again at the next
        return {IoResult::Kind::kWouldBlock, 0};
      case SSL_ERROR_ZERO_RETURN:
        return {IoResult::Kind::kEnd, 0};
      default:
        failed_ = true;  // SSL_shutdown may not follow
        ERR_clear_error();
        return {};
    }
  }

  SslPtr ssl_;
  bool failed_ = false;
};

// Of what the client offers (RFC 7301) only http/1.1 is spoken; a client that offers none may go
// on.
int ChooseProtocol(SSL*, const unsigned char** out, unsigned char* out_size,
                   const unsigned char* offered, unsigned int offered_size, void*) {
  static constexpr unsigned char kSpoken[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  const int found =
      SSL_select_next_proto(&chosen, out_size, kSpoken, sizeof(kSpoken) - 1, offered, offered_size);
  if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

class OpenSslContext final : public TlsContext {
 public:
  explicit OpenSslContext(ContextPtr context) : context_(std::move(context)) {}

  std::unique_ptr<Transport> Wrap(UniqueFd fd) const override {
    SslPtr ssl(SSL_new(context_.get()));
    if (ssl == nullptr || SSL_set_fd(ssl.get(), fd.get()) != 1) return nullptr;
    SSL_set_accept_state(ssl.get());
    return std::make_unique<TlsTransport>(std::move(fd), std::move(ssl));
  }

 private:
  ContextPtr context_;
};

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::Load(const TlsOptions& options) {
  ERR_clear_error();
  ContextPtr context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) return Internal("cannot create a TLS context: " + LastSslError());
  SSL_CTX* const raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(
      raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(raw, ChooseProtocol, nullptr);
  // OpenSSL would wait for the other side of a pipe.
  INFE_TRY(OpenRegular(options.certificate_file));
  INFE_TRY(OpenRegular(options.key_file));
  if (SSL_CTX_use_certificate_chain_file(raw, options.certificate_file.c_str()) != 1) {
    return InvalidArgument(fmt::format("cannot use the TLS certificate chain {}: {}",
                                       options.certificate_file, LastSslError()));
  }
  if (SSL_CTX_use_PrivateKey_file(raw, options.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return InvalidArgument(
        fmt::format("cannot use the TLS key {}: {}", options.key_file, LastSslError()));
  }
  if (SSL_CTX_check_private_key(raw) != 1) {
    return InvalidArgument(fmt::format("the TLS key {} does not belong to the certificate {}",
                                       options.key_file, options.certificate_file));
  }
  return std::shared_ptr<const TlsContext>(std::make_shared<OpenSslContext>(std::move(context)));
}

}  // namespace infe::http

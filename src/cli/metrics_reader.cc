#include "cli/metrics_reader.h"

#include <future>
#include <utility>

#include <fmt/format.h>

#include "upstream/http_client.h"

namespace infe::cli {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{2};
// A hundred times what infe with a few models says.
constexpr size_t kPageBytesMax = size_t{16} << 20;

// All of one answer.
struct Fetched {
  int status = 0;
  std::string body;
  bool too_long = false;
  upstream::HttpEnd end;
};

class Collector : public upstream::HttpListener {
 public:
  explicit Collector(std::promise<Fetched> promise) : promise_(std::move(promise)) {}
  void OnHead(upstream::HttpHead head) override { fetched_.status = head.status; }
  void OnData(std::string_view data) override {
    if (fetched_.body.size() + data.size() > kPageBytesMax)
      fetched_.too_long = true;
    else
      fetched_.body += data;
  }
  void OnEnd(upstream::HttpEnd end) override {
    fetched_.end = std::move(end);
    promise_.set_value(std::move(fetched_));
  }

 private:
  std::promise<Fetched> promise_;
  Fetched fetched_;
};

Error Unavailable(std::string message) {
  return {ErrorCode::kUnavailable, std::move(message), {}};
}

class Reader : public MetricsReader {
 public:
  Reader(std::string url, std::string ca_file, std::unique_ptr<upstream::HttpClient> client)
      : url_(std::move(url)), ca_file_(std::move(ca_file)), client_(std::move(client)) {}

  Result<MetricsLook> Read() override {
    INFE_ASSIGN(const Fetched fetched, Fetch());
    if (fetched.status != 200)
      return Unavailable(
          fmt::format("{}: status {}. Metrics are at the operations port, which "
                      "infe serve says when it starts (--ops-port)",
                      url_, fetched.status));
    MetricsLook look{
        .at = steady_clock::now(),
        .unix_s = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
                      .count(),
        .page = MetricsPage::Parse(fetched.body)};
    if (fetched.too_long || !look.page.Sum("infe_ready"))
      return Unavailable(fmt::format("{}: these are not an infe server's metrics", url_));
    return look;
  }

 private:
  Result<Fetched> Fetch() {
    std::promise<Fetched> promise;
    std::future<Fetched> future = promise.get_future();
    upstream::HttpAsk ask;
    ask.url = url_;
    ask.ca_file = ca_file_;
    ask.connect_timeout = kPatience;
    ask.deadline = steady_clock::now() + kPatience;
    client_->Send(std::move(ask), std::make_unique<Collector>(std::move(promise)));
    Fetched fetched = future.get();
    switch (fetched.end.how) {
      case upstream::HttpEnd::How::kWhole:
        return fetched;
      case upstream::HttpEnd::How::kUnreached:
        return Unavailable(
            fmt::format("no server answers at {}: {}. infe serve starts one; metrics are at its "
                        "operations port (--ops-port)",
                        url_, fetched.end.reason));
      case upstream::HttpEnd::How::kCut:
      case upstream::HttpEnd::How::kDeadline:
      case upstream::HttpEnd::How::kCancelled:
        break;
    }
    return Unavailable(fmt::format("{}: no whole answer within {} s", url_, kPatience.count()));
  }

  const std::string url_, ca_file_;
  const std::unique_ptr<upstream::HttpClient> client_;
};

}  // namespace

Result<std::unique_ptr<MetricsReader>> MetricsReader::Open(const std::string& url,
                                                           const std::string& ca_file) {
  if (!url.starts_with("http://") && !url.starts_with("https://"))
    return InvalidArgument(fmt::format("{} is no URL: http://127.0.0.1:8081, or https://...", url));
  std::string whole = url;
  while (whole.ends_with('/')) whole.pop_back();
  if (!whole.ends_with("/metrics")) whole += "/metrics";
  INFE_ASSIGN(std::unique_ptr<upstream::HttpClient> client, upstream::HttpClient::Start());
  return std::unique_ptr<MetricsReader>(
      std::make_unique<Reader>(std::move(whole), ca_file, std::move(client)));
}

Result<std::string> OperationsUrl(const server::ServerConfig& config) {
  if (config.ops_port == 0)
    return Unsupported(
        "infe.toml has ops_port = 0: without an operations port there are no metrics");
  if (config.ops_host.starts_with("unix:"))
    return Unsupported(fmt::format(
        "infe.toml has operations at {}, and infe top reads TCP ports: give it a URL, or use "
        "curl --unix-socket",
        config.ops_host));
  std::string host = config.ops_host;
  // Who listens everywhere is reached here.
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::" || host == "[::]") host = "[::1]";
  if (host.find(':') != std::string::npos && !host.starts_with('[')) host = '[' + host + ']';
  const bool tls = !config.ops_tls_certificate.empty();
  return fmt::format("{}://{}:{}", tls ? "https" : "http", host, config.ops_port);
}

}  // namespace infe::cli

#include "server/app.h"

#include <algorithm>
#include <filesystem>
#include <thread>

#include <fmt/format.h>

#include "base/cpu_features.h"
#include "base/thread_pool.h"
#include "http/server.h"
#include "server/accounting.h"
#include "server/auth.h"
#include "server/errors.h"
#include "server/metrics_text.h"
#include "server/ops_routes.h"
#include "server/request_context.h"
#include "server/routes.h"
#include "store/model_pull.h"

namespace infe::server {
namespace {

// Parsing, rendering and tokenising: two threads, so that one long prompt does not stop the others.
constexpr uint32_t kTaskThreads = 2;
constexpr size_t kTaskQueueMax = 1024;

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

class AppImpl : public App {
 public:
  static Result<std::unique_ptr<App>> Start(const ServerConfig& config,
                                            std::function<void(const std::string&)> say);
  ~AppImpl() override { StopNow(); }

  uint16_t port() const override { return public_->port(); }
  Result<void> Reload() override;
  void Drain() override;
  void StopNow() override;
  void ReopenLogs() override { accounting_.ReopenLog(); }

 private:
  AppImpl(const ServerConfig& config, store::DataDir dir, std::unique_ptr<store::KeyStore> keys,
          std::unique_ptr<AccessLog> log)
      : config_(config),
        dir_(std::move(dir)),
        keys_(std::move(keys)),
        pool_(config.threads != 0 ? config.threads : GetCpuFeatures().cores_allowed),
        tasks_(std::make_unique<TaskPool>(kTaskThreads, kTaskQueueMax)),
        accounting_(models_, std::move(log)),
        services_(config_, models_, *tasks_, *keys_) {}

  Result<void> Listen();
  Result<void> ListenOps();
  Result<std::vector<store::InstalledModel>> ChosenModels() const;
  Result<void> LoadMissing();

  const ServerConfig config_;
  const store::DataDir dir_;
  std::unique_ptr<store::KeyStore> keys_;
  std::function<void(const std::string&)> say_;
  ThreadPool pool_;
  ModelSet models_;
  std::unique_ptr<TaskPool> tasks_;
  Accounting accounting_;
  Services services_;
  std::unique_ptr<http::HttpServer> ops_;
  std::unique_ptr<http::HttpServer> public_;  // last: stops before what its handlers use
};

Result<std::unique_ptr<App>> AppImpl::Start(const ServerConfig& config,
                                            std::function<void(const std::string&)> say) {
  INFE_TRY(Validate(config));
  INFE_ASSIGN(store::DataDir dir, store::OpenDataDir(config.data_dir));
  INFE_ASSIGN(std::unique_ptr<store::KeyStore> keys, store::KeyStore::Open(dir));
  std::unique_ptr<AccessLog> log;
  if (!config.access_log.empty()) {
    INFE_ASSIGN(log, AccessLog::Open(config.access_log));
  }
  std::unique_ptr<AppImpl> app(
      new AppImpl(config, std::move(dir), std::move(keys), std::move(log)));
  app->say_ = std::move(say);
  if (config.first_key && !app->keys_->HasKeys()) {
    INFE_ASSIGN(const store::NewKey key, app->keys_->Create({.name = "first"}, store::KeyKind::kApi, "first"));
    app->say_(fmt::format("Your API key, shown this once:\n\n  export INFE_API_KEY={}\n", key.key));
  }
  if (!IsLoopback(config.host) && !config.insecure) {
    if (!app->keys_->HasKeys())
      return InvalidArgument(
          fmt::format("refusing to listen on {} without keys: make one with `infe keys create`, or "
                      "pass --insecure",
                      config.host));
    if (config.tls_certificate.empty())
      return InvalidArgument(
          fmt::format("refusing to listen on {} without TLS: give --tls-certificate and --tls-key, "
                      "put a proxy in front of 127.0.0.1, or pass --insecure",
                      config.host));
  }
  INFE_TRY(app->Listen());
  INFE_TRY(app->ListenOps());
  INFE_TRY(app->LoadMissing());
  if (app->models_.All().empty())
    return NotFound("there is no model to serve; get one with: infe pull infe-pulse");
  app->services_.state.store(ServingState::kReady);
  return std::unique_ptr<App>(std::move(app));
}

Result<void> AppImpl::Listen() {
  http::ServerOptions options;
  options.listen = {{.host = config_.host, .port = static_cast<uint16_t>(config_.port)}};
  if (!config_.tls_certificate.empty())
    options.tls = http::TlsOptions{config_.tls_certificate, config_.tls_key};
  options.error_responder = [](int status, std::string_view reason) {
    http::HttpRequest none;
    none.arrival = std::chrono::steady_clock::now();
    return ErrorResponse(FromHttpStatus(status, reason), CommonHeaders(*NewRequestContext(none)));
  };
  options.head_hook = [this](http::HttpRequest& head) { return Authenticate(services_, head); };
  options.on_exchange_end = [this](const http::ExchangeRecord& record) {
    accounting_.OnExchangeEnd(record);
  };
  services_.parse_options.n_max = static_cast<int>(config_.n_max);
  services_.parse_options.strict_params = config_.strict_params;
  services_.parse_options.json_word_check = config_.json_word_check;
  INFE_ASSIGN(public_, http::HttpServer::Start(std::move(options), MakeRoutes(services_)));
  return {};
}

Result<void> AppImpl::ListenOps() {
  if (config_.ops_port == 0) return {};
  http::ServerOptions options;
  options.listen = {{.host = config_.ops_host, .port = static_cast<uint16_t>(config_.ops_port)}};
  const auto metrics = [this] {
    return WriteMetrics({.metrics = accounting_.metrics(),
                         .models = models_,
                         .http = public_.get(),
                         .ready = services_.state.load() == ServingState::kReady,
                         .log_lines_dropped = accounting_.log_lines_dropped()});
  };
  auto started = http::HttpServer::Start(std::move(options), MakeOpsRoutes(services_, metrics));
  if (!started) {
    Error error = std::move(started).error();
    error.message += "; choose another --ops-port, or 0 for none";
    return error;
  }
  ops_ = std::move(*started);
  return {};
}

Result<std::vector<store::InstalledModel>> AppImpl::ChosenModels() const {
  INFE_ASSIGN(const store::ModelRegistry registry, store::ModelRegistry::Load(dir_));
  const std::vector<store::InstalledModel> installed = registry.Installed();
  if (config_.models.empty()) return installed;
  std::vector<store::InstalledModel> chosen;
  for (const std::string& wanted : config_.models) {
    if (wanted.find('/') != std::string::npos || wanted.ends_with(".gguf")) {
      std::error_code ec;
      store::InstalledModel model;
      model.name = std::filesystem::path(wanted).stem();
      model.path = wanted;
      model.size_bytes = std::filesystem::file_size(wanted, ec);
      if (ec) return NotFound(fmt::format("there is no model file {}", wanted));
      INFE_ASSIGN(model.sha256, store::Sha256OfFile(wanted, {}));
      chosen.push_back(std::move(model));
      continue;
    }
    const store::ModelSpec* spec = registry.Find(wanted);
    if (spec == nullptr)
      return NotFound(fmt::format("no model is called {}; see: infe ls --all", wanted));
    const auto found = std::find_if(installed.begin(), installed.end(),
                                    [&](const auto& m) { return m.name == spec->name; });
    if (found == installed.end())
      return NotFound(
          fmt::format("{} is not on this machine; get it with: infe pull {}", wanted, wanted));
    chosen.push_back(*found);
  }
  return chosen;
}

Result<void> AppImpl::LoadMissing() {
  INFE_ASSIGN(const std::vector<store::InstalledModel> chosen, ChosenModels());
  for (const store::InstalledModel& installed : chosen) {
    const auto present = models_.Find(installed.name);
    if (present && present->installed().sha256 == installed.sha256) continue;
    const auto start = std::chrono::steady_clock::now();
    INFE_ASSIGN(std::shared_ptr<ServedModel> model,
                ServedModel::Load(installed, config_, dir_.path + "/packed", pool_,
                                  kernels::SelectKernels()));
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    say_(fmt::format("{}: {} {}, context {}, loaded in {:.1f} s", installed.name,
                     model->object().architecture, model->object().quantization,
                     model->context_max(), seconds));
    models_.Add(std::move(model));
  }
  return {};
}

Result<void> AppImpl::Reload() {
  INFE_TRY(LoadMissing());
  if (!config_.tls_certificate.empty()) INFE_TRY(public_->ReloadTls());
  return {};
}

void AppImpl::Drain() {
  services_.state.store(ServingState::kDraining);
  public_->BeginDrain();
  std::this_thread::sleep_for(std::chrono::duration<double>(config_.drain_grace_s));
  public_->Shutdown(
      std::chrono::milliseconds(static_cast<int64_t>(config_.drain_timeout_s * 1000)));
}

void AppImpl::StopNow() {
  services_.state.store(ServingState::kDraining);
  if (ops_) ops_->Shutdown(std::chrono::milliseconds(0));
  if (public_) public_->Shutdown(std::chrono::milliseconds(0));
}

}  // namespace

Result<std::unique_ptr<App>> App::Start(const ServerConfig& config,
                                        std::function<void(const std::string&)> say) {
  return AppImpl::Start(config, std::move(say));
}

}  // namespace infe::server

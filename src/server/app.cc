#include "server/app.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <span>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/cpu_features.h"
#include "base/split_name.h"
#include "base/thread_pool.h"
#include "http/server.h"
#include "http/socket.h"
#include "server/activation.h"
#include "server/door/accounting.h"
#include "server/door/auth.h"
#include "server/door/door.h"
#include "server/door/errors.h"
#include "server/door/exposure.h"
#include "server/door/request_context.h"
#include "server/endpoints.h"
#include "server/handlers/handlers.h"
#include "server/models/load_model.h"
#include "server/models/remote_models.h"
#include "store/model_file.h"
#include "store/pepper.h"
#include "store/secret_files.h"
#include "store/store.h"

namespace infe::server {
namespace {

// What the last events need to reach their clients when everything ends.
constexpr int64_t kRetryAfterStopMs = 1000;
constexpr auto kLastWords = std::chrono::seconds(2);
constexpr auto kDrainPoll = std::chrono::milliseconds(20);
constexpr auto kMaintenanceInterval = std::chrono::seconds(1);
// Nobody finds what has passed its end, so its place is not urgent.
constexpr auto kExpiryInterval = std::chrono::minutes(1);
constexpr auto kWatchInterval = std::chrono::seconds(1);

store::StoreOptions StoreOptionsOf(const ServerConfig& config) {
  store::StoreOptions options;
  options.url = config.store_url;
  options.ledger.on_failure = config.ledger_on_failure;
  options.ledger.journal_bytes_max = config.ledger_journal_bytes;
  options.kept.bytes_per_project_max = config.kept_bytes;
  return options;
}

// A request names its model: every name and alias means one file.
Result<void> CheckNames(const std::vector<store::InstalledModel>& chosen) {
  for (size_t i = 0; i < chosen.size(); ++i)
    for (size_t j = 0; j < chosen.size(); ++j) {
      const store::InstalledModel &a = chosen[i], &b = chosen[j];
      if (i < j && a.name == b.name)
        return InvalidArgument(fmt::format(
            "two models are called {}: {} and {}; a file's name is its model's, so rename one",
            a.name, a.path, b.path));
      if (i != j && std::find(b.aliases.begin(), b.aliases.end(), a.name) != b.aliases.end())
        return InvalidArgument(fmt::format("{} is the name of {} and an alias of {} ({})", a.name,
                                           a.path, b.name, b.path));
    }
  return {};
}

class AppImpl : public App {
 public:
  static Result<std::unique_ptr<App>> Start(const ServerConfig& config, Voice voice);
  ~AppImpl() override;

  uint16_t port() const override { return public_->port(); }
  std::string first_model() const override { return models_.All().front()->name(); }
  std::string TakeFirstKey() override { return std::exchange(first_key_, {}); }
  Result<void> Reload(const Result<ServerConfig>& config) override;
  void Drain() override;
  void Hurry() override;
  void SkipGrace() override { skip_grace_.store(true); }
  void ReopenLogs() override { accounting_.ReopenLog(); }
  bool IsAlive() override { return WhatIsStuck(services_).empty(); }

 private:
  AppImpl(const ServerConfig& config, store::DataDir dir, std::unique_ptr<store::Store> stores,
          CacheSalt salt, std::unique_ptr<AccessLog> log)
      : dir_(std::move(dir)),
        stores_(std::move(stores)),
        pool_(config.threads != 0 ? config.threads : GetCpuFeatures().cores_allowed,
              config.pin_threads ? ThreadPool::Placement::kOwnCpus
                                 : ThreadPool::Placement::kAnywhere),
        services_(config, models_, *stores_, std::move(salt)),
        accounting_(models_, services_.metrics, std::move(log)) {
    services_.accounting.store(&accounting_);
  }

  Result<void> CheckKeys(const ServerConfig& config);
  void ExpireKept();
  void SayKeyState();
  ServerConfig config() const { return services_.settings.Get()->config; }
  Result<void> TryReload(const ServerConfig& wanted);
  // Where a service manager has opened the sockets, they stay where they are.
  ServerConfig Bound(ServerConfig wanted) const;
  Result<void> Listen();
  Result<void> ListenOps();
  Result<std::vector<store::InstalledModel>> ChosenModels(const ServerConfig& config) const;
  Result<std::vector<std::shared_ptr<ServedModel>>> LoadModels(const ServerConfig& config);
  Result<std::vector<std::shared_ptr<ServedModel>>> LoadLocalModels(const ServerConfig& config);
  // before: those that this start or reload has loaded already.
  Result<std::shared_ptr<ServedModel>> LoadModel(
      const store::InstalledModel& installed, const ServerConfig& config,
      std::span<const std::shared_ptr<ServedModel>> before);
  void Maintain(const std::stop_token& stop);
  // Says what is stuck, and keeps the last hour's load. A thread of its own: maintenance waits for
  // the database.
  void Watch(const std::stop_token& stop);
  // Until done() or the time is over; at once when hurried.
  void WaitUntil(std::chrono::duration<double> wait_max, const std::function<bool()>& done);

  // In this order: a request's context, which an engine may hold longest, refers to what stands
  // before the models.
  const store::DataDir dir_;
  std::unique_ptr<store::Store> stores_;
  Voice voice_;
  ActivatedSockets sockets_;
  ThreadPool pool_;
  Services services_;
  // Before the models: theirs refer to its client.
  RemoteModels remote_{[this](const std::string& line) {
    if (voice_.warn) voice_.warn(line);
  }};
  LoadedWeights weights_;
  ModelSet models_;
  Accounting accounting_;
  std::unique_ptr<http::HttpServer> ops_;
  std::unique_ptr<http::HttpServer> public_;

  std::mutex hurry_mutex_;
  std::condition_variable hurry_changed_;
  bool hurry_ = false;  // guarded by hurry_mutex_
  std::atomic<bool> skip_grace_{false};
  std::string first_key_;
  store::KeyState key_state_ = store::KeyState::kNone;  // as it was told last; of Start, then of
                                                        // the maintenance
  std::chrono::steady_clock::time_point next_expiry_;   // of the maintenance
  std::jthread maintenance_;
  std::jthread watch_;  // last: ends first
};

Result<std::unique_ptr<App>> AppImpl::Start(const ServerConfig& asked, Voice voice) {
  INFE_TRY(Validate(asked));
  INFE_ASSIGN(const ActivatedSockets sockets, TakeActivation());
  INFE_ASSIGN(const ServerConfig config, WithSockets(asked, sockets));
  INFE_ASSIGN(store::DataDir dir, store::OpenDataDir(config.data_dir));
  INFE_ASSIGN(std::unique_ptr<store::Store> stores,
              store::Store::Open(dir, StoreOptionsOf(config)));
  INFE_ASSIGN(std::string pepper, store::LoadPepper(dir));
  std::unique_ptr<AccessLog> log;
  if (!config.access_log.empty()) {
    INFE_ASSIGN(log, AccessLog::Open(config.access_log));
  }
  std::unique_ptr<AppImpl> app(new AppImpl(config, std::move(dir), std::move(stores),
                                           CacheSalt(std::move(pepper)), std::move(log)));
  app->voice_ = std::move(voice);
  app->sockets_ = sockets;
  INFE_TRY(app->CheckKeys(config));
  INFE_TRY(app->Listen());
  INFE_TRY(app->ListenOps());
  INFE_ASSIGN(auto models, app->LoadModels(config));
  app->models_.Set(std::move(models));
  app->remote_.Take();
  app->services_.remote.store(&app->remote_);
  app->services_.state.store(ServingState::kReady);
  app->maintenance_ = std::jthread([raw = app.get()](auto stop) { raw->Maintain(stop); });
  app->watch_ = std::jthread([raw = app.get()](auto stop) { raw->Watch(stop); });
  return std::unique_ptr<App>(std::move(app));
}

// Who will be let in, before anybody can come.
Result<void> AppImpl::CheckKeys(const ServerConfig& config) {
  INFE_ASSIGN(const std::vector<std::string> told, store::CheckSecretFiles(dir_, config.tls_key));
  for (const std::string& line : told) voice_.warn("warning: " + line);
  store::KeyStore& keys = stores_->keys();
  if (config.first_key && !keys.HasKeys() && keys.state() != store::KeyState::kForeign) {
    INFE_ASSIGN(const store::NewKey key,
                keys.Create({.name = "first"}, store::KeyKind::kApi, "first"));
    voice_.say(
        fmt::format("Your API key, shown this once:\n\n  export INFE_API_KEY={}\n", key.key));
    first_key_ = key.key;
  }
  key_state_ = keys.state();
  const Door door = DoorFor(key_state_, config.require_keys);
  if (door == Door::kShut)
    return Error{ErrorCode::kPermissionDenied, WhyShut(key_state_, dir_.path), {}};
  if (door == Door::kOpen)
    voice_.warn(fmt::format(
        "WARNING: there are no API keys: whoever reaches {}:{} is served. Make one with "
        "`infe keys create --name NAME`, and every request will need a key.",
        config.host, config.port));
  return CheckExposure(config, door != Door::kOpen);
}

// What clients left here, and has passed its end.
void AppImpl::ExpireKept() {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_expiry_) return;
  next_expiry_ = now + kExpiryInterval;
  (void)services_.kept.Expire(services_.clock.unix_s());  // on failure: next time
}

// What happened to the keys meanwhile, once.
void AppImpl::SayKeyState() {
  const store::KeyState state = stores_->keys().state();
  const store::KeyState before = std::exchange(key_state_, state);
  if (before == state) return;
  if (DoorFor(state, config().require_keys) == Door::kShut)
    voice_.warn("no request is taken: " + WhyShut(state, dir_.path));
  else
    voice_.say(before == store::KeyState::kNone ? "there is a key: from now on one is asked for"
                                                : "the keys are there again");
}

Result<void> AppImpl::Listen() {
  const ServerConfig config = this->config();
  http::ServerOptions options;
  options.listen = {{.host = config.host,
                     .port = static_cast<uint16_t>(config.port),
                     .inherited_fd = sockets_.api.value_or(-1)}};
  options.tls = ApiTls(config);
  INFE_ASSIGN(options.limits.trusted_proxies, http::AddressSet::Parse(config.trusted_proxies));
  options.error_responder = [this](int status, std::string_view reason,
                                   const http::HttpRequest& head) {
    Caller caller = head.context ? ContextOf(head)->caller : ReadCaller(head);
    caller.cors_origin = services_.settings.Get()->cors.AllowedOrigin(head.headers.Get("Origin"));
    const Dialect& dialect = DialectOf(FindEndpoint(services_.endpoints, head), caller);
    return ErrorResponse(dialect, FromHttpStatus(status, reason),
                         CommonHeaders(caller, caller.rate, dialect.headers));
  };
  options.head_hook = [this](http::HttpRequest& head) { return Authenticate(services_, head); };
  options.on_exchange_end = [this](const http::ExchangeRecord& record) {
    accounting_.OnExchangeEnd(record);
  };
  options.options_responder = [this](const http::HttpRequest& request, const std::string& allow) {
    return services_.settings.Get()->cors.Preflight(request, allow);
  };
  INFE_ASSIGN(public_,
              http::HttpServer::Start(std::move(options), MakeRoutes(services_, Listener::kApi)));
  services_.api_server.store(public_.get());
  return {};
}

Result<void> AppImpl::ListenOps() {
  const ServerConfig config = this->config();
  if (config.ops_port == 0) return {};
  http::ServerOptions options;
  options.listen = {{.host = config.ops_host,
                     .port = static_cast<uint16_t>(config.ops_port),
                     .inherited_fd = sockets_.ops.value_or(-1)}};
  options.tls = OpsTls(config);
  INFE_ASSIGN(options.limits.trusted_proxies, http::AddressSet::Parse(config.trusted_proxies));
  options.head_hook = [this](http::HttpRequest& head) { return AuthenticateOps(services_, head); };
  auto started = http::HttpServer::Start(std::move(options), MakeRoutes(services_, Listener::kOps));
  if (!started) {
    Error error = std::move(started).error();
    error.message += "; choose another --ops-port, or 0 for none";
    return error;
  }
  ops_ = std::move(*started);
  services_.ops_server.store(ops_.get());
  return {};
}

Result<std::vector<store::InstalledModel>> AppImpl::ChosenModels(const ServerConfig& config) const {
  INFE_ASSIGN(const store::ModelRegistry registry, store::ModelRegistry::Load(dir_));
  const std::vector<store::InstalledModel> installed = registry.Installed();
  if (config.models.empty()) return installed;
  std::vector<store::InstalledModel> chosen;
  const auto choose = [&chosen](const store::InstalledModel& model) {
    const auto same = [&](const auto& m) { return m.name == model.name && m.path == model.path; };
    if (std::none_of(chosen.begin(), chosen.end(), same)) chosen.push_back(model);
  };
  for (const std::string& wanted : config.models) {
    const store::ModelSpec* spec = registry.Find(wanted);
    const bool is_path = wanted.find('/') != std::string::npos || wanted.ends_with(".gguf");
    if (spec == nullptr && is_path) {
      std::error_code ec;
      store::InstalledModel model;
      model.name = ModelNameOf(wanted);
      model.path = wanted;
      for (const std::string& part : PartPaths(wanted)) {
        model.size_bytes += std::filesystem::file_size(part, ec);
        if (ec) return NotFound(fmt::format("there is no model file {}", part));
      }
      choose(model);
      continue;
    }
    if (spec == nullptr)
      return NotFound(fmt::format("no model is called {}; see: infe ls --all", wanted));
    const auto found = std::find_if(installed.begin(), installed.end(),
                                    [&](const auto& m) { return m.name == spec->name; });
    if (found == installed.end())
      return NotFound(
          fmt::format("{} is not on this machine; get it with: infe pull {}", wanted, wanted));
    choose(*found);
  }
  INFE_TRY(CheckNames(chosen));
  return chosen;
}

Result<std::vector<std::shared_ptr<ServedModel>>> AppImpl::LoadModels(const ServerConfig& config) {
  std::vector<std::string> told;
  INFE_ASSIGN(auto remote, remote_.Make(config, models_, told));
  std::vector<std::shared_ptr<ServedModel>> models;
  if (config.local_models) {
    INFE_ASSIGN(models, LoadLocalModels(config));
  }
  for (const auto& elsewhere : remote)
    for (const auto& here : models) {
      const auto& aliases = here->aliases();
      if (here->name() == elsewhere->name() ||
          std::find(aliases.begin(), aliases.end(), elsewhere->name()) != aliases.end())
        return InvalidArgument(fmt::format(
            "{} is a model on this machine and one of an upstream: name the other one differently, "
            "`models = [\"ours=theirs\"]`",
            elsewhere->name()));
    }
  for (const std::string& line : told) voice_.warn("warning: " + line);
  models.insert(models.end(), remote.begin(), remote.end());
  if (models.empty())
    return NotFound("there is no model to serve; get one with: infe pull infe-pulse");
  return models;
}

Result<std::vector<std::shared_ptr<ServedModel>>> AppImpl::LoadLocalModels(
    const ServerConfig& config) {
  INFE_ASSIGN(const std::vector<store::InstalledModel> chosen, ChosenModels(config));
  std::vector<std::shared_ptr<ServedModel>> models;
  // At start a damaged file that nobody named does not keep the others from being served. At a
  // reload it does: then all stays as it is.
  const bool spare_others = config.models.empty() && models_.All().empty() && chosen.size() > 1;
  for (const store::InstalledModel& installed : chosen) {
    auto model = LoadModel(installed, config, models);
    if (!model && spare_others) {
      voice_.warn(fmt::format("{} is not served: {}", installed.name, model.error().message));
      continue;
    }
    if (!model) return std::move(model).error();
    models.push_back(std::move(*model));
  }
  return models;
}

// The one that is served already, if its file and that of its draft model have the same bytes still
// and its entry says the same.
Result<std::shared_ptr<ServedModel>> AppImpl::LoadModel(
    const store::InstalledModel& installed, const ServerConfig& config,
    std::span<const std::shared_ptr<ServedModel>> before) {
  store::HashOptions hash;
  LoadFrame frame{
      .config = config,
      .data_dir = dir_.path,
      .pool = pool_,
      .kernels = kernels::SelectKernels(),
      .watch = {.say = voice_.say},
      .weights = &weights_,
      .budget = {config.memory_limit_bytes, models_.StepsAndStates(before) + weights_.bytes()},
      .draft = OpenDraft(dir_, installed, config, voice_.warn)};
  if (voice_.load) {
    hash.on_progress = [&](uint64_t done, uint64_t total) {
      voice_.load(installed.name, "checking",
                  total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1);
    };
    frame.watch.on_progress = [&](double part) { voice_.load(installed.name, "loading", part); };
  }
  INFE_ASSIGN(store::ModelFile file, store::OpenModelFile(dir_, installed, hash));
  const std::string draft = frame.draft ? frame.draft->file.sha256 : std::string();
  auto present = models_.Find(installed.name);
  if (present && present->IsStill(installed, file.sha256, draft)) return present;
  INFE_ASSIGN(auto model, LoadServedModel(installed, std::move(file), std::move(frame)));
  voice_.say(LoadedWords(*model));
  return model;
}

Result<void> AppImpl::Reload(const Result<ServerConfig>& wanted) {
  const Result<void> done = wanted ? TryReload(Bound(*wanted)) : Result<void>(wanted.error());
  services_.metrics.AddReload(done.has_value());
  return done;
}

ServerConfig AppImpl::Bound(ServerConfig wanted) const {
  const ServerConfig now = config();
  if (sockets_.api) {
    wanted.host = now.host;
    wanted.port = now.port;
  }
  if (sockets_.ops) {
    wanted.ops_host = now.ops_host;
    wanted.ops_port = now.ops_port;
  }
  return wanted;
}

Result<void> AppImpl::TryReload(const ServerConfig& wanted) {
  const ServerConfig now = config();
  INFE_TRY(Validate(wanted));
  INFE_ASSIGN(auto models, LoadModels(wanted));
  // The last steps that can fail; each swaps by itself, and certificates that one of them has taken
  // are no worse than the old ones.
  if (ApiTls(now)) INFE_TRY(public_->ReloadTls());
  if (ops_ && OpsTls(now)) INFE_TRY(ops_->ReloadTls());
  models_.Set(std::move(models));
  remote_.Take();
  services_.settings.Swap(TakeLive(now, wanted));
  const std::vector<std::string> left = NeedRestart(now, wanted);
  if (!left.empty()) voice_.say(fmt::format("a restart is needed for: {}", fmt::join(left, ", ")));
  return {};
}

void AppImpl::Maintain(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  const auto stopped = [&stop] { return stop.stop_requested(); };
  while (!wake.wait_for(lock, stop, kMaintenanceInterval, stopped)) {
    models_.Reap();
    (void)services_.projects.Refresh();  // on failure the last good view serves on
    SayKeyState();
    ExpireKept();
    const store::StoreClock::Reading now = services_.clock.Now();
    if (!now.jumped) services_.keys.NoteExpired(now.unix_s());
    for (const std::string& note : services_.clock.TakeNotes()) voice_.say(note);
  }
}

void AppImpl::Watch(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  StuckReporter reporter;
  const auto stopped = [&stop] { return stop.stop_requested(); };
  while (!wake.wait_for(lock, stop, kWatchInterval, stopped)) {
    for (const std::string& line : reporter.Lines(WhatIsStuck(services_))) voice_.warn(line);
    services_.load_history.Observe(ReadLoad(services_.metrics, models_), services_.clock.unix_s(),
                                   LoadHistory::Clock::now());
  }
}

void AppImpl::WaitUntil(std::chrono::duration<double> wait_max, const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + wait_max;
  std::unique_lock lock(hurry_mutex_);
  while (!hurry_ && !done() && std::chrono::steady_clock::now() < end)
    hurry_changed_.wait_for(lock, kDrainPoll);
}

void AppImpl::Drain() {
  const ServerConfig config = this->config();
  services_.state.store(ServingState::kLeaving);
  public_->BeginDrain();
  WaitUntil(std::chrono::duration<double>(config.drain_grace_s),
            [this] { return skip_grace_.load(); });
  services_.state.store(ServingState::kDraining);
  WaitUntil(std::chrono::duration<double>(config.drain_timeout_s),
            [this] { return services_.live.count() == 0; });
  services_.live.CancelAll();
  services_.answers.FailAll(answer::Stopping(kRetryAfterStopMs));
  public_->Shutdown(kLastWords);
}

void AppImpl::Hurry() {
  const std::lock_guard lock(hurry_mutex_);
  hurry_ = true;
  hurry_changed_.notify_all();
}

AppImpl::~AppImpl() {
  services_.state.store(ServingState::kDraining);
  services_.live.CancelAll();
  if (ops_) ops_->Shutdown(std::chrono::milliseconds(0));
  if (public_) public_->Shutdown(std::chrono::milliseconds(0));
  // What is queued may still look for its model.
  services_.pools.Stop();
  services_.background.Stop();
  if (auto closed = services_.ledger.Close(); !closed && voice_.warn)
    voice_.warn(closed.error().message);
}

}  // namespace

Result<std::unique_ptr<App>> App::Start(const ServerConfig& config, Voice voice) {
  return AppImpl::Start(config, std::move(voice));
}

void App::RemoveSocketFiles() {
  http::RemoveUnixSockets();
}

}  // namespace infe::server

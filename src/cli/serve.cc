// infe serve: the server, its signals, its first words.
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <signal.h>

#include "base/memory.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/read_config.h"
#include "cli/service_notify.h"
#include "cli/signal_desk.h"
#include "server/app.h"

namespace infe::cli {
namespace {

struct Arguments {
  std::string config_path;
  server::ServerConfig flags;
  bool no_prefix_cache = false, no_speculation = false, no_pin_threads = false,
       print_config = false;
};

// Flag > environment > file > default: the file is read first, then what was given on the command
// line or in the environment is put over it.
Result<server::ServerConfig> Merge(const Arguments& a, const Command& command) {
  INFE_ASSIGN(server::ServerConfig config, ReadConfig(a.config_path));
  using C = server::ServerConfig;
  const auto take = [&](const char* option, auto C::* member) {
    if (command.Given(option)) config.*member = a.flags.*member;
  };
  take("--host", &C::host);
  take("--port", &C::port);
  take("--ops-host", &C::ops_host);
  take("--ops-port", &C::ops_port);
  take("--data-dir", &C::data_dir);
  take("--threads", &C::threads);
  take("--model", &C::models);
  take("--max-batch", &C::max_batch);
  take("--context", &C::context);
  take("--kv-memory", &C::kv_memory);
  take("--kv-type", &C::kv_type);
  take("--prefix-cache-disk", &C::prefix_cache_disk);
  take("--queue-requests", &C::queue_requests);
  take("--queue-tokens", &C::queue_tokens);
  take("--queue-wait", &C::queue_wait_s);
  take("--step-budget-ms", &C::step_budget_ms);
  take("--tls-certificate", &C::tls_certificate);
  take("--tls-key", &C::tls_key);
  take("--ops-tls-certificate", &C::ops_tls_certificate);
  take("--ops-tls-key", &C::ops_tls_key);
  take("--drain-grace", &C::drain_grace_s);
  take("--drain-timeout", &C::drain_timeout_s);
  take("--cors-origin", &C::cors_origins);
  take("--allowed-host", &C::allowed_hosts);
  take("--store-url", &C::store_url);
  take("--access-log", &C::access_log);
  take("--first-key", &C::first_key);
  take("--insecure", &C::insecure);
  take("--require-keys", &C::require_keys);
  take("--strict-params", &C::strict_params);
  take("--sampling-defaults", &C::sampling_defaults);
  if (a.no_prefix_cache) config.prefix_cache = false;
  if (a.no_speculation) config.speculation = false;
  if (a.no_pin_threads) config.pin_threads = false;
  return config;
}

void Say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void Warn(const std::string& line) {
  fmt::print(stderr, "infe: {}\n", line);
}

void SayHowToCall(const server::ServerConfig& config, const server::App& app) {
  const std::string scheme = config.tls_certificate.empty() ? "http" : "https";
  const bool is_ipv6 = config.host.find(':') != std::string::npos;
  const std::string base = fmt::format("{}://{}{}{}:{}/v1", scheme, is_ipv6 ? "[" : "", config.host,
                                       is_ipv6 ? "]" : "", app.port());
  Say(
      fmt::format("\nListening on {}. Try it:\n\n"
                  "  curl {}/chat/completions -H \"Authorization: Bearer $INFE_API_KEY\" \\\n"
                  "    -H \"Content-Type: application/json\" \\\n"
                  "    -d "
                  "'{{\"model\":\"{}\",\"stream\":true,\"messages\":[{{\"role\":\"user\","
                  "\"content\":\"Hello!\"}}]}}'\n\n"
                  "Ctrl-C stops it. More keys: infe keys create --name NAME",
                  base, base, app.first_model()));
}

void Reload(server::App& app, const Arguments& arguments, const Command& command) {
  NotifyServiceManager(fmt::format(
      "RELOADING=1\nMONOTONIC_USEC={}",
      std::chrono::steady_clock::now().time_since_epoch() / std::chrono::microseconds(1)));
  const Result<void> reloaded = app.Reload(Merge(arguments, command));
  if (reloaded)
    Say("reloaded");
  else
    fmt::print(stderr, "infe: reload refused, everything stays as it was: {}\n",
               reloaded.error().message);
  NotifyServiceManager("READY=1");
}

// Serves until a signal to stop; returns it.
int WaitForStop(server::App& app, SignalDesk& signals, const Arguments& arguments,
                const Command& command) {
  for (;;) {
    const int received = signals.Next();
    if (received == SIGUSR1)
      app.ReopenLogs();
    else if (received == SIGHUP)
      Reload(app, arguments, command);
    else
      return received;
  }
}

int Serve(const Arguments& arguments, const Command& command) {
  auto config = Merge(arguments, command);
  if (!config) return Fail(config.error());
  if (arguments.print_config) {
    if (auto valid = server::Validate(*config); !valid) return Fail(valid.error());
    fmt::print("{}", server::ToToml(*config));
    return kExitDone;
  }
  SignalDesk signals;
  signal(SIGPIPE, SIG_IGN);
  ReturnLargeBlocks();

  auto app = server::App::Start(*config, {.say = Say, .warn = Warn});
  if (!app) return Fail(app.error());
  signals.Serving(**app);
  SayHowToCall(*config, **app);
  std::optional<WatchdogFeeder> watchdog;
  if (const auto interval = WatchdogInterval())
    watchdog.emplace(*interval, [raw = app->get()] { return raw->IsAlive(); });
  NotifyServiceManager("READY=1");

  const int received = WaitForStop(**app, signals, arguments, command);
  NotifyServiceManager("STOPPING=1");
  Say("stopping: finishing the requests in flight; a second signal stops at once");
  // Whoever pressed Ctrl-C sits in front of it: no load balancer has to notice first.
  if (received == SIGINT) (*app)->SkipGrace();
  (*app)->Drain();
  signals.Closing();
  watchdog.reset();
  app->reset();
  Say("stopped");
  std::fflush(nullptr);
  // A thread still waits for signals: leave without running destructors of globals.
  std::_Exit(kExitDone);
}

}  // namespace

void AddServe(CommandLine& line) {
  static Arguments a;
  using C = server::ServerConfig;
  Command& command = line.Add("serve", "Run the API server");
  C& f = a.flags;
  command.Option("--host", f.host, "Address to listen on; a public one needs keys and TLS")
      .Option("--port", f.port, "Port of the API")
      .Option("--ops-host", f.ops_host, "Address of the operations port; a public one needs TLS")
      .Option("--ops-port", f.ops_port, "Metrics, health and administration; 0: none")
      .Option("--config", a.config_path,
              "Configuration file (default: infe.toml in the usual places)")
      .Option("--data-dir", f.data_dir, "Where models and keys are kept")
      .Option("--threads", f.threads, "Compute threads; 0: all that this process may use")
      .Option("--model", f.models,
              "Name or GGUF path; may be repeated (default: every pulled model)")
      .Option("--max-batch", f.max_batch, "Sequences that decode together, per model")
      .Option("--context", f.context, "Positions per sequence; 0: the model's own")
      .Option("--kv-memory", f.kv_memory, "Memory for attention keys and values, per model")
      .Option("--kv-type", f.kv_type, "f16, or int8 (half the memory, slightly other logits)")
      .Option("--prefix-cache-disk", f.prefix_cache_disk,
              "Keep the prefix cache over restarts in a file of so much per model, such as 512MiB; "
              "0: do not")
      .Option("--queue-requests", f.queue_requests,
              "Waiting requests per model; 0: 4 x max-batch + 64")
      .Option("--queue-tokens", f.queue_tokens, "Waiting prompt tokens per model")
      .Option("--queue-wait", f.queue_wait_s,
              "Seconds within which waiting prompts can be computed; more is refused")
      .Option("--step-budget-ms", f.step_budget_ms, "Longest step while anyone decodes")
      .Option("--tls-certificate", f.tls_certificate, "PEM file with the certificate chain")
      .Option("--tls-key", f.tls_key, "PEM file with the private key")
      .Option("--ops-tls-certificate", f.ops_tls_certificate,
              "The same for the operations port (default on a public address: the API's)")
      .Option("--ops-tls-key", f.ops_tls_key, "PEM file with its private key")
      .Option("--drain-grace", f.drain_grace_s,
              "Seconds at SIGTERM in which everything is still served, but not ready any more")
      .Option("--drain-timeout", f.drain_timeout_s,
              "Seconds that requests in flight get to finish at stop")
      .Option("--cors-origin", f.cors_origins,
              "Web page that may call from a browser, or *; may be repeated")
      .Option("--allowed-host", f.allowed_hosts,
              "Host name to answer to beside localhost, or *; may be repeated")
      .Option("--store-url", f.store_url,
              "Database of keys and usage: postgresql://... (default: a file in the data folder)")
      .Option("--access-log", f.access_log, "JSON lines to this file; - for stderr")
      .Option("--require-keys", f.require_keys,
              "auto: without keys take everyone on this machine, unless keys were made before and "
              "are lost; always: never without keys; never: even then")
      .Flag("--first-key", f.first_key, "Make an API key if there is none, and print it")
      .Flag("--insecure", f.insecure, "Allow a public address without keys or TLS")
      .Option("--sampling-defaults", f.sampling_defaults,
              "Where a request is silent: model, what its authors advise; api, the API's 1 and 1")
      .Flag("--strict-params", f.strict_params,
            "Refuse unknown request fields instead of listing them")
      .Flag("--no-prefix-cache", a.no_prefix_cache, "Compute every prompt anew")
      .Flag("--no-pin-threads", a.no_pin_threads, "Leave it to the system which CPU computes what")
      .Flag("--no-speculation", a.no_speculation, "One token per step and sequence")
      .Flag("--print-config", a.print_config, "Print the merged configuration and exit")
      .Footer(
          "Signals: SIGTERM or Ctrl-C drains and stops (a second one at once), SIGHUP re-reads the "
          "configuration, keys, certificates and models, SIGUSR1 opens the access log anew.")
      .Run([&command] { return Serve(a, command); });
}

}  // namespace infe::cli

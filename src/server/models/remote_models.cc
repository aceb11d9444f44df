#include "server/models/remote_models.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/file_descriptor.h"
#include "server/config/upstream_keys.h"
#include "upstream/remote_model.h"

namespace infe::server {
namespace {

constexpr size_t kKeyFileBytesMax = size_t{16} << 10;
// What one model may have under way elsewhere: a bound on our memory (a request is some tens of
// kilobytes), far above what servers take, who have queues of their own.
constexpr QueueGate::Limits kRemoteLimits = {.sequences = 65'536,
                                             .prompt_tokens = uint64_t{1} << 32};

std::chrono::milliseconds Milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

Result<std::string> ReadKey(const UpstreamConfig& config, std::vector<std::string>& told) {
  std::string path = config.key_file;
  if (!config.credential.empty()) {
    const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
    if (folder == nullptr || *folder == 0)
      return NotFound(fmt::format("upstream {}: there is no $CREDENTIALS_DIRECTORY to read {} from",
                                  config.name, config.credential));
    path = fmt::format("{}/{}", folder, config.credential);
  }
  if (path.empty()) return std::string();
  auto text = ReadSmallFile(path, kKeyFileBytesMax);
  if (!text)
    return NotFound(
        fmt::format("upstream {}: cannot read its key: {}", config.name, text.error().message));
  struct stat there{};
  if (stat(path.c_str(), &there) == 0 && (there.st_mode & S_IROTH) != 0)
    told.push_back(
        fmt::format("others may read {} (the key of upstream {}, mode {:04o}): chmod 600 "
                    "{}",
                    path, config.name, there.st_mode & 07777, path));
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r' || text->back() == ' '))
    text->pop_back();
  // It goes into a header: a line's end in it would be another header.
  const bool plain =
      std::all_of(text->begin(), text->end(), [](char c) { return c > 32 && c < 127; });
  if (text->empty() || !plain)
    return InvalidArgument(
        fmt::format("upstream {}: {} is not one line with a key", config.name, path));
  return *std::move(text);
}

}  // namespace

Result<RemoteModels::Known> RemoteModels::Open(const UpstreamConfig& config,
                                               std::vector<std::string>& told) const {
  INFE_ASSIGN(std::string key, ReadKey(config, told));
  {
    const std::lock_guard lock(mutex_);
    for (const Known& known : known_)
      if (known.config == config && known.key == key) return known;
  }
  upstream::UpstreamOptions options;
  options.name = config.name;
  options.url = config.url;
  while (options.url.ends_with('/')) options.url.pop_back();
  options.key = key;
  options.ca_file = config.ca_file;
  options.weight = config.weight;
  options.connect_timeout = Milliseconds(config.connect_timeout_s);
  options.first_token_timeout = Milliseconds(config.first_token_timeout_s);
  options.silence_timeout = Milliseconds(config.silence_timeout_s);
  options.tokens_field = config.tokens_field;
  options.extended = config.extended;
  options.tell = tell_;
  return Known{config, std::move(key), std::make_shared<upstream::Upstream>(std::move(options))};
}

Result<std::vector<std::shared_ptr<ServedModel>>> RemoteModels::Make(
    const ServerConfig& config, const ModelSet& present, std::vector<std::string>& told) {
  std::vector<Known> made;
  std::vector<std::string> names;
  std::map<std::string, std::vector<upstream::Route>> routes;
  for (const UpstreamConfig& upstream : config.upstreams) {
    INFE_ASSIGN(Known known, Open(upstream, told));
    for (const std::string& entry : upstream.models) {
      UpstreamName name = ToUpstreamName(entry);
      if (!routes.contains(name.ours)) names.push_back(name.ours);
      routes[name.ours].push_back({known.upstream, std::move(name.theirs)});
    }
    made.push_back(std::move(known));
  }
  if (!made.empty() && !client_) {
    INFE_ASSIGN(client_, upstream::HttpClient::Start());
  }
  std::vector<std::shared_ptr<ServedModel>> models;
  for (const std::string& name : names) {
    upstream::RemoteModelOptions options;
    options.name = name;
    options.balance = config.upstream_balance == UpstreamBalance::kPrefix
                          ? upstream::Balance::kPrefix
                          : upstream::Balance::kLeast;
    options.retries = config.upstream_retries;
    const auto before = present.Find(name);
    options.created = before ? before->backend().facts().created : std::time(nullptr);
    auto model = upstream::RemoteModel::Make(*client_, std::move(routes[name]), options);
    models.push_back(
        std::make_shared<ServedModel>(std::move(model), ServedModel::Origin{}, kRemoteLimits, 0));
  }
  made_ = std::move(made);
  return models;
}

void RemoteModels::Take() {
  const std::lock_guard lock(mutex_);
  known_ = std::move(made_);
}

std::vector<std::shared_ptr<upstream::Upstream>> RemoteModels::upstreams() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<upstream::Upstream>> list;
  for (const Known& known : known_) list.push_back(known.upstream);
  return list;
}

}  // namespace infe::server

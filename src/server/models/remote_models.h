// The models of other servers, made from the configuration's upstreams: several upstreams that name
// the same model are one model. Owns the HTTP client that all of them share.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "server/config/config.h"
#include "server/models/model_set.h"
#include "upstream/http_client.h"
#include "upstream/upstream.h"

namespace infe::server {

class RemoteModels {
 public:
  // tell: gets a line when an upstream stops answering and when it answers again, on any thread.
  explicit RemoteModels(std::function<void(const std::string&)> tell = {})
      : tell_(std::move(tell)) {}
  // Those of `config`, in the order in which it names them. An upstream that is what it was, its
  // key included, keeps what is known of it (Take). Reads the keys' files: NotFound and
  // kPermissionDenied name one. `told` gets lines for the operator.
  Result<std::vector<std::shared_ptr<ServedModel>>> Make(const ServerConfig& config,
                                                         const ModelSet& present,
                                                         std::vector<std::string>& told);
  // As of the last Take.
  std::vector<std::shared_ptr<upstream::Upstream>> upstreams() const;
  // What Make made is what is served: its upstreams are the ones to keep.
  void Take();

 private:
  struct Known {
    UpstreamConfig config;
    std::string key;
    std::shared_ptr<upstream::Upstream> upstream;
  };
  Result<Known> Open(const UpstreamConfig& config, std::vector<std::string>& told) const;

  const std::function<void(const std::string&)> tell_;
  std::unique_ptr<upstream::HttpClient> client_;  // from the first upstream on
  std::vector<Known> made_;
  mutable std::mutex mutex_;
  std::vector<Known> known_;  // guarded by mutex_
};

}  // namespace infe::server

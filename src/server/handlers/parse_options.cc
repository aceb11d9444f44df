#include "server/handlers/parse_options.h"

namespace infe::server {
namespace {

api::Images ToApi(Images images) {
  switch (images) {
    case Images::kRefuse:
      return api::Images::kRefuse;
    case Images::kPlaceholder:
      return api::Images::kPlaceholder;
  }
  return api::Images::kRefuse;
}

}  // namespace

api::ParseOptions ParseOptionsOf(const ServerConfig& config) {
  api::ParseOptions options;
  options.n_max = static_cast<int>(config.n_max);
  options.stop_max = config.stop_max;
  options.tools_max = config.tools_max;
  options.images = ToApi(config.images);
  options.strict_params = config.strict_params;
  options.json_word_check = config.json_word_check;
  return options;
}

}  // namespace infe::server

#include "api/openai/worker_info.h"

#include "api/json_text.h"

namespace infe::api {
namespace {

void WriteCounts(ObjectText& object, const WorkerLoad& load) {
  object.Integer("dp_rank", 0);
  object.Integer("num_reqs", static_cast<int64_t>(load.running + load.waiting));
  object.Integer("num_waiting_reqs", static_cast<int64_t>(load.waiting));
  object.Integer("num_tokens", static_cast<int64_t>(load.tokens));
}

}  // namespace

std::string WriteServerInfo(const WorkerInfo& info) {
  std::string out;
  ObjectText object(out);
  if (info.models.empty()) {
    object.Null("served_model_name");
  } else {
    object.String("served_model_name", info.models.front());
  }
  std::string& names = object.Key("served_model_names") += '[';
  for (size_t i = 0; i < info.models.size(); ++i) {
    if (i > 0) names += ',';
    AppendJsonString(names, info.models[i]);
  }
  names += ']';
  object.Integer("max_running_requests", info.running_max);
  object.Close();
  return out;
}

std::string WriteModelInfo(const WorkerModel& model) {
  std::string out;
  ObjectText object(out);
  object.String("served_model_name", model.name);
  object.String("model_type", model.architecture);
  object.Key("is_generation") += model.is_generation ? "true" : "false";
  object.Integer("max_model_len", model.context_max);
  object.Close();
  return out;
}

std::string WriteLoads(const WorkerLoad& load) {
  std::string out = "[";
  ObjectText object(out);
  WriteCounts(object, load);
  object.Close();
  out += ']';
  return out;
}

std::string WriteLoad(const WorkerLoad& load) {
  std::string out;
  ObjectText object(out);
  object.Integer("load", static_cast<int64_t>(load.running + load.waiting));
  WriteCounts(object, load);
  object.Close();
  return out;
}

std::string WriteServerLoad(const WorkerLoad& load) {
  std::string out;
  ObjectText object(out);
  object.Integer("server_load", static_cast<int64_t>(load.running + load.waiting));
  object.Close();
  return out;
}

}  // namespace infe::api

// What routers ask a worker beside requests: who it is and how much it has to do, in the words of
// SGLang's and vLLM's servers, which these routers were made for.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace infe::api {

struct WorkerInfo {
  std::span<const std::string> models = {};  // the first is what the worker is known as
  uint32_t running_max = 0;                  // sequences that decode together, of all models
};

// {"served_model_name":..,"served_model_names":[..],"max_running_requests":N}. Without a path: a
// router would load a tokenizer from it.
std::string WriteServerInfo(const WorkerInfo& info);

// {"served_model_name":..,"model_type":..,"is_generation":true,"max_model_len":N}
struct WorkerModel {
  std::string_view name = {};
  std::string_view architecture = {};
  bool is_generation = true;
  uint32_t context_max = 0;
};
std::string WriteModelInfo(const WorkerModel& model);

struct WorkerLoad {
  uint64_t running = 0, waiting = 0;  // sequences
  uint64_t tokens = 0;                // held by the running ones, and of prompts that wait
};

// /get_load, of which there are two: sglang-router adds up num_tokens over the elements of a list
// and takes anything else for a worker that cannot be asked; vllm-router reads load of an object,
// as SGLang once had it, and likewise takes a list for nothing.
// [{"dp_rank":0,"num_reqs":N,"num_waiting_reqs":N,"num_tokens":N}]
std::string WriteLoads(const WorkerLoad& load);
// {"load":N,"dp_rank":0,..}: sequences that run or wait, and the members above.
std::string WriteLoad(const WorkerLoad& load);
// /load of vLLM's server: {"server_load":N}
std::string WriteServerLoad(const WorkerLoad& load);

}  // namespace infe::api

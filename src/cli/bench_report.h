// What `infe bench` found out, and how it is told: numbers for a reader, or one JSON object whose
// plain members are medians and whose "spread" has the range of each.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "cli/bench_series.h"
#include "cli/bench_speculation.h"
#include "model/model_config.h"
#include "model/phase_times.h"

namespace infe::cli {

struct BenchOptions {
  std::string model = "infe-pulse", draft;
  std::string data_dir, packed_cache, kv_type = "f16", work = "prefill,decode,batched,depth";
  uint32_t threads = 0;
  uint32_t prefill = 512, decode = 64, streams = 8, stream_prompt = 64, depth = 2048, repeat = 3;
  bool sweep = false, phases = false, no_probes = false, json = false;
};

struct MixedSeries {
  Series prefill_tok_s, decode_tok_s, worst_gap_ms;
};

struct BenchReport {
  std::string isa;
  uint32_t threads = 0;
  double load_s = 0;
  uint64_t weight_bytes_per_token = 0;  // what a decode step reads of the weights
  Series prefill_tok_s, decode_tok_s, batched_tok_s, depth_tok_s, read_gb_s, matmul_gmac_s;
  std::map<uint32_t, Series> sweep_tok_s;           // by number of streams
  std::map<uint32_t, MixedSeries> mixed;            // by rows of a chunk
  uint32_t mixed_streams = 0, mixed_prompt = 0;     // of `mixed`
  std::map<std::string, model::PhaseTimes> phases;  // by piece of work; sums over all rounds
  std::map<std::pair<uint32_t, float>, EngineCost> engine;            // of BenchSpeculation
  std::map<std::pair<std::string, uint32_t>, DraftGain> speculation;  // of BenchSpeculation

  // How much of what memory could deliver in the same run one stream's decoding read.
  double RooflinePercent() const;
};

std::string ReportJson(const BenchOptions& options, const model::ModelConfig& config,
                       const BenchReport& report);
void PrintReport(const BenchOptions& options, const model::ModelConfig& config,
                 const BenchReport& report);

}  // namespace infe::cli

// What a model file must have, and what is said when it has not.
#include <functional>
#include <map>

#include <gtest/gtest.h>

#include "model/arch/registry.h"
#include "model/gguf_builder.h"
#include "model/model.h"
#include "model/model_test_support.h"
#include "model/plain_kv.h"

namespace infe::model {
namespace {

constexpr uint32_t kF32 = 0;

struct TensorSpec {
  uint32_t type = kF32;
  std::vector<uint64_t> shape;
};

// A one-layer model of 32 dimensions, all zeros, which tests then spoil.
struct Spec {
  std::string architecture = "llama";
  std::map<std::string, uint32_t> numbers;
  std::map<std::string, std::vector<uint32_t>> arrays;
  std::map<std::string, float> floats;
  std::map<std::string, std::string> texts;
  std::map<std::string, bool> flags;
  std::map<std::string, TensorSpec> tensors;
};

// Four experts of 64 dimensions, two of them used, in place of the dense part; qwen2moe has one
// that all rows share.
void AddExperts(Spec& spec) {
  const std::string p = spec.architecture + ".";
  spec.numbers[p + "expert_count"] = 4;
  spec.numbers[p + "expert_used_count"] = 2;
  spec.numbers[p + "expert_feed_forward_length"] = 64;
  for (const char* name : {"gate", "up", "down"}) {
    spec.tensors.erase("blk.0.ffn_" + std::string(name) + ".weight");
    const bool down = name == std::string("down");
    const std::vector<uint64_t> shape = {down ? 64u : 32u, down ? 32u : 64u};
    spec.tensors["blk.0.ffn_" + std::string(name) + "_exps.weight"] = {kF32,
                                                                       {shape[0], shape[1], 4}};
    if (spec.architecture != "qwen2moe") continue;
    spec.tensors["blk.0.ffn_" + std::string(name) + "_shexp.weight"] = {kF32, shape};
  }
  spec.tensors["blk.0.ffn_gate_inp.weight"] = {kF32, {32, 4}};
  if (spec.architecture == "qwen2moe") {
    spec.tensors["blk.0.ffn_gate_inp_shexp.weight"] = {kF32, {32}};
  }
}

void Rename(Spec& spec, const std::string& from, const std::string& to) {
  const auto node = spec.tensors.extract(from);
  spec.tensors[to] = node.mapped();
}

// Biases on everything, and a sink for each head.
void MakeGptOss(Spec& spec) {
  spec.numbers["gpt-oss.attention.sliding_window"] = 16;
  AddExperts(spec);
  Rename(spec, "blk.0.ffn_norm.weight", "blk.0.post_attention_norm.weight");
  for (const auto& [name, width] : {std::pair{"q", 32u}, {"k", 16u}, {"v", 16u}, {"output", 32u}}) {
    spec.tensors["blk.0.attn_" + std::string(name) + ".bias"] = {kF32, {width}};
  }
  spec.tensors["blk.0.attn_sinks.weight"] = {kF32, {2}};
  spec.tensors["blk.0.ffn_gate_inp.bias"] = {kF32, {4}};
  spec.tensors["blk.0.ffn_gate_exps.bias"] = {kF32, {64, 4}};
  spec.tensors["blk.0.ffn_up_exps.bias"] = {kF32, {64, 4}};
  spec.tensors["blk.0.ffn_down_exps.bias"] = {kF32, {32, 4}};
}

// A gated delta net of two heads with one key head.
void MakeDeltaNet(Spec& spec) {
  const std::string p = spec.architecture + ".";
  for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"}) {
    spec.tensors.erase("blk.0." + std::string(name) + ".weight");
  }
  Rename(spec, "blk.0.ffn_norm.weight", "blk.0.post_attention_norm.weight");
  if (spec.architecture != "qwen35") AddExperts(spec);
  spec.numbers[p + "ssm.conv_kernel"] = 4;
  spec.numbers[p + "ssm.state_size"] = 16;
  spec.numbers[p + "ssm.group_count"] = 1;
  spec.numbers[p + "ssm.time_step_rank"] = 2;
  spec.numbers[p + "ssm.inner_size"] = 32;
  spec.tensors["blk.0.attn_qkv.weight"] = {kF32, {32, 64}};
  spec.tensors["blk.0.attn_gate.weight"] = {kF32, {32, 32}};
  spec.tensors["blk.0.ssm_beta.weight"] = {kF32, {32, 2}};
  spec.tensors["blk.0.ssm_alpha.weight"] = {kF32, {32, 2}};
  spec.tensors["blk.0.ssm_conv1d.weight"] = {kF32, {4, 64}};
  spec.tensors["blk.0.ssm_a"] = {kF32, {2}};
  spec.tensors["blk.0.ssm_dt.bias"] = {kF32, {2}};
  spec.tensors["blk.0.ssm_norm.weight"] = {kF32, {16}};
  spec.tensors["blk.0.ssm_out.weight"] = {kF32, {32, 32}};
}

void AddHeadNorms(Spec& spec) {
  spec.tensors["blk.0.attn_q_norm.weight"] = {kF32, {16}};
  spec.tensors["blk.0.attn_k_norm.weight"] = {kF32, {16}};
}

// As the keys of later families say it: of 32 dimensions, two heads and one group.
void AddMamba2(Spec& spec, const std::string& layer) {
  spec.tensors[layer + "ssm_in.weight"] = {kF32, {32, 98}};
  spec.tensors[layer + "ssm_conv1d.weight"] = {kF32, {4, 64}};
  spec.tensors[layer + "ssm_dt.bias"] = {kF32, {2}};
  spec.tensors[layer + "ssm_a"] = {kF32, {1, 2}};
  spec.tensors[layer + "ssm_d"] = {kF32, {1, 2}};
  spec.tensors[layer + "ssm_out.weight"] = {kF32, {32, 32}};
}

// Mamba 2, attention, and a feed-forward part or experts.
void MakeNemotronH(Spec& spec) {
  const std::string p = spec.architecture + ".";
  spec.numbers[p + "block_count"] = 3;
  spec.numbers.erase(p + "attention.head_count_kv");
  spec.numbers.erase(p + "feed_forward_length");
  spec.arrays[p + "attention.head_count_kv"] = {0, 1, 0};
  spec.arrays[p + "feed_forward_length"] = {0, 0, 64};
  if (spec.architecture == "nemotron_h_moe") AddExperts(spec);
  for (const char* gate : {"ffn_gate", "ffn_gate_exps", "ffn_norm"}) {
    spec.tensors.erase("blk.0." + std::string(gate) + ".weight");
  }
  std::map<std::string, TensorSpec> tensors;
  for (const auto& [name, tensor] : spec.tensors) {
    std::string to = name;
    if (name.starts_with("blk.0.attn_")) to[4] = '1';
    if (name.starts_with("blk.0.ffn_")) to[4] = '2';
    tensors[to] = tensor;
  }
  spec.tensors = tensors;
  for (const char* layer : {"0", "1", "2"}) {
    spec.tensors["blk." + std::string(layer) + ".attn_norm.weight"] = {kF32, {32}};
  }
  AddMamba2(spec, "blk.0.");
}

// The families that came later: false for the others.
bool MakeLaterFamily(Spec& spec) {
  const std::string& family = spec.architecture;
  const std::string p = family + ".";
  if (family == "gpt-oss") {
    MakeGptOss(spec);
  } else if (family == "qwen35" || family == "qwen35moe" || family == "qwen3next") {
    MakeDeltaNet(spec);
  } else if (family == "lfm2" || family == "lfm2moe") {
    spec.numbers[p + "shortconv.l_cache"] = 3;
    Rename(spec, "output_norm.weight", "token_embd_norm.weight");
    AddHeadNorms(spec);
    if (family == "lfm2moe") AddExperts(spec);
  } else if (family == "granitehybrid" || family == "falcon-h1" || family.starts_with("nemotron")) {
    for (const auto& [key, value] : {std::pair{"conv_kernel", 4u},
                                     {"state_size", 16u},
                                     {"group_count", 1u},
                                     {"time_step_rank", 2u},
                                     {"inner_size", 32u}}) {
      spec.numbers[p + "ssm." + key] = value;
    }
    if (family == "falcon-h1") AddMamba2(spec, "blk.0.");
    if (family.starts_with("nemotron")) MakeNemotronH(spec);
  } else if (family == "olmo2") {
    spec.tensors.erase("blk.0.attn_norm.weight");
    spec.tensors.erase("blk.0.ffn_norm.weight");
    AddHeadNorms(spec);
    spec.tensors["blk.0.attn_q_norm.weight"] = {kF32, {32}};
  } else if (family == "gemma2" || family == "gemma4") {
    spec.numbers[p + "attention.sliding_window"] = 16;
    if (family == "gemma4") {
      AddHeadNorms(spec);
      spec.tensors.erase("blk.0.attn_v.weight");  // keys are values then
    }
  } else {
    return false;
  }
  if (family == "olmo2" || family == "gemma2" || family == "gemma4") {
    spec.tensors["blk.0.post_attention_norm.weight"] = {kF32, {32}};
    spec.tensors["blk.0.post_ffw_norm.weight"] = {kF32, {32}};
  }
  return true;
}

// Norms behind the two parts; no head.
void MakeNomicBert(Spec& spec) {
  const std::string p = spec.architecture + ".";
  spec.numbers.erase(p + "attention.head_count_kv");
  spec.numbers[p + "pooling_type"] = 1;
  spec.numbers["tokenizer.ggml.token_type_count"] = 2;
  spec.floats = {{p + "attention.layer_norm_epsilon", 1e-12F}};
  for (const char* name : {"output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"})
    spec.tensors.erase(std::string(name) + ".weight");
  for (const char* name :
       {"token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm"}) {
    spec.tensors[std::string(name) + ".weight"] = {kF32, {32}};
    spec.tensors[std::string(name) + ".bias"] = {kF32, {32}};
  }
  for (const char* name : {"attn_k", "attn_v"})
    spec.tensors["blk.0." + std::string(name) + ".weight"] = {kF32, {32, 32}};
  spec.tensors["token_types.weight"] = {kF32, {32, 2}};
}

// Biases everywhere, no gate, learnt positions.
void MakeBert(Spec& spec) {
  MakeNomicBert(spec);
  spec.tensors.erase("blk.0.ffn_gate.weight");
  for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_down"})
    spec.tensors["blk.0." + std::string(name) + ".bias"] = {kF32, {32}};
  spec.tensors["blk.0.ffn_up.bias"] = {kF32, {64}};
  spec.tensors["position_embd.weight"] = {kF32, {32, 64}};
}

// Scores pairs: the encoder, a layer behind its first row, and one label.
void MakeRanker(Spec& spec) {
  spec.numbers["bert.pooling_type"] = 4;
  spec.tensors["cls.weight"] = {kF32, {32, 32}};
  spec.tensors["cls.bias"] = {kF32, {32}};
  spec.tensors["cls.output.weight"] = {kF32, {32, 1}};
  spec.tensors["cls.output.bias"] = {kF32, {1}};
}

// Gemma 3 with two matrices behind its mean.
void MakeGemmaEmbedding(Spec& spec) {
  spec.numbers["gemma-embedding.pooling_type"] = 1;
  spec.tensors["dense_2.weight"] = {kF32, {32, 96}};
  spec.tensors["dense_3.weight"] = {kF32, {96, 32}};
}

Spec ValidSpec(const std::string& architecture) {
  Spec spec;
  spec.architecture = architecture;
  const std::string p = architecture + ".";
  spec.numbers = {{p + "block_count", 1},          {p + "context_length", 64},
                  {p + "embedding_length", 32},    {p + "feed_forward_length", 64},
                  {p + "attention.head_count", 2}, {p + "attention.head_count_kv", 1}};
  spec.floats = {{p + "attention.layer_norm_rms_epsilon", 1e-5F}};
  spec.tensors = {
      {"token_embd.weight", {kF32, {32, 40}}},        {"output_norm.weight", {kF32, {32}}},
      {"blk.0.attn_norm.weight", {kF32, {32}}},       {"blk.0.attn_q.weight", {kF32, {32, 32}}},
      {"blk.0.attn_k.weight", {kF32, {32, 16}}},      {"blk.0.attn_v.weight", {kF32, {32, 16}}},
      {"blk.0.attn_output.weight", {kF32, {32, 32}}}, {"blk.0.ffn_norm.weight", {kF32, {32}}},
      {"blk.0.ffn_gate.weight", {kF32, {32, 64}}},    {"blk.0.ffn_up.weight", {kF32, {32, 64}}},
      {"blk.0.ffn_down.weight", {kF32, {64, 32}}}};
  if (MakeLaterFamily(spec)) return spec;
  if (architecture == "qwen2" || architecture == "qwen2moe") {
    spec.tensors["blk.0.attn_q.bias"] = {kF32, {32}};
    spec.tensors["blk.0.attn_k.bias"] = {kF32, {16}};
    spec.tensors["blk.0.attn_v.bias"] = {kF32, {16}};
  }
  if (architecture == "qwen3" || architecture == "qwen3moe" || architecture == "exaone4" ||
      architecture.starts_with("gemma")) {
    spec.tensors["blk.0.attn_q_norm.weight"] = {kF32, {16}};
    spec.tensors["blk.0.attn_k_norm.weight"] = {kF32, {16}};
  }
  if (architecture.starts_with("gemma")) {
    spec.numbers[architecture + ".attention.sliding_window"] = 16;
  }
  if (architecture == "exaone4") {
    spec.tensors.erase("blk.0.attn_norm.weight");
    spec.tensors.erase("blk.0.ffn_norm.weight");
  }
  if (architecture.starts_with("gemma") || architecture == "exaone4") {
    spec.tensors["blk.0.post_attention_norm.weight"] = {kF32, {32}};
    spec.tensors["blk.0.post_ffw_norm.weight"] = {kF32, {32}};
  }
  if (architecture == "phi3") {
    for (const char* name : {"attn_q", "attn_k", "attn_v", "ffn_gate"}) {
      spec.tensors.erase("blk.0." + std::string(name) + ".weight");
    }
    spec.tensors["blk.0.attn_qkv.weight"] = {kF32, {32, 64}};
    spec.tensors["blk.0.ffn_up.weight"] = {kF32, {32, 128}};
  }
  if (architecture.ends_with("moe")) AddExperts(spec);
  if (architecture == "bert") MakeBert(spec);
  if (architecture == "nomic-bert") MakeNomicBert(spec);
  if (architecture == "gemma-embedding") MakeGemmaEmbedding(spec);
  return spec;
}

std::string Build(const Spec& spec) {
  GgufBuilder builder;
  builder.String("general.architecture", spec.architecture);
  for (const auto& [key, value] : spec.numbers) builder.Unsigned(key, value);
  for (const auto& [key, value] : spec.arrays) {
    std::string array = GgufBuilder::Number(static_cast<uint32_t>(GgufValueType::kUint32)) +
                        GgufBuilder::Number(static_cast<uint64_t>(value.size()));
    for (const uint32_t number : value) array += GgufBuilder::Number(number);
    builder.Entry(key, GgufValueType::kArray, array);
  }
  for (const auto& [key, value] : spec.floats) builder.Float(key, value);
  for (const auto& [key, value] : spec.texts) builder.String(key, value);
  for (const auto& [key, value] : spec.flags)
    builder.Entry(key, GgufValueType::kBool, std::string(1, static_cast<char>(value)));
  for (const auto& [name, tensor] : spec.tensors) {
    uint64_t bytes = tensor.type == kF32 ? 4 : 1;  // other types here are bytes
    for (uint64_t size : tensor.shape) bytes *= size;
    builder.Tensor(name, tensor.type, tensor.shape, std::string(bytes, '\0'));
  }
  return builder.Bytes();
}

// Empty if the model loads and a step runs, else the error's message.
std::string LoadError(const Spec& spec) {
  const std::string bytes = Build(spec);
  auto file = GgufFile::Parse(AsBytes(bytes));
  if (!file) return file.error().message;
  ThreadPool pool(1);
  auto model = Model::Load(*file, pool, TestKernels(), {});
  if (!model) {
    EXPECT_NE(model.error().code, ErrorCode::kInternal);
    return model.error().message;
  }
  PlainKv kv((*model)->kv_groups(), 1, 32);
  const TokenId token = 39;
  BatchItem item;
  item.tokens = {&token, 1};
  kv.Fill(item, 0);
  item.logits_rows = 1;
  for (const Output output : {Output::kHidden, Output::kPooled})
    if ((*model)->Gives(output)) item.output = output;
  (*model)->Forward({.items = {&item, 1}}, kv.view());
  return "";
}

void ExpectError(const std::function<void(Spec&)>& spoil, const std::string& part,
                 const std::string& architecture = "llama") {
  Spec spec = ValidSpec(architecture);
  spoil(spec);
  const std::string message = LoadError(spec);
  EXPECT_NE(message.find(part), std::string::npos) << "\"" << message << "\" lacks " << part;
}

TEST(Load, EveryArchitectureLoads) {
  for (const Architecture& architecture : AllArchitectures()) {
    EXPECT_EQ(LoadError(ValidSpec(std::string(architecture.name))), "") << architecture.name;
  }
}

TEST(Load, EveryMissingTensorIsNamed) {
  for (const Architecture& architecture : AllArchitectures()) {
    const std::string family(architecture.name);
    for (const auto& [name, tensor] : ValidSpec(family).tensors) {
      // A missing bias or norm of layer 0 tells the families apart only where the family demands
      // it.
      ExpectError([&](Spec& spec) { spec.tensors.erase(name); }, name, family);
    }
  }
}

TEST(Load, EveryMisshapenTensorIsNamed) {
  for (const auto& [name, tensor] : ValidSpec("gemma3").tensors) {
    for (size_t dimension = 0; dimension < tensor.shape.size(); ++dimension) {
      // More rows of the embedding are a larger vocabulary, and that is all.
      if (name == "token_embd.weight" && dimension == 1) continue;
      ExpectError([&](Spec& spec) { spec.tensors[name].shape[dimension] += 32; }, name, "gemma3");
    }
  }
}

TEST(Load, HeadAndEmbeddingMustAgree) {
  ExpectError([](Spec& s) { s.tensors["output.weight"] = {kF32, {32, 41}}; }, "output.weight");
  Spec untied = ValidSpec("llama");
  untied.tensors["output.weight"] = {kF32, {32, 40}};
  EXPECT_EQ(LoadError(untied), "");
}

TEST(Load, UnknownTensorsAndTypesAreRefused) {
  ExpectError([](Spec& s) { s.tensors["blk.0.attn_sinks.weight"] = {kF32, {2}}; },
              "blk.0.attn_sinks.weight");
  ExpectError([](Spec& s) { s.tensors["blk.1.attn_norm.weight"] = {kF32, {32}}; },
              "blk.1.attn_norm.weight");
  ExpectError([](Spec& s) { s.tensors["blk.0.ffn_up.weight"].type = 24; }, "I8");
  ExpectError([](Spec& s) { s.tensors["blk.0.ffn_norm.weight"].type = 24; }, "I8");
  ExpectError([](Spec& s) { s.tensors["token_embd.weight"].type = 24; }, "I8");
}

TEST(Load, MetadataThatCannotBeIsRefused) {
  ExpectError([](Spec& s) { s.architecture = "mamba"; }, "llama, qwen2, qwen3, gemma3");
  for (const auto& [key, value] : ValidSpec("llama").numbers) {
    ExpectError([&](Spec& s) { s.numbers[key] = 0; }, key);
    ExpectError([&](Spec& s) { s.numbers[key] = 0xFFFFFFFF; }, key);
    if (!key.ends_with("head_count_kv")) ExpectError([&](Spec& s) { s.numbers.erase(key); }, key);
  }
  ExpectError([](Spec& s) { s.floats.clear(); }, "layer_norm_rms_epsilon");
  ExpectError([](Spec& s) { s.floats["llama.attention.layer_norm_rms_epsilon"] = -1; }, "epsilon");
  ExpectError([](Spec& s) { s.floats["llama.rope.freq_base"] = 0; }, "freq_base");
  ExpectError([](Spec& s) { s.numbers["llama.attention.head_count"] = 3; }, "");
  ExpectError([](Spec& s) { s.numbers["llama.attention.key_length"] = 15; }, "");
  ExpectError([](Spec& s) { s.numbers["llama.attention.value_length"] = 8; }, "different lengths");
  ExpectError([](Spec& s) { s.numbers["llama.rope.dimension_count"] = 8; }, "8 of 16");
  ExpectError([](Spec& s) { s.numbers["llama.expert_count"] = 8; }, "experts");
  ExpectError([](Spec& s) { s.texts["llama.rope.scaling.type"] = "yarn"; }, "yarn");
  ExpectError([](Spec& s) { s.numbers["gemma3.attention.sliding_window"] = 0; }, "sliding_window",
              "gemma3");
  ExpectError([](Spec& s) { s.tensors["rope_freqs.weight"] = {kF32, {8}}; }, "not positive");
  ExpectError([](Spec& s) { s.tensors["rope_freqs.weight"] = {kF32, {7}}; }, "rope_freqs.weight");
}

TEST(Load, PoolingMakesAModelOfEmbeddings) {
  const auto pooled = [](const char* family, uint32_t kind) {
    Spec spec = ValidSpec(family);
    spec.numbers[std::string(family) + ".pooling_type"] = kind;
    return LoadError(spec);
  };
  for (const uint32_t kind : {1u, 2u, 3u}) {
    EXPECT_EQ(pooled("qwen3", kind), "");
    EXPECT_EQ(pooled("bert", kind), "");
  }
  EXPECT_NE(pooled("qwen3", 4).find("pooling_type is 4"), std::string::npos);
  EXPECT_NE(pooled("bert", 0).find("without pooling"), std::string::npos);
  EXPECT_NE(pooled("gemma-embedding", 0).find("without pooling"), std::string::npos);
  EXPECT_EQ(pooled("nomic-bert", 2), "");
  ExpectError([](Spec& s) { s.floats["bert.attention.layer_norm_epsilon"] = 2; }, "epsilon",
              "bert");
  ExpectError([](Spec& s) { s.numbers["tokenizer.ggml.token_type_count"] = 1 << 20; },
              "token_type_count", "bert");
}

TEST(Load, AnEncoderOfPairsNeedsOneLabel) {
  Spec ranker = ValidSpec("bert");
  MakeRanker(ranker);
  EXPECT_EQ(LoadError(ranker), "");
  // What the training put between is not everywhere, nor are the biases.
  for (const char* name : {"cls.output.bias", "cls.bias", "cls.weight"}) {
    ranker.tensors.erase(name);
    EXPECT_EQ(LoadError(ranker), "") << name;
  }
  const auto spoilt = [](const std::function<void(Spec&)>& spoil, const char* part) {
    ExpectError(
        [&](Spec& spec) {
          MakeRanker(spec);
          spoil(spec);
        },
        part, "bert");
  };
  spoilt([](Spec& s) { s.tensors.erase("cls.output.weight"); }, "cls.output.weight");
  spoilt([](Spec& s) { s.tensors["cls.output.weight"].shape[1] = 3; }, "3 labels");
  spoilt([](Spec& s) { s.tensors["cls.output.weight"].shape[0] = 64; }, "cls.output.weight");
  spoilt([](Spec& s) { s.tensors["cls.weight"].shape[1] = 64; }, "cls.weight");
  // Without the key that says so, the head is a tensor that nobody knows.
  spoilt([](Spec& s) { s.numbers["bert.pooling_type"] = 1; }, "cls.");
}

TEST(Load, EncodersThatSeeOneSideAreRefused) {
  for (const char* family : {"bert", "nomic-bert", "gemma-embedding"}) {
    ExpectError([&](Spec& s) { s.flags[std::string(family) + ".attention.causal"] = true; },
                "attention.causal", family);
  }
}

TEST(Load, ExpertsThatAreNotUnderstoodAreRefused) {
  const auto refused = [](const char* key, uint32_t value, const char* part) {
    ExpectError([&](Spec& s) { s.numbers[std::string("qwen3moe.") + key] = value; }, part,
                "qwen3moe");
  };
  refused("expert_gating_func", 4, "expert_gating_func");
  refused("expert_group_count", 2, "groups");
  refused("expert_used_count", 5, "expert_used_count");
  refused("expert_used_count", 0, "expert_used_count");
  refused("expert_feed_forward_length", 48, "multiples of 32");
  refused("expert_count", 8, "ffn_gate_inp");
  refused("nextn_predict_layers", 1, "further tokens");
  // As many numbers, but other planes.
  ExpectError([](Spec& s) { s.tensors["blk.0.ffn_up_exps.weight"].shape = {32, 128, 2}; },
              "blk.0.ffn_up_exps.weight", "qwen3moe");
  ExpectError([](Spec& s) { s.tensors["blk.0.ffn_gate_exps.bias"] = {kF32, {64, 4}}; },
              "ffn_gate_exps.bias", "qwen3moe");
}

// What a family's keys say that is not computed, or cannot be.
TEST(Load, ShapesThatDoNotFitAreRefused) {
  const auto refused = [](const char* family, const char* key, uint32_t value, const char* part) {
    ExpectError([&](Spec& s) { s.numbers[std::string(family) + "." + key] = value; }, part, family);
  };
  refused("qwen35", "ssm.inner_size", 64, "ssm.*");
  refused("qwen35", "ssm.group_count", 0, "ssm.*");
  refused("qwen35", "ssm.conv_kernel", 9, "ssm.conv_kernel");
  refused("qwen35", "ssm.state_size", 0, "ssm.*");
  refused("qwen35", "full_attention_interval", 0, "full_attention_interval");
  refused("qwen35", "nextn_predict_layers", 1, "every layer");
  refused("granitehybrid", "ssm.time_step_rank", 3, "ssm.*");
  refused("falcon-h1", "ssm.state_size", 0, "ssm.*");
  refused("falcon-h1", "ssm.group_count", 3, "ssm.*");
  refused("nemotron_h", "ssm.conv_kernel", 9, "ssm.conv_kernel");
  refused("nemotron_h_moe", "moe_latent_size", 16, "moe_latent_size");
  refused("nemotron_h_moe", "expert_group_count", 2, "groups");
  refused("lfm2", "shortconv.l_cache", 1, "shortconv.l_cache");
  refused("lfm2", "shortconv.l_cache", 9, "shortconv.l_cache");
  refused("gemma4", "attention.shared_kv_layers", 1, "shared_kv_layers");
  refused("gemma4", "attention.key_length_swa", 8, "different lengths");
  refused("gemma4", "embedding_length_per_layer_input", 16, "multiples of 32");
  refused("gpt-oss", "expert_count", 0, "expert_count");
  refused("gpt-oss", "attention.sliding_window", 0, "sliding_window");
  for (const char* cap : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    ExpectError([&](Spec& s) { s.floats[std::string("gemma2.") + cap] = -1; }, cap, "gemma2");
  }
}

TEST(Load, LayersOfOneThingNeedOneThatMixes) {
  ExpectError(
      [](Spec& s) {
        s.arrays["nemotron_h.attention.head_count_kv"] = {0, 1, 0};
        s.arrays["nemotron_h.feed_forward_length"] = {64, 64, 64};
      },
      "see each other", "nemotron_h");
  ExpectError([](Spec& s) { s.arrays["nemotron_h.feed_forward_length"] = {0, 64}; },
              "feed_forward_length", "nemotron_h");
  // A layer is what its sizes say: the tensors of another thing are missing then.
  ExpectError([](Spec& s) { s.arrays["nemotron_h.attention.head_count_kv"] = {1, 0, 0}; },
              "blk.0.attn_k.weight", "nemotron_h");
  ExpectError([](Spec& s) { s.tensors["blk.2.ffn_gate.weight"] = {kF32, {32, 64}}; },
              "blk.2.ffn_gate.weight", "nemotron_h");
}

// Layers that predict further tokens, and encoders beside the model, are known and not read.
TEST(Load, WhatIsNotReadMayBeThere) {
  Spec predictor = ValidSpec("qwen35");
  predictor.numbers["qwen35.block_count"] = 2;
  predictor.numbers["qwen35.nextn_predict_layers"] = 1;
  predictor.tensors["blk.1.nextn.eh_proj.weight"] = {kF32, {64, 32}};
  EXPECT_EQ(LoadError(predictor), "");
  Spec encoder = ValidSpec("gemma4");
  encoder.tensors["v.patch_embd.weight"] = {kF32, {32, 7}};
  encoder.tensors["mm.input_projection.weight"] = {kF32, {32, 7}};
  EXPECT_EQ(LoadError(encoder), "");
}

TEST(Load, FusedExpertsAreTwoInOne) {
  Spec spec = ValidSpec("qwen3moe");
  spec.tensors.erase("blk.0.ffn_gate_exps.weight");
  spec.tensors.erase("blk.0.ffn_up_exps.weight");
  spec.tensors["blk.0.ffn_gate_up_exps.weight"] = {kF32, {32, 128, 4}};
  EXPECT_EQ(LoadError(spec), "");
}

TEST(Load, FactorsAndScalingsThatCannotBeAreRefused) {
  for (const char* key : {"embedding_scale", "residual_scale", "logit_scale", "attention.scale"}) {
    const std::string name = std::string("granite.") + key;
    for (const float value : {0.0F, -1.0F, 1e7F}) {
      ExpectError([&](Spec& s) { s.floats[name] = value; }, name, "granite");
    }
  }
  ExpectError([](Spec& s) { s.floats["mistral3.attention.temperature_scale"] = 0.1F; },
              "original_context_length", "mistral3");
  const auto yarn = [](Spec& s) {
    s.texts["mistral3.rope.scaling.type"] = "yarn";
    s.floats["mistral3.rope.scaling.factor"] = 4;
  };
  ExpectError(yarn, "original_context_length", "mistral3");
  ExpectError(
      [&](Spec& s) {
        yarn(s);
        s.numbers["mistral3.rope.scaling.original_context_length"] = 32;
        s.floats["mistral3.rope.scaling.yarn_beta_slow"] = 0;
      },
      "YaRN", "mistral3");
  ExpectError([](Spec& s) { s.texts["granite.rope.scaling.type"] = "yarn"; }, "yarn", "granite");
  ExpectError([](Spec& s) { s.numbers["phi3.rope.dimension_count"] = 7; }, "7 of 16", "phi3");
  ExpectError(
      [](Spec& s) {
        s.texts["phi3.rope.scaling.type"] = "longrope";
        s.numbers["phi3.rope.scaling.original_context_length"] = 32;
      },
      "rope_factors_long.weight", "phi3");
}

TEST(Load, LinearScalingAppliesToGlobalLayersOnly) {
  Spec spec = ValidSpec("gemma3");
  spec.numbers["gemma3.attention.sliding_window_pattern"] = 1;
  spec.texts["gemma3.rope.scaling.type"] = "linear";
  spec.floats["gemma3.rope.scaling.factor"] = 8;
  for (const uint32_t pattern : {1u, 2u}) {
    spec.numbers["gemma3.attention.sliding_window_pattern"] = pattern;
    const std::string bytes = Build(spec);
    auto file = GgufFile::Parse(AsBytes(bytes));
    ASSERT_TRUE(file);
    const auto config = ReadModelConfig(*file);
    ASSERT_TRUE(config) << config.error().message;
    const auto& attention = std::get<AttentionConfig>(config->layers[0].mixer);
    EXPECT_EQ(attention.rope.scale, pattern == 1 ? 8 : 1);
    EXPECT_EQ(attention.window, pattern == 1 ? 0u : 16u);
  }
}

}  // namespace
}  // namespace infe::model

#include "store/bert_checkpoint.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/file_descriptor.h"
#include "base/json.h"

namespace infe::store {
namespace {

// A header of safetensors has some hundred bytes a tensor; a vocabulary some hundred thousand
// lines.
constexpr uint64_t kHeaderBytesMax = uint64_t{16} << 20;
constexpr size_t kTextBytesMax = size_t{16} << 20;
constexpr size_t kAlignment = 32;
constexpr size_t kCopyPiece = size_t{1} << 20;
constexpr uint64_t kSizeMax = uint64_t{1} << 31;  // of one dimension: products of two fit 64 bits

// ---- GGUF, as its specification has it.

constexpr uint32_t kUint32 = 4, kInt32 = 5, kFloat32 = 6, kBool = 7, kString = 8, kArray = 9;
constexpr int32_t kNormal = 1, kUnknown = 2, kControl = 3, kUnused = 5;

template <typename T>
void Append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void AppendText(std::string& out, std::string_view text) {
  Append<uint64_t>(out, text.size());
  out += text;
}

class Entries {
 public:
  template <typename T>
  void Add(std::string_view key, uint32_t type, T value) {
    Begin(key, type);
    Append(bytes_, value);
  }
  void Add(std::string_view key, std::string_view text) {
    Begin(key, kString);
    AppendText(bytes_, text);
  }
  // The values follow.
  void AddArray(std::string_view key, uint32_t type, size_t count) {
    Begin(key, kArray);
    Append(bytes_, type);
    Append<uint64_t>(bytes_, count);
  }
  std::string& bytes() { return bytes_; }
  uint64_t count() const { return count_; }

 private:
  void Begin(std::string_view key, uint32_t type) {
    ++count_;
    AppendText(bytes_, key);
    Append(bytes_, type);
  }
  std::string bytes_;
  uint64_t count_ = 0;
};

// ---- The checkpoint.

struct Tensor {
  std::string name;             // in the GGUF file
  std::vector<uint64_t> shape;  // rows first
  uint64_t offset = 0;          // in the checkpoint's file
  uint64_t bytes = 0;
};

struct Renamed {
  std::string_view from, to;
};
constexpr std::array kOfModel = {Renamed{"embeddings.word_embeddings.", "token_embd."},
                                 Renamed{"embeddings.position_embeddings.", "position_embd."},
                                 Renamed{"embeddings.token_type_embeddings.", "token_types."},
                                 Renamed{"embeddings.LayerNorm.", "token_embd_norm."}};
constexpr std::array kOfLayer = {
    Renamed{"attention.self.query.", "attn_q."},
    Renamed{"attention.self.key.", "attn_k."},
    Renamed{"attention.self.value.", "attn_v."},
    Renamed{"attention.output.dense.", "attn_output."},
    Renamed{"attention.output.LayerNorm.", "attn_output_norm."},
    Renamed{"intermediate.dense.", "ffn_up."},
    Renamed{"output.dense.", "ffn_down."},
    Renamed{"output.LayerNorm.", "layer_output_norm."},
};

std::optional<std::string> Rename(std::string_view name, std::span<const Renamed> table) {
  for (const auto& [from, to] : table) {
    if (!name.starts_with(from)) continue;
    const std::string_view rest = name.substr(from.size());
    if (rest == "weight" || rest == "bias") return fmt::format("{}{}", to, rest);
  }
  return std::nullopt;
}

// Its name in the GGUF file; nothing for what embeddings do without.
std::optional<std::string> NameOf(std::string_view name) {
  constexpr std::string_view kLayer = "encoder.layer.";
  if (name.starts_with("bert.")) name.remove_prefix(5);
  if (!name.starts_with(kLayer)) return Rename(name, kOfModel);
  name.remove_prefix(kLayer.size());
  const size_t dot = name.find('.');
  if (dot == 0 || dot > 3 || name.find_first_not_of("0123456789") != dot) return std::nullopt;
  const auto rest = Rename(name.substr(dot + 1), kOfLayer);
  if (!rest) return std::nullopt;
  return fmt::format("blk.{}.{}", name.substr(0, dot), *rest);
}

std::optional<std::vector<uint64_t>> Sizes(const Json* list, size_t most) {
  if (list == nullptr || !list->is_array() || list->array().size() > most) return std::nullopt;
  std::vector<uint64_t> sizes;
  for (const Json& item : list->array()) {
    const auto size = item.is_number() ? item.as_int64() : std::nullopt;
    if (!size || *size < 0) return std::nullopt;
    sizes.push_back(static_cast<uint64_t>(*size));
  }
  return sizes;
}

// A tensor of the list, of which the file holds `data_bytes` from `data` on.
Result<Tensor> ReadTensor(const std::string& name, const Json& entry, uint64_t data,
                          uint64_t data_bytes) {
  const Json* type = entry.find("dtype");
  const auto shape = Sizes(entry.find("shape"), 2);
  const auto range = Sizes(entry.find("data_offsets"), 2);
  if (type == nullptr || !type->is_string() || type->as_string() != "F32")
    return Unsupported(fmt::format("tensor {} is not of type F32", name));
  if (!shape || shape->empty() || !range || range->size() != 2)
    return Corrupt(fmt::format("tensor {} has no shape or place", name));
  uint64_t bytes = sizeof(float);
  for (const uint64_t size : *shape) {
    if (size == 0 || size > kSizeMax || bytes > data_bytes / size)
      return Corrupt(fmt::format("tensor {} is larger than its file", name));
    bytes *= size;
  }
  const auto [begin, end] = std::pair((*range)[0], (*range)[1]);
  if (begin > end || end > data_bytes || end - begin != bytes)
    return Corrupt(fmt::format("tensor {} does not lie within its file", name));
  return Tensor{name, *shape, data + begin, bytes};
}

Result<std::vector<Tensor>> ReadTensors(const FileDescriptor& file, const std::string& path,
                                        uint64_t file_bytes) {
  uint64_t header_bytes = 0;
  if (file_bytes < 8 || !ReadAt(file, std::as_writable_bytes(std::span(&header_bytes, 1)), 0) ||
      header_bytes > std::min(kHeaderBytesMax, file_bytes - 8))
    return Corrupt(fmt::format("{} is no safetensors file", path));
  std::string text(header_bytes, '\0');
  if (!ReadAt(file, std::as_writable_bytes(std::span(text)), 8))
    return IoError(fmt::format("cannot read {}", path));
  INFE_ASSIGN(const Json header, ParseJson(text));
  if (!header.is_object()) return Corrupt(fmt::format("{} is no safetensors file", path));
  std::vector<Tensor> tensors;
  for (const auto& [name, entry] : header.object()) {
    const auto renamed = NameOf(name);
    if (!renamed) continue;
    INFE_ASSIGN(Tensor tensor,
                ReadTensor(*renamed, entry, 8 + header_bytes, file_bytes - 8 - header_bytes));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

Result<void> AddConfig(const std::string& path, const std::string& title, Entries& entries) {
  INFE_ASSIGN(const std::string text, ReadSmallFile(path, kTextBytesMax));
  INFE_ASSIGN(const Json config, ParseJson(text));
  const Json* type = config.find("model_type");
  if (type == nullptr || !type->is_string() || type->as_string() != "bert")
    return Corrupt(fmt::format("{}: model_type is not bert", path));
  for (const auto& [key, known] :
       {std::pair("hidden_act", "gelu"), {"position_embedding_type", "absolute"}}) {
    const Json* value = config.find(key);
    if (value != nullptr && !(value->is_string() && value->as_string() == known))
      return Unsupported(fmt::format("{}: {} other than {} is not supported", path, key, known));
  }
  entries.Add("general.architecture", "bert");
  entries.Add("general.name", title);
  entries.Add<uint32_t>("general.file_type", kUint32, 0);  // all F32
  struct Number {
    const char* from;
    const char* to;
  };
  for (const auto& [from, to] : {Number{"max_position_embeddings", "bert.context_length"},
                                 {"hidden_size", "bert.embedding_length"},
                                 {"num_hidden_layers", "bert.block_count"},
                                 {"intermediate_size", "bert.feed_forward_length"},
                                 {"num_attention_heads", "bert.attention.head_count"},
                                 {"type_vocab_size", "tokenizer.ggml.token_type_count"}}) {
    const Json* value = config.find(from);
    const auto number = value != nullptr && value->is_number() ? value->as_int64() : std::nullopt;
    if (!number || *number <= 0 || static_cast<uint64_t>(*number) > kSizeMax)
      return Corrupt(fmt::format("{}: {} is missing or out of range", path, from));
    entries.Add(to, kUint32, static_cast<uint32_t>(*number));
  }
  const Json* epsilon = config.find("layer_norm_eps");
  if (epsilon == nullptr || !epsilon->is_number())
    return Corrupt(fmt::format("{}: layer_norm_eps is missing", path));
  entries.Add("bert.attention.layer_norm_epsilon", kFloat32,
              static_cast<float>(epsilon->as_double()));
  entries.Add<uint8_t>("bert.attention.causal", kBool, 0);
  entries.Add<uint32_t>("bert.pooling_type", kUint32, 1);
  return {};
}

int32_t TypeOf(std::string_view token) {
  if (token == "[UNK]") return kUnknown;
  if (token == "[PAD]" || token == "[CLS]" || token == "[SEP]" || token == "[MASK]")
    return kControl;
  return token.starts_with("[unused") ? kUnused : kNormal;
}

// A word's first piece has a mark in front, the others none: "##ing" is "ing".
std::string PieceOf(std::string_view token) {
  if (TypeOf(token) != kNormal) return std::string(token);
  if (token.starts_with("##") && token.size() > 2) return std::string(token.substr(2));
  return "\xE2\x96\x81" + std::string(token);
}

Result<void> AddVocabulary(const std::string& path, Entries& entries) {
  INFE_ASSIGN(const std::string text, ReadSmallFile(path, kTextBytesMax));
  std::vector<std::string_view> tokens;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = std::string_view(text).substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    tokens.push_back(line);
    at = end + 1;
  }
  entries.Add("tokenizer.ggml.model", "bert");
  entries.AddArray("tokenizer.ggml.tokens", kString, tokens.size());
  for (const std::string_view token : tokens) AppendText(entries.bytes(), PieceOf(token));
  entries.AddArray("tokenizer.ggml.token_type", kInt32, tokens.size());
  for (const std::string_view token : tokens) Append(entries.bytes(), TypeOf(token));
  return {};
}

// All before the tensors' data, padding included.
std::string Header(const Entries& entries, std::string_view entry_bytes,
                   std::span<const Tensor> tensors) {
  std::string out = "GGUF";
  Append<uint32_t>(out, 3);
  Append<uint64_t>(out, tensors.size());
  Append<uint64_t>(out, entries.count());
  out += entry_bytes;
  uint64_t offset = 0;
  for (const Tensor& tensor : tensors) {
    AppendText(out, tensor.name);
    Append(out, static_cast<uint32_t>(tensor.shape.size()));
    for (auto size = tensor.shape.rbegin(); size != tensor.shape.rend(); ++size) Append(out, *size);
    Append<uint32_t>(out, 0);  // F32
    Append(out, offset);
    offset += (tensor.bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  out.resize((out.size() + kAlignment - 1) / kAlignment * kAlignment, '\0');
  return out;
}

Result<void> CopyTensors(const FileDescriptor& from, std::span<const Tensor> tensors,
                         const FileDescriptor& to) {
  std::vector<std::byte> buffer(kCopyPiece);
  constexpr std::byte kZeros[kAlignment] = {};
  for (const Tensor& tensor : tensors) {
    for (uint64_t done = 0; done < tensor.bytes;) {
      const auto piece =
          std::span(buffer).first(std::min<uint64_t>(buffer.size(), tensor.bytes - done));
      if (!ReadAt(from, piece, tensor.offset + done)) return IoError("cannot read the checkpoint");
      if (!WriteAll(to, piece))
        return IoError(fmt::format("cannot write the model file: {}", std::strerror(errno)));
      done += piece.size();
    }
    const size_t padding = (kAlignment - tensor.bytes % kAlignment) % kAlignment;
    if (!WriteAll(to, std::span(kZeros).first(padding)))
      return IoError(fmt::format("cannot write the model file: {}", std::strerror(errno)));
  }
  return {};
}

}  // namespace

Result<void> ConvertBert(const CheckpointFiles& from, const std::string& title, uint64_t bytes_max,
                         const std::string& target) {
  INFE_ASSIGN(const FileDescriptor file, OpenRegular(from.tensors));
  INFE_ASSIGN(const FileState state, StateOf(file));
  if (state.bytes > bytes_max)
    return ResourceExhausted(
        fmt::format("{} has more than the {} bytes allowed", from.tensors, bytes_max));
  INFE_ASSIGN(const std::vector<Tensor> tensors, ReadTensors(file, from.tensors, state.bytes));
  if (tensors.empty()) return Corrupt(fmt::format("{} holds no BERT", from.tensors));
  Entries entries;
  INFE_TRY(AddConfig(from.config, title, entries));
  INFE_TRY(AddVocabulary(from.vocabulary, entries));
  const std::string header = Header(entries, entries.bytes(), tensors);
  INFE_ASSIGN(const FileDescriptor out, CreateRegular(target, 0644));
  if (!WriteAll(out, std::as_bytes(std::span(header))))
    return IoError(fmt::format("cannot write {}: {}", target, std::strerror(errno)));
  return CopyTensors(file, tensors, out);
}

}  // namespace infe::store

// GGUF files for tests of pulls: whole ones, and the same cut into parts. Not part of the product.
#pragma once

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace infe::store {

inline std::string Bytes(std::string_view text) {
  return std::string(text);
}
template <typename T>
std::string Bytes(T number)
  requires std::is_arithmetic_v<T>
{
  return std::string(reinterpret_cast<const char*>(&number), sizeof number);
}
inline std::string GgufText(std::string_view text) {
  return Bytes(uint64_t{text.size()}) + Bytes(text);
}
inline std::string GgufTextValue(std::string_view key, std::string_view value) {
  return GgufText(key) + Bytes(uint32_t{8}) + GgufText(value);
}
inline std::string GgufNumberValue(std::string_view key, uint32_t value) {
  return GgufText(key) + Bytes(uint32_t{4}) + Bytes(value);
}

struct GgufSample {
  struct Tensor {
    std::string name;
    std::string data;
  };
  std::vector<std::string> values;
  std::vector<Tensor> tensors;
  uint32_t alignment = 32;
  uint32_t version = 3;

  std::string Padding(size_t at) const {
    return std::string((alignment - at % alignment) % alignment, '\0');
  }
  // As tools write it: each tensor's data padded, the last one's as well.
  std::string File() const {
    std::string head =
        "GGUF" + Bytes(version) + Bytes(uint64_t{tensors.size()}) + Bytes(uint64_t{values.size()});
    for (const std::string& value : values) head += value;
    std::string data;
    for (const Tensor& tensor : tensors) {
      head += GgufText(tensor.name) + Bytes(uint32_t{1}) + Bytes(uint64_t{tensor.data.size()}) +
              Bytes(uint32_t{24}) + Bytes(uint64_t{data.size()});
      data += tensor.data;
      data += Padding(data.size());
    }
    return head + Padding(head.size()) + data;
  }
  // The parts, `each` tensors in every one; the first has the metadata.
  std::vector<GgufSample> Cut(size_t each) const {
    std::vector<GgufSample> parts;
    const size_t count = (tensors.size() + each - 1) / each;
    for (size_t i = 0; i < count; ++i) {
      GgufSample part;
      part.alignment = alignment;
      part.version = version;
      if (i == 0) part.values = values;
      part.values.push_back(GgufNumberValue("split.no", static_cast<uint32_t>(i)));
      part.values.push_back(GgufNumberValue("split.count", static_cast<uint32_t>(count)));
      part.values.push_back(
          GgufNumberValue("split.tensors.count", static_cast<uint32_t>(tensors.size())));
      if (i > 0 && alignment != 32)
        part.values.push_back(GgufNumberValue("general.alignment", alignment));
      for (size_t t = i * each; t < tensors.size() && t < (i + 1) * each; ++t)
        part.tensors.push_back(tensors[t]);
      parts.push_back(part);
    }
    return parts;
  }
};

// Seven tensors of odd sizes behind a small vocabulary.
inline GgufSample SmallSample(std::string_view architecture = "llama") {
  GgufSample sample;
  sample.values.push_back(GgufTextValue("general.architecture", architecture));
  sample.values.push_back(GgufText("tokenizer.ggml.tokens") + Bytes(uint32_t{9}) +
                          Bytes(uint32_t{8}) + Bytes(uint64_t{2}) + GgufText("a") + GgufText(""));
  sample.values.push_back(GgufText("some.numbers") + Bytes(uint32_t{9}) + Bytes(uint32_t{6}) +
                          Bytes(uint64_t{2}) + Bytes(1.5f) + Bytes(-2.0f));
  for (size_t i = 0; i < 7; ++i)
    sample.tensors.push_back({"t" + std::to_string(i), std::string(5 + 31 * i, char('a' + i))});
  return sample;
}

inline void WriteBytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}
inline std::string ReadBytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace infe::store

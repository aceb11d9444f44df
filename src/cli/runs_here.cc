#include "cli/runs_here.h"

#include <fmt/format.h>
#include <unistd.h>

#include "cli/progress_bar.h"
#include "engine/loader.h"
#include "kernels/quant_type.h"
#include "model/arch/registry.h"
#include "server/config/config.h"

namespace infe::cli {
namespace {

std::optional<std::string> WhyNotTensors(const model::GgufFile& file) {
  for (const model::GgufTensor& tensor : file.tensors())
    if (!kernels::QuantTypeFromGguf(tensor.type))
      return fmt::format("tensor {} has type {}, which infe does not compute", tensor.name,
                         tensor.type_name);
  if (file.tensors().empty()) return "it has no tensors, only a vocabulary";
  return std::nullopt;
}

}  // namespace

std::optional<std::string> WhyNotHere(const model::GgufFile& file, uint64_t memory_bytes) {
  if (const auto whole = file.CheckWhole(); !whole) return whole.error().message;
  if (const auto config = model::ReadModelConfig(file); !config) return config.error().message;
  if (const auto tokenizer = engine::LoadTokenizer(file); !tokenizer)
    return tokenizer.error().message;
  if (auto why = WhyNotTensors(file)) return why;
  if (memory_bytes > 0 && file.file_bytes() > memory_bytes)
    return fmt::format("its weights are {}, and this machine has {} of memory",
                       HumanBytes(file.file_bytes()), HumanBytes(memory_bytes));
  return std::nullopt;
}

Result<void> CheckArchitecture(const std::string& architecture) {
  for (const model::Architecture& known : model::AllArchitectures())
    if (known.name == architecture) return {};
  return Unsupported(fmt::format(
      "infe does not run the architecture {}; docs/models.md lists those it does", architecture));
}

uint64_t ServingBytes(uint64_t model_bytes) {
  return model_bytes + server::ServerConfig().kv_memory_bytes;
}

uint64_t MachineMemoryBytes() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? static_cast<uint64_t>(pages) * static_cast<uint64_t>(page) : 0;
}

}  // namespace infe::cli

// The architectures infe runs: one explicit table, one line each.
#pragma once

#include <span>

#include "model/arch/architecture.h"

namespace infe::model {

std::span<const Architecture> AllArchitectures();

// The config of a model file, checked as a whole. kUnsupported names an architecture that is not in
// the table or a feature that is not computed; kCorrupt a value that cannot be.
Result<ModelConfig> ReadModelConfig(const GgufFile& file);

}  // namespace infe::model

// From a type to the template instance of its panel format: the one place that lists which type has
// which. With internal linkage, because it is compiled with every ISA's flags (panel_codes.h).
#pragma once

#include "kernels/panels/layout.h"
#include "kernels/quant_type.h"

namespace infe::kernels {
namespace {

// Calls f.template operator()<format>(). False, and no call: the type is of floats.
template <class F>
inline bool WithPanelFormat(QuantType type, const F& f) {
  switch (type) {
    case QuantType::kQ8_0:
      f.template operator()<kPanelQ8_0>();
      return true;
    case QuantType::kQ4_0:
      f.template operator()<kPanelQ4_0>();
      return true;
    case QuantType::kQ4_1:
      f.template operator()<kPanelQ4_1>();
      return true;
    case QuantType::kQ5_0:
      f.template operator()<kPanelQ5_0>();
      return true;
    case QuantType::kQ5_1:
      f.template operator()<kPanelQ5_1>();
      return true;
    case QuantType::kQ4_K:
      f.template operator()<kPanelQ4_K>();
      return true;
    case QuantType::kQ5_K:
      f.template operator()<kPanelQ5_K>();
      return true;
    case QuantType::kQ6_K:
      f.template operator()<kPanelQ6_K>();
      return true;
    case QuantType::kMxfp4:
      f.template operator()<kPanelMxfp4>();
      return true;
    case QuantType::kIq4Nl:
      f.template operator()<kPanelIq4Nl>();
      return true;
    case QuantType::kIq4Xs:
      f.template operator()<kPanelIq4Xs>();
      return true;
    case QuantType::kF32:
    case QuantType::kF16:
    case QuantType::kBF16:
      return false;
  }
  return false;
}

}  // namespace
}  // namespace infe::kernels

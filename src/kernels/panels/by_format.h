// From a type to the template instance of its panel format: the one place that lists which type has
// which. With internal linkage, because it is compiled with every ISA's flags (panel_codes.h).
#pragma once

#include "kernels/panels/layout.h"
#include "kernels/quant_type.h"

namespace infe::kernels {
namespace {

template <PanelFormat format, class F>
inline bool Call(const F& f) {
  f.template operator()<format>();
  return true;
}

// Calls f.template operator()<format>(). False, and no call: the type is of floats.
template <class F>
inline bool WithPanelFormat(QuantType type, const F& f) {
  switch (type) {
    case QuantType::kQ8_0:
      return Call<kPanelQ8_0>(f);
    case QuantType::kQ4_0:
      return Call<kPanelQ4_0>(f);
    case QuantType::kQ4_1:
      return Call<kPanelQ4_1>(f);
    case QuantType::kQ5_0:
      return Call<kPanelQ5_0>(f);
    case QuantType::kQ5_1:
      return Call<kPanelQ5_1>(f);
    case QuantType::kQ4_K:
      return Call<kPanelQ4_K>(f);
    case QuantType::kQ5_K:
      return Call<kPanelQ5_K>(f);
    case QuantType::kQ6_K:
      return Call<kPanelQ6_K>(f);
    case QuantType::kMxfp4:
      return Call<kPanelMxfp4>(f);
    case QuantType::kIq4Nl:
      return Call<kPanelIq4Nl>(f);
    case QuantType::kIq4Xs:
      return Call<kPanelIq4Xs>(f);
    case QuantType::kQ3_K:
      return Call<kPanelQ3_K>(f);
    case QuantType::kQ2_K:
      return Call<kPanelQ2_K>(f);
    case QuantType::kIq3S:
      return Call<kPanelIq3S>(f);
    case QuantType::kIq3Xxs:
      return Call<kPanelIq3Xxs>(f);
    case QuantType::kIq2S:
      return Call<kPanelIq2S>(f);
    case QuantType::kIq2Xs:
      return Call<kPanelIq2Xs>(f);
    case QuantType::kIq2Xxs:
      return Call<kPanelIq2Xxs>(f);
    case QuantType::kTQ2_0:
      return Call<kPanelTernary>(f);
    case QuantType::kTQ1_0:
      return Call<kPanelTernary>(f);
    case QuantType::kQ1_0:
      return Call<kPanelQ1_0>(f);
    case QuantType::kQ2_0:
      return Call<kPanelQ2_0>(f);
    case QuantType::kNvfp4:
      return Call<kPanelNvfp4>(f);
    case QuantType::kF32:
    case QuantType::kF16:
    case QuantType::kBF16:
      return false;
  }
  return false;
}

}  // namespace
}  // namespace infe::kernels

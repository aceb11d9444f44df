// Part of system_fingerprint: raised by every change that may alter the bits of a logit or the draw
// of a token.
#pragma once

namespace infe::engine {
inline constexpr int kNumericsVersion = 2;
}  // namespace infe::engine

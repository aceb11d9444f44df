#include "api/openai/obfuscation.h"

#include "base/random.h"

namespace infe::api {
namespace {

// Text of every length in a bucket gives events of one size. A token is 3 to 5 characters mostly,
// so nearly all events fall into the first bucket.
constexpr size_t kBucket = 16;

}  // namespace

void AppendObfuscation(std::string& out, uint64_t seed, uint64_t number, size_t payload) {
  static constexpr char kAlphabet[] =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
  out += R"(,"obfuscation":")";
  const size_t padding = kBucket - payload % kBucket;
  for (size_t i = 0; i < padding; ++i) {
    const double u = UniformAt(seed, static_cast<uint32_t>(i), number);
    out += kAlphabet[static_cast<size_t>(u * 64)];
  }
  out += '"';
}

}  // namespace infe::api

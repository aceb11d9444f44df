// Padding that makes the size of a streamed event tell less of its text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace infe::api {

// ,"obfuscation":"..." behind an event's members: as many characters as bring `payload`, the bytes
// that depend on the text, to the next multiple of 16. seed: of the stream; number: of the event.
void AppendObfuscation(std::string& out, uint64_t seed, uint64_t number, size_t payload);

}  // namespace infe::api

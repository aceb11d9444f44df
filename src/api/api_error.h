// ApiError: a refusal, by the name that the dialects have for it, and in the JSON of OpenAI's.
#pragma once

#include <string>

#include "refusal/refusal.h"

namespace infe::api {

// Requests are refused by the words of refusal/ in every dialect.
using namespace refusal;
using ApiError = Refusal;

// {"error":{"message":..,"type":..,"param":..,"code":..}}: always all four keys. The same text is
// the payload of the error event that ends a broken stream.
std::string WriteError(const ApiError& error);

}  // namespace infe::api

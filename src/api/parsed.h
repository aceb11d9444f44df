// Parsed<T>: what a request body turned out to be, a T or the ApiError to answer with: status,
// type, param and code as the wire needs them.
#pragma once

#include "api/api_error.h"
#include "base/result.h"

namespace infe::api {

template <typename T>
using Parsed = Result<T, ApiError>;

}  // namespace infe::api

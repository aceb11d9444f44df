// The Response object in every state of its life.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "answer/event.h"
#include "api/api_error.h"
#include "api/openai/responses/request.h"

namespace infe::api::responses {

enum class Status : uint8_t { kQueued, kInProgress, kCompleted, kIncomplete, kFailed, kCancelled };
std::string_view Name(Status status);

// "resp_" and 24 characters. What a response consists of has ids made from its own, so that an id
// alone tells where its item is kept.
std::string NewResponseId();
// prefix "msg", number 3 of resp_X: "msg_X003".
std::string ItemId(std::string_view prefix, std::string_view response_id, uint32_t number);
// Of what was sent with it: "item_Xi003".
std::string InputItemId(std::string_view response_id, size_t number);
// resp_X of an item's id, or "" if it cannot be one of ours.
std::string ResponseIdOf(std::string_view item_id);

// What never changes of one response. Plain data.
struct Frame {
  std::string id = {};
  int64_t created_at = 0;  // seconds since 1970
  std::string fingerprint = {};
  std::string members = {};  // JSON members that say the request again: ,"a":1,"b":2
  // The rest is filled in where it is known.
  std::optional<int64_t> seed = {};
  uint32_t truncated_messages = 0;
  std::vector<std::string> unenforced = {};
  std::vector<std::string> left_out = {};  // kinds of tools
};

// temperature and top_p: of the model, where the request has none.
struct Echo {
  double temperature = 1;
  double top_p = 1;
};
std::string EchoMembers(const Request& request, const Echo& defaults);

struct State {
  Status status = Status::kInProgress;
  std::string_view output = "[]";      // JSON
  std::optional<ApiError> error = {};  // of kFailed
  std::optional<int64_t> completed_at = {};
  std::optional<answer::Totals> totals = {};
};
std::string WriteResponse(const Frame& frame, const State& state);

// {"object":"response.input_tokens","input_tokens":N}
std::string WriteInputTokens(int64_t input_tokens);

// {"code":..,"message":..}: the codes of responses are other words than those of errors.
void AppendResponseError(std::string& out, const ApiError& error);

}  // namespace infe::api::responses

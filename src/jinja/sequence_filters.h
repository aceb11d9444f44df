// The filters that walk over a sequence; filters.cc lists them by name.
#pragma once

#include "jinja/arguments.h"
#include "jinja/runtime.h"
#include "jinja/value.h"

namespace infe::jinja::sequence_filters {

Value Batch(Runtime& runtime, const Value& input, const CallValues& values);
Value DictSort(Runtime& runtime, const Value& input, const CallValues& values);
Value First(Runtime& runtime, const Value& input, const CallValues& values);
Value GroupBy(Runtime& runtime, const Value& input, const CallValues& values);
Value Items(Runtime& runtime, const Value& input, const CallValues& values);
Value Join(Runtime& runtime, const Value& input, const CallValues& values);
Value Last(Runtime& runtime, const Value& input, const CallValues& values);
Value List(Runtime& runtime, const Value& input, const CallValues& values);
Value Map(Runtime& runtime, const Value& input, const CallValues& values);
Value Max(Runtime& runtime, const Value& input, const CallValues& values);
Value Min(Runtime& runtime, const Value& input, const CallValues& values);
Value Reject(Runtime& runtime, const Value& input, const CallValues& values);
Value RejectAttr(Runtime& runtime, const Value& input, const CallValues& values);
Value Reverse(Runtime& runtime, const Value& input, const CallValues& values);
Value Select(Runtime& runtime, const Value& input, const CallValues& values);
Value SelectAttr(Runtime& runtime, const Value& input, const CallValues& values);
Value SliceInto(Runtime& runtime, const Value& input, const CallValues& values);
Value Sort(Runtime& runtime, const Value& input, const CallValues& values);
Value Sum(Runtime& runtime, const Value& input, const CallValues& values);
Value Unique(Runtime& runtime, const Value& input, const CallValues& values);

}  // namespace infe::jinja::sequence_filters

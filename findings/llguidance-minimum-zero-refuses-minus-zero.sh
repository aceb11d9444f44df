#!/usr/bin/env bash
# llguidance 1.9.1: under {"type": "number", "minimum": 0} the JSON texts -0 and -0.0 may not be
# written, although their value is 0 and every validator takes them (jsonschema 4.26.0 here); the
# minus sign itself is masked. Without the bound both are taken. 5e0 is cut after its first digit
# under such a bound too: a bounded number has no exponent. Whoever compares masks or verdicts with
# it has to leave these spellings out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install -q --disable-pip-version-check llguidance==1.9.1 jsonschema==4.26.0
"$folder/v/bin/python" - <<'PYTHON'
import json
import sys

import jsonschema
from llguidance import LLMatcher, LLTokenizer

tokenizer = LLTokenizer("byte")


def bytes_taken(schema, text):
    matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_json_schema(json.dumps(schema)))
    assert not matcher.is_error(), matcher.get_error()
    return matcher.validate_tokens(tokenizer.tokenize_bytes(text.encode()))


seen = []
for schema in ({"type": "number"}, {"type": "number", "minimum": 0}):
    for text in ("0", "-0", "-0.0", "5e0"):
        jsonschema.validate(json.loads(text), schema)
        seen.append((text, bytes_taken(schema, text)))
print(seen)
expected = [("0", 1), ("-0", 2), ("-0.0", 4), ("5e0", 3),
            ("0", 1), ("-0", 0), ("-0.0", 0), ("5e0", 1)]
sys.exit(0 if seen == expected else 1)
PYTHON

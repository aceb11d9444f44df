"""Grammars that cost more than their bytes: families with random parameters, over every front end.

each(random) yields (name, members of a chat body) for ever; one family after the other, so that a
hundred requests hold each of them twice or more. What becomes of a request is not said here: served, or
refused with a 4xx that names its bound.
"""

import json


def doubling_gbnf(r):
    depth = r.randint(8, 60)
    rules = [f"r{i} ::= r{i + 1} r{i + 1}" for i in range(depth)]
    return gbnf("\n".join(["root ::= r0", *rules, f'r{depth} ::= "{r.choice("abc")}" | [{r.choice(["a-z", "0-9"])}]']))


def branching_gbnf(r):
    depth = r.randint(8, 40)
    rules = [f'r{i} ::= r{i + 1} "x" r{i + 1} | r{i + 1} "y"' for i in range(depth)]
    return gbnf("\n".join(["root ::= r0", *rules, f'r{depth} ::= "z"']))


def repeating_gbnf(r):
    inner, levels = r.randint(20, 2000), r.randint(1, 4)
    body = "[a-z]"
    for _ in range(levels):
        body = f"({body} \",\"?){{{inner // 2},{inner}}}"
    return gbnf(f"root ::= {body}")


def ambiguous_gbnf(r):
    return gbnf('root ::= e\ne ::= e "+" e | e e | "(" e ")" | [a-z]' + f"{{1,{r.randint(2, 60)}}}")


def deep_gbnf(r):
    n = r.randint(50, 4000)
    return gbnf("root ::= " + "(" * n + '"a"' + ")" * n)


def many_rules_gbnf(r):
    n = r.randint(200, 1500)
    return gbnf("\n".join([f"root ::= {' | '.join(f'r{i}' for i in range(n))}"]
                          + [f'r{i} ::= [a-z]{{1,{1 + i % 40}}} "-" r{(i * 7 + 1) % n}?' for i in range(n)]))


def doubling_lark(r):
    depth = r.randint(8, 40)
    rules = [f"r{i}: r{i + 1} r{i + 1}" for i in range(depth)]
    return lark("\n".join(["start: r0", *rules, f'r{depth}: "a" | /[b-z]/']))


def doubling_terminals_lark(r):
    depth = r.randint(8, 30)
    terms = [f"T{i}: T{i + 1} T{i + 1}" for i in range(depth)]
    return lark("\n".join(["start: T0", *terms, f"T{depth}: /[a-z]/"]))


def repeating_lark(r):
    return lark(f'start: (/[a-z]+/ " "){{{r.randint(1, 50)},{r.randint(100, 3000)}}} T\nT: /([a-z][0-9]){{{r.randint(5, 900)}}}/')


def lookahead_lark(r):
    return lark(f"start: A\nA: /(?=.{{1,{r.randint(50, 250)}}}$)(?!x{{{r.randint(1, 40)}}})(.{{1,40}}\\.){{1,{r.randint(20, 90)}}}[a-z]+/")


def custom_regex(r):
    return custom("regex", r.choice([f"([a-z]{{1,{r.randint(10, 900)}}},){{1,{r.randint(10, 900)}}}", f"(.*a){{{r.randint(5, 14)}}}b.*"]))


def suffix_regex(r):
    return regex(f"[ab]*a[ab]{{{r.randint(8, 20)}}}")


def nested_counts_regex(r):
    a, b = r.randint(20, 1000), r.randint(20, 1000)
    return regex(f"({r.choice(['a', '[a-z]', 'ab?'])}{{{a}}}){{{b}}}")


def lookahead_regex(r):
    n = r.randint(2, 7)
    return regex("".join(f"(?=(.{{{k}}})*$)" for k in r.sample([2, 3, 5, 7, 11, 13, 17, 19], n)) + ".*")


def domain_regex(r):
    return regex(f"(?=.{{1,{r.randint(100, 250)}}}$)(.{{1,{r.randint(10, 60)}}}\\.){{1,{r.randint(20, 90)}}}[a-z]+")


def gaps_regex(r):
    return regex(f"(.*{r.choice('abc')}){{{r.randint(4, 14)}}}")


def classes_regex(r):
    words = ["".join(r.choice("abcdefgh") for _ in range(r.randint(3, 9))) for _ in range(r.randint(100, 2000))]
    return regex(f"(({'|'.join(words)}) ?){{1,{r.randint(5, 200)}}}")


def deep_regex(r):
    n = r.randint(50, 4000)
    return regex("(" * n + "a" + ")*" * n)


def choices(r):
    return {"structured_outputs": {"choice": ["".join(r.choice("ab") for _ in range(r.randint(5, 60))) + str(i)
                                              for i in range(r.randint(100, 3000))]}}


def self_reaching_one_of(r):
    schema = {"properties": {"a": {"oneOf": [{}, {"$ref": "#"}]}}, "required": ["a"]}
    for _ in range(r.randint(0, 4)):
        schema = {"properties": {"b": schema, "a": {"oneOf": [{"type": "object"}, {"$ref": "#"}]}}, "required": ["a"]}
    return schema_format(schema)


def overlapping_one_of(r):
    n = r.randint(3, 12)
    base = {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(r.randint(1, 8))}}
    return schema_format({"$defs": {"base": base},
                          "oneOf": [{"allOf": [{"$ref": "#/$defs/base"}, {"type": "object", "properties": {f"k{i}": {"const": i}}}]}
                                    for i in range(n)]})


def optional_properties(r):
    n = r.randint(40, 400)
    return schema_format({"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(n)},
                          "additionalProperties": r.choice([True, False, {"type": "integer"}]), "minProperties": r.randint(1, n // 2)})


def pattern_products(r):
    patterns = [f"^(.{{{k}}})*$" for k in r.sample([2, 3, 5, 7, 11, 13, 17, 19], r.randint(2, 7))]
    return schema_format({"type": "object", "properties": {"a": {"allOf": [{"type": "string", "pattern": p} for p in patterns]}}, "required": ["a"]})


def pattern_properties(r):
    return schema_format({"type": "object", "additionalProperties": False, "minProperties": 1,
                          "patternProperties": {f"^[ab]*{r.choice('ab')}[ab]{{{r.randint(2, 12)}}}{i}?$": {"type": "integer", "minimum": i} for i in range(r.randint(2, 9))}})


def pattern_with_lengths(r):
    return schema_format({"type": "object", "properties": {"a": {"type": "string", "pattern": "^([a-z][0-9])+$", "minLength": r.randint(100, 20000)}}, "required": ["a"]})


def unique_items(r):
    n = r.randint(50, 900)
    return schema_format({"type": "array", "uniqueItems": True, "items": {"enum": [f"value {i} {i * i}" for i in range(n)]}, "minItems": r.randint(0, n)})


def big_enum(r):
    return schema_format({"enum": [{"k": [i, str(i) * r.randint(1, 30)]} for i in range(r.randint(100, 1500))]})


def deep_schema(r):
    schema = {"type": "string"}
    for i in range(r.randint(20, 98)):
        schema = r.choice([{"type": "array", "items": schema, "maxItems": 3}, {"anyOf": [schema, {"type": "null"}]},
                           {"type": "object", "properties": {"a": schema}, "required": ["a"]}])
    return schema_format(schema)


def doubling_refs(r):
    n = r.randint(8, 40)
    defs = {f"d{i}": {"type": "object", "properties": {"a": {"$ref": f"#/$defs/d{i + 1}"}, "b": {"$ref": f"#/$defs/d{i + 1}"}}, "required": ["a", "b"]} for i in range(n)}
    return schema_format({"$defs": {**defs, f"d{n}": {"type": "null"}}, "$ref": "#/$defs/d0"})


def crossed_any_of(r):
    return schema_format({"allOf": [{"anyOf": [{"properties": {f"a{i}": {"const": j}}, "required": [f"a{i}"]} for j in range(r.randint(2, 6))]} for i in range(r.randint(4, 14))]})


def conditions(r):
    return schema_format({"type": "object", "properties": {f"p{i}": {"type": "boolean"} for i in range(16)},
                          "allOf": [{"if": {"properties": {f"p{i}": {"const": True}}, "required": [f"p{i}"]}, "then": {"required": [f"p{(i + 1) % 16}"]}, "else": {"minProperties": i}}
                                    for i in range(r.randint(3, 14))]})


def dependent(r):
    n = r.randint(8, 40)
    return schema_format({"type": "object", "properties": {f"p{i}": {"type": "integer"} for i in range(n)},
                          "dependentRequired": {f"p{i}": [f"p{(i * 3 + 1) % n}", f"p{(i * 5 + 2) % n}"] for i in range(n)}})


def contains(r):
    return schema_format({"type": "array", "contains": {"type": "string", "pattern": "^(a|b)*a(a|b){%d}$" % r.randint(3, 14)}, "minContains": r.randint(1, 60), "maxContains": 90})


def number_ranges(r):
    return schema_format({"type": "object", "properties": {f"n{i}": {"type": "number", "minimum": -(10 ** r.randint(1, 300)), "exclusiveMaximum": 1.5 * 10 ** r.randint(1, 300), "multipleOf": r.choice([0.01, 7, 1e-9])} for i in range(r.randint(1, 20))}})


def many_tools(r):
    def one(i):
        return {"type": "function", "function": {"name": f"tool_{i}", "strict": r.random() < 0.5, "parameters": {
            "type": "object", "properties": {f"p{j}": {"type": "string", "pattern": f"^[a-z]{{1,{r.randint(1, 300)}}}$"} for j in range(r.randint(1, 20))}, "minProperties": r.randint(0, 3)}}}
    return {"tools": [one(i) for i in range(r.randint(20, 128))], "tool_choice": r.choice(["auto", "required"])}


def hostile_tool(r):
    made = r.choice([self_reaching_one_of, overlapping_one_of, optional_properties, pattern_products, doubling_refs, unique_items])(r)
    parameters = {"type": "object", "properties": {"x": made["response_format"]["json_schema"]["schema"]}, "required": ["x"]}
    return {"tools": [{"type": "function", "function": {"name": "f", "strict": r.random() < 0.5, "parameters": parameters}}],
            "tool_choice": {"type": "function", "function": {"name": "f"}}}


def gbnf(text):
    return {"grammar": text}


def regex(pattern):
    return {"structured_outputs": {"regex": pattern}}


def custom(syntax, definition):
    return {"tools": [{"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": {"syntax": syntax, "definition": definition}}}}],
            "tool_choice": {"type": "custom", "custom": {"name": "c"}}}


def lark(text):
    return custom("lark", text)


def schema_format(schema):
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}}


FAMILIES = [doubling_gbnf, branching_gbnf, repeating_gbnf, ambiguous_gbnf, deep_gbnf, many_rules_gbnf, doubling_lark,
            doubling_terminals_lark, repeating_lark, lookahead_lark, custom_regex, suffix_regex, nested_counts_regex,
            lookahead_regex, domain_regex, gaps_regex, classes_regex, deep_regex, choices, self_reaching_one_of,
            overlapping_one_of, optional_properties, pattern_products, pattern_properties, pattern_with_lengths,
            unique_items, big_enum, deep_schema, doubling_refs, crossed_any_of, conditions, dependent, contains,
            number_ranges, many_tools, hostile_tool]


def each(random):
    while True:
        for family in FAMILIES:
            yield family.__name__, family(random)


def describe(name, members):
    """A line by which a case is found again."""
    text = json.dumps(members)
    return f"{name} ({len(text)} bytes): {text[:300]}"

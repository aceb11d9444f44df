"""Python's jinja2 set up as Hugging Face's tokenizers do: what infe's templates are compared with."""
import datetime
import json

import jinja2
import jinja2.ext
import jinja2.sandbox

NOW = 1700000000  # the fixed clock of every comparison


class Generation(jinja2.ext.Extension):
    """{% generation %} ... {% endgeneration %}: its body, unchanged."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def strftime_now(form):
    return datetime.datetime.fromtimestamp(NOW).strftime(form)


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    return env


def render(env, template, context):
    """The text, or None and the error where it raises."""
    try:
        text = env.from_string(template).render(**context)
        text.encode()  # a lone surrogate is no text
        return text, None
    except Exception as error:  # whatever Python raises inside a template
        return None, f"{type(error).__name__}: {error}"

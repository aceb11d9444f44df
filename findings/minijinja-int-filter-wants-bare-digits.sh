#!/usr/bin/env bash
# minijinja 3.1.0 (the template engine of several Rust servers, here through its Python package)
# does not convert like jinja2 3.1.6 in the filter `int`: blanks around the digits and digits grouped
# by underscores are an error that ends the rendering, where jinja2 gives the number. With a default
# the difference is silent: ' 7 '|int(5) is 7 in one engine and 5 in the other.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install -q --disable-pip-version-check minijinja==3.1.0 jinja2==3.1.6
"$folder/v/bin/python" - <<'PYTHON'
import sys

import jinja2
import minijinja

seen = []
for source in ("{{ '7'|int }}", "{{ ' 7 '|int }}", "{{ '1_000'|int }}", "{{ ' 7 '|int(5) }}"):
    python = jinja2.Environment().from_string(source).render()
    try:
        rust = minijinja.Environment().render_str(source)
    except minijinja.TemplateError:
        rust = "error"
    seen.append((python, rust))
print(seen)
sys.exit(0 if seen == [("7", "7"), ("7", "error"), ("1000", "error"), ("7", "5")] else 1)
PYTHON

"""The proofs of tests/load in their short form: each script's claims must all hold. The long forms
and their numbers are in docs/load-tests.md."""
import asyncio
import importlib
import os

import harness
import pytest

# Those that use the machine least come first; a failure names its claims.
PROOFS = ["framing", "edge_limits", "canaries", "users", "gateway", "vanishing", "stalled", "overload", "fairness",
          "hoard", "rolling", "kills", "shared_store", "disk_full", "soak"]


@pytest.mark.load
@pytest.mark.parametrize("name", PROOFS)
def test_every_claim_holds(name):
    if name == "disk_full" and os.geteuid() != 0:
        pytest.skip("needs root, for a tmpfs")
    claims = harness.Claims(name)
    asyncio.run(importlib.import_module(name).prove(claims, short=True))
    assert claims.rows and not claims.failed, "\n".join(claims.failed)

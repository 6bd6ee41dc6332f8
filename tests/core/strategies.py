"""What the property tests draw from."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

#: no deadline: the machine may be busy
properties = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])

#: lone surrogates too, which servers can let through
any_text = st.text(st.characters())
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)

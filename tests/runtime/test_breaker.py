"""When a circuit opens, who may try it, and what closes it."""

from __future__ import annotations

from tokenguard.runtime.breaker import CircuitBreaker


def opened() -> CircuitBreaker:
    """A circuit that three failures in a row have opened at 100, for 10 seconds."""
    breaker = CircuitBreaker(failures=3, cooldown=10)
    assert [breaker.failed(100) for _ in range(3)] == [False, False, True]
    return breaker


def test_failures_in_a_row_open_it() -> None:
    """One that goes well in between starts the count anew."""
    breaker = CircuitBreaker(failures=3, cooldown=10)
    for _ in range(10):
        breaker.failed(100)
        breaker.failed(100)
        assert not breaker.succeeded()
    assert (breaker.admit(100), breaker.state(100)) == (0, "closed")


def test_an_open_one_says_when() -> None:
    """The seconds are what the client is told to wait."""
    breaker = opened()
    assert breaker.state(104) == "open"
    assert breaker.admit(104) == 6


def test_after_the_cooldown_one_may_try() -> None:
    """The others wait for what it finds."""
    breaker = opened()
    assert breaker.state(110) == "half-open"
    assert breaker.admit(110) == 0
    assert breaker.admit(110) > 0


def test_a_probe_that_goes_well_closes_it() -> None:
    """For everybody."""
    breaker = opened()
    breaker.admit(110)
    assert breaker.succeeded()
    assert [breaker.admit(110) for _ in range(3)] == [0, 0, 0]


def test_a_probe_that_fails_keeps_it_open() -> None:
    """For another cool-down."""
    breaker = opened()
    breaker.admit(110)
    assert breaker.failed(111)
    assert breaker.admit(120) == 1
    assert breaker.admit(121) == 0


def test_a_probe_that_says_nothing_leaves_the_next_one_to_try() -> None:
    """Or nobody would ever."""
    breaker = opened()
    breaker.admit(110)
    breaker.abandoned()
    assert breaker.admit(110) == 0


def test_stragglers_do_not_prolong_it() -> None:
    """Questions that were under way when it opened may fail later than the one that opened it."""
    breaker = opened()
    assert not breaker.failed(109)
    assert breaker.admit(110) == 0

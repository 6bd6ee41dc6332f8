"""How revocations stand in Redis or Valkey: three keys, the text of an entry, and the scripts that change them.

`{prefix}:entries` is a hash with a field for each revocation, and two more: `epoch`, the mark of a store that is known
to be whole, and `tip`, the name of the last change. All three in one hash, without an expiry of its own: a server that
runs out of memory, is flushed or starts empty loses all of it or nothing, and never single revocations in silence.
`{prefix}:ends` is a sorted set of the same fields by their end; each write takes out some that are long over.
`{prefix}:changes` is a stream with a record for each write that changed something. A record is named `number-nonce`:
numbers without a gap show that none was missed, nonces that it is the same history and not one that was begun anew
from an older copy.

The braces keep the three in one slot of a cluster, as scripts demand.
"""

from __future__ import annotations

import hashlib
import json
import math
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tokenguard.core.revocation import Level, Revocation
from tokenguard.errors import ConfigurationError

EPOCH, TIP = b"epoch", b"tip"
#: where the history begins
ORIGIN = b"0-0"
#: seconds that entries stay beyond their end: the server's clock is not ours
SWEEP_MARGIN = 600


class Unreadable(Exception):
    """The store holds what this version can't read; it says nothing of what."""


class Pulled(NamedTuple):
    """What changed. `records`: name and revocations; None where what lies between is no longer to be had."""

    epoch: bytes
    tip: bytes
    records: list[tuple[bytes, list[Revocation]]] | None


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the digest by which the server remembers it."""

    text: str = field(repr=False)
    digest: str

    @classmethod
    def of(cls, text: str) -> Script:
        """The digest is Redis's choice, and no secret hangs on it."""
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


# Times stay the text that the writer sent: Lua would round them to 14 digits. What is held already, and what is new,
# are joined to the later end of each, so that writing is idempotent and its order does not matter. A script that fails
# keeps what it did until then, so everything that can fail comes first, and the records before the entries: an entry
# without its record would never reach a replica.
WRITE = Script.of("""
local entries, ends, changes = KEYS[1], KEYS[2], KEYS[3]
local now, nonce, kept, margin, mark = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local function later(one, other)
  if one == 'inf' or other == 'inf' then return 'inf' end
  if tonumber(one) >= (tonumber(other) or -1) then return one end
  return other
end
local tip = redis.call('HGET', entries, 'tip')
if not tip then
  if redis.call('EXISTS', ends, changes) > 0 then redis.call('DEL', ends, changes) end
  tip = '0-0'
end
redis.call('ZCARD', ends)
local fields, values, over_of = {}, {}, {}
for field, before, over in string.gmatch(ARGV[6], '([^\\n]+)\\n(%S+) (%S+)') do
  local held = values[field] or redis.call('HGET', entries, field)
  if held then
    local held_before, held_over = string.match(held, '^(%S+) (%S+)$')
    before, over = later(before, held_before), later(over, held_over)
  end
  local value = before .. ' ' .. over
  if held ~= value then
    if not values[field] then fields[#fields + 1] = field end
    values[field], over_of[field] = value, over
  end
end
local number = tonumber(string.match(tip, '^%d+'))
for first = 1, #fields, 200 do
  number = number + 1
  tip = string.format('%.0f', number) .. '-' .. nonce
  local record = {'XADD', changes, 'MAXLEN', '~', kept, tip}
  for i = first, math.min(first + 199, #fields) do
    record[#record + 1] = fields[i]
    record[#record + 1] = values[fields[i]]
  end
  local failed = redis.pcall(unpack(record))['err']
  if failed then
    -- anything but a stream that is not ours: no memory, say, which a script is told of by its first write alone
    if not string.find(failed, 'WRONGTYPE') and not string.find(failed, 'equal or smaller') then
      return redis.error_reply(failed)
    end
    redis.call('DEL', changes)
    redis.call(unpack(record))
  end
end
for _, field in ipairs(fields) do
  redis.call('HSET', entries, field, values[field])
  redis.call('ZADD', ends, over_of[field], field)
end
if #fields > 0 then redis.call('HSET', entries, 'tip', tip) end
if mark ~= '' then redis.call('HSETNX', entries, 'epoch', mark) end
local server_now = tonumber(redis.call('TIME')[1])
local past = redis.call('ZRANGEBYSCORE', ends, '-inf', math.min(now, server_now) - margin, 'LIMIT', 0, 200)
if #past > 0 then
  redis.call('HDEL', entries, unpack(past))
  redis.call('ZREM', ends, unpack(past))
end
return #fields
""")

# Reads mark, tip and records at one moment. The record one stands at is read again: if it is not there, the history
# is another one, or too much of it is gone.
PULL = Script.of("""
local marks = redis.call('HMGET', KEYS[1], 'epoch', 'tip')
local epoch, tip = marks[1] or '', marks[2] or '0-0'
local records = {}
if tip ~= ARGV[1] then
  records = redis.call('XRANGE', KEYS[2], ARGV[1], '+', 'COUNT', ARGV[2])
  for _, record in ipairs(records) do record[2] = table.concat(record[2], '\\n') end
end
return {epoch, tip, records}
""")

# A page of entries in one string, as each record and what is written: the client takes ten times as long over a list
# of them. No name and no value has a line break.
SCAN = Script.of("""
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
return {page[1], table.concat(page[2], '\\n')}
""")


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of the three keys."""

    prefix: str

    @property
    def entries(self) -> str:
        """The hash of revocations, with the two marks."""
        return f"{{{self.prefix}}}:entries"

    @property
    def ends(self) -> str:
        """The sorted set of their ends."""
        return f"{{{self.prefix}}}:ends"

    @property
    def changes(self) -> str:
        """The stream."""
        return f"{{{self.prefix}}}:changes"


def field_of(issuer: str, level: Level, value: str) -> bytes:
    """The name of an entry: JSON, in which nothing runs into its neighbour, and which is ASCII whatever the value."""
    return json.dumps([level.value, issuer, value], separators=(",", ":")).encode("ascii")


def write_arguments(revocations: Iterable[Revocation], now: float, kept: int, mark: str) -> list[bytes | str]:
    """What `WRITE` wants. `kept`: records of the stream; `mark`: for a store that has none, or empty."""
    lines: list[bytes] = []
    for each in revocations:
        # whole minutes, as a `RevocationBook` has them: what a replica holds and what the store has can be compared
        over = float(math.ceil(each.until / 60) * 60)
        lines += (field_of(each.issuer, each.level, each.value), b"%r %r" % (float(each.before), over))
    nonce = str(secrets.randbelow(2**63))
    return [repr(float(now)), nonce, str(kept), str(SWEEP_MARGIN), mark, b"\n".join(lines)]


def read_entry(name: bytes, value: Any) -> Revocation:
    """The revocation that a field and its value say. Raises `Unreadable`."""
    return _revocations([name], [as_bytes(value)])[0]


def read_page(page: Any) -> list[Revocation]:
    """The revocations of a page or record. Raises `Unreadable`."""
    lines = as_bytes(page).split(b"\n") if page else []
    names, values = lines[::2], lines[1::2]
    marks = [position for position, name in enumerate(names) if name in (EPOCH, TIP)]
    for position in reversed(marks):
        del names[position], values[position]
    return _revocations(names, values)


def read_pulled(mine: bytes, reply: Sequence[Any], asked: int) -> Pulled:
    """What `PULL` answered to one who stands at `mine` and asked for so many records. Raises `Unreadable`."""
    try:
        epoch, tip, found = as_bytes(reply[0]), as_bytes(reply[1]), list(reply[2])
        names = [as_bytes(name) for name, _ in found]
        if names[:1] == [mine]:
            names, found = names[1:], found[1:]
        elif mine not in (ORIGIN, tip):
            return Pulled(epoch, tip, None)
        start = _number(mine)
        follows = [_number(name) for name in names] == list(range(start + 1, start + 1 + len(names)))
        if not follows or (mine != tip and not names) or (len(names) + 1 < asked and names and names[-1] != tip):
            return Pulled(epoch, tip, None)
        return Pulled(epoch, tip, [(name, read_page(page)) for name, (_, page) in zip(names, found, strict=True)])
    except (ValueError, TypeError, IndexError):
        raise Unreadable from None


def as_bytes(value: Any) -> bytes:
    """A reply, also of a client that decodes."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if not isinstance(value, bytes):
        raise Unreadable
    return value


def _number(name: bytes) -> int:
    return int(name.partition(b"-")[0])


def _revocations(names: Sequence[bytes], values: Sequence[bytes]) -> list[Revocation]:
    try:
        whom = json.loads(b"[%b]" % b",".join(names))  # all at once: it costs a third
        times = [value.split() for value in values]
        return [
            Revocation(issuer, Level(level), value, float(before), float(until))
            for (level, issuer, value), (before, until) in zip(whom, times, strict=True)
        ]
    except (ValueError, TypeError, ConfigurationError, RecursionError):
        raise Unreadable from None

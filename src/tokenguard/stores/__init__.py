"""Where revocations are kept.

`MemoryRevocations`: in this process, which is what a guard has by default. `tokenguard.stores.redis.RedisRevocations`:
in Redis or Valkey, for all processes; needs the extra `redis`. A store of your own has one method, `find` or `ask`
(`tokenguard.core.revocation`), and `add` or `write` if `guard.revoke` is to reach it.
"""

from tokenguard.stores.memory import MemoryRevocations

__all__ = ["MemoryRevocations"]

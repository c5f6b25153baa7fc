"""What the Redis directory does atomically: one Lua script for each step, each on the keys of one slot.

Guarantees that everything written has a time to live, judged by the server's clock alone, and that doing a step
twice is as doing it once. `redis.py` says which keys; records are those of `records.py`.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

Argument = str | bytes | int | float


class Script:
    """A Lua script, known to the server by its hash once it has seen it."""

    def __init__(self, body: str) -> None:
        """`body` reads KEYS and ARGV."""
        self.body = body
        self.sha = hashlib.sha1(body.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: tuple[str, ...], *arguments: Argument) -> Call:
        """What runs it on these keys."""
        return Call(self, keys, arguments)


class Call(NamedTuple):
    """A script with its keys and arguments."""

    script: Script
    keys: tuple[str, ...]
    arguments: tuple[Argument, ...]

    def by_hash(self) -> tuple[Argument, ...]:
        """The command as it is sent first."""
        return ("EVALSHA", self.script.sha, len(self.keys), *self.keys, *self.arguments)

    def in_full(self) -> tuple[Argument, ...]:
        """The command for a server that does not know the script; from then on it does."""
        return ("EVAL", self.script.body, len(self.keys), *self.keys, *self.arguments)


NOTE = Script("""
-- Notes a session's owner. KEYS: its note. ARGV: worker, attempt, tenant, nonce, expires_ms, version.
-- A claim has a nonce, its own when it is sent again for want of an answer; noting again has none.
-- Gives the verdict and, where it took the session from another worker, which.
local worker, attempt, tenant, nonce, expires_ms, version = unpack(ARGV)
local noted = redis.call('HMGET', KEYS[1], 'owner', 'attempt', 'nonce', 'ended')
local lead = tonumber(attempt) - tonumber(noted[2] or '-1')
if nonce == '' and noted[1] == worker then
  redis.call('HDEL', KEYS[1], 'unreported')
end
if noted[4] then
  return {'ended', ''}
end
if lead == 0 and noted[1] == worker and (nonce == '' or nonce == noted[3]) then
  redis.call('PEXPIRE', KEYS[1], expires_ms)
  return {'granted', ''}
end
if lead <= 0 then
  return {'superseded', ''}
end
redis.call('HSET', KEYS[1], 'version', version, 'owner', worker, 'attempt', attempt, 'tenant', tenant, 'nonce', nonce)
redis.call(unpack(nonce == '' and {'HDEL', KEYS[1], 'unreported'} or {'HSET', KEYS[1], 'unreported', '1'}))
redis.call('PEXPIRE', KEYS[1], expires_ms)
return {'granted', noted[1] ~= worker and noted[1] or ''}
""")

END = Script("""
-- Notes that a noted session is ended. KEYS: its note. ARGV: whether any tenant will do, tenant, expires_ms.
-- Gives its owner, and whether that was yet to report it; nothing where it is not noted, or is another tenant's.
local any, tenant, expires_ms = unpack(ARGV)
local noted = redis.call('HMGET', KEYS[1], 'owner', 'tenant', 'unreported')
if not noted[1] or (any == '0' and noted[2] ~= tenant) then
  return false
end
redis.call('HSET', KEYS[1], 'ended', '1')
redis.call('PEXPIRE', KEYS[1], math.max(expires_ms, redis.call('PTTL', KEYS[1])))
return {noted[1], noted[3] and 1 or 0}
""")

END_OWN = Script("""
-- Notes that a session is ended, and whose it was where nobody is noted. KEYS: its note.
-- ARGV: worker, attempt, tenant, expires_ms, version. Gives its owner.
local worker, attempt, tenant, expires_ms, version = unpack(ARGV)
if redis.call('HSETNX', KEYS[1], 'owner', worker) == 1 then
  redis.call('HSET', KEYS[1], 'version', version, 'attempt', attempt, 'tenant', tenant)
end
redis.call('HSET', KEYS[1], 'ended', '1')
redis.call('PEXPIRE', KEYS[1], math.max(expires_ms, redis.call('PTTL', KEYS[1])))
return redis.call('HGET', KEYS[1], 'owner')
""")

LET_PASS = Script("""
-- Waits for no report of a session. KEYS: its note. ARGV: worker.
if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'unreported')
end
""")

OWNER = Script("""
-- Gives a session's owner, tenant and whether it was ended. KEYS: its note.
return redis.call('HMGET', KEYS[1], 'owner', 'tenant', 'ended')
""")

TELL = Script("""
-- Leaves a notice for a worker. KEYS: its inbox. ARGV: record, most, keep_ms.
redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[2], '*', 'notice', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
""")

LIST = Script("""
-- Lists a worker's sessions. KEYS: its index, its details, its inbox.
-- ARGV: lease_ms, the last notice read, how many ids of sessions that ended, these, then id and record of the others.
-- Gives whether the worker was forgotten, and its notices. The empty name in both shows that they are whole.
-- A session is in the index as s:ID and as t:LENGTH:TENANT:ID; the length keeps tenants with colons apart.
local index, details, inbox = unpack(KEYS)
local lease_ms, last_read, ended = ARGV[1], ARGV[2], tonumber(ARGV[3])
local is_known = redis.call('HEXISTS', details, '') == 1 and redis.call('ZSCORE', index, '')
local function members(session, record)
  local tenant = cjson.decode(record)[2][2]
  return 's:' .. session, 't:' .. #tenant .. ':' .. tenant .. ':' .. session
end
if not is_known then
  redis.call('DEL', index, details)
end
for i = 4, 3 + ended do
  local record = redis.call('HGET', details, ARGV[i])
  if record then
    redis.call('ZREM', index, members(ARGV[i], record))
    redis.call('HDEL', details, ARGV[i])
  end
end
for i = 4 + ended, #ARGV, 2 do
  local by_id, by_tenant = members(ARGV[i], ARGV[i + 1])
  redis.call('HSET', details, ARGV[i], ARGV[i + 1])
  redis.call('ZADD', index, 0, by_id, 0, by_tenant)
end
redis.call('HSET', details, '', '')
redis.call('ZADD', index, 0, '')
redis.call('PEXPIRE', index, lease_ms)
redis.call('PEXPIRE', details, lease_ms)
return {is_known and 0 or 1, redis.call('XRANGE', inbox, '(' .. last_read, '+')}
""")

PAGE = Script("""
-- Gives a worker's sessions in the order of ids. KEYS: its index, its details.
-- ARGV: how their members begin, how those after them do, the id to begin after, how many at most.
local first, beyond, after, limit = unpack(ARGV)
local found = {}
for _, member in ipairs(redis.call('ZRANGEBYLEX', KEYS[1], '(' .. first .. after, '(' .. beyond, 'LIMIT', 0, limit)) do
  found[#found + 1] = redis.call('HGET', KEYS[2], string.sub(member, #first + 1))
end
return found
""")

DETAIL = Script("""
-- Gives one session of a worker. KEYS: its details. ARGV: id.
return redis.call('HGET', KEYS[1], ARGV[1])
""")

DRAW = Script("""
-- Takes from a tenant's bucket, as `bucket.py` says. KEYS: the bucket, what this worker last took from it.
-- ARGV: rate_per_s, number, nonce, keep_ms. What is sent again for want of an answer has the nonce it had.
-- Gives what is left, as text: a number would lose what is behind its point.
local rate, number, nonce, keep_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local known = redis.call('HMGET', KEYS[1], 'left', 'rate', 'seen_ms')
local most = math.max(1, rate)
local left = most
if known[1] then
  local earned = math.max(0, now - known[3]) / 1000 * known[2]
  left = math.min(most, math.max(1, known[2]), known[1] + earned)
end
if redis.call('GET', KEYS[2]) ~= nonce then
  left = left - number
end
redis.call('SET', KEYS[2], nonce, 'PX', keep_ms)
local told = string.format('%.9g', left)
redis.call('HSET', KEYS[1], 'left', told, 'rate', ARGV[1], 'seen_ms', string.format('%.3f', now))
local full_in_ms = math.ceil((most - left) / rate * 1000)
redis.call('PEXPIRE', KEYS[1], string.format('%d', math.max(1, math.min(full_in_ms, 2 ^ 40))))
return told
""")

# The roll of live workers: a lease, a record and the counts of each, and the sums of all counts. Where one of the
# four is missing the others cannot be believed and go, too: with its next report each worker is back on it. Beside
# them is what each has served, and what is left of workers that are gone. KEYS of each script on it: those five.
_ROLL = """
local leases, records, counts, sums, served = unpack(KEYS)
local roll = {leases, records, counts, sums}
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function add(counted, sign)
  for name, number in pairs(cjson.decode(counted)) do
    if redis.call('HINCRBY', sums, name, string.format('%d', sign * number)) <= 0 and name ~= 'sessions' then
      redis.call('HDEL', sums, name)
    end
  end
end
local function strike(worker)
  local counted = redis.call('HGET', counts, worker)
  if counted then
    add(counted, -1)
  end
  redis.call('ZREM', leases, worker)
  redis.call('HDEL', records, worker)
  redis.call('HDEL', counts, worker)
end
"""

ENROL = Script(
    _ROLL
    + """
-- Puts a worker on the roll. ARGV: worker, lease_ms, record, counted, keep_ms, served, most_gone.
-- Of more workers that are gone only the sum stays: that of '', the name of none.
-- Gives the number of live workers, then name and sum of each that the worker counted.
local worker, lease_ms, record, counted, keep_ms, has_served, most_gone = unpack(ARGV)
local now = now_ms()
if redis.call('EXISTS', unpack(roll)) < #roll then
  redis.call('DEL', unpack(roll))
end
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now)) do
  strike(dead)
end
strike(worker)
add(counted, 1)
redis.call('ZADD', leases, now + lease_ms, worker)
redis.call('HSET', records, worker, record)
redis.call('HSET', counts, worker, counted)
redis.call('HSET', served, worker, has_served)
if redis.call('HLEN', served) - redis.call('ZCARD', leases) > tonumber(most_gone) then
  for _, name in ipairs(redis.call('HKEYS', served)) do
    if name ~= '' and not redis.call('ZSCORE', leases, name) then
      redis.call('HINCRBY', served, '', redis.call('HGET', served, name))
      redis.call('HDEL', served, name)
    end
  end
end
local answer = {redis.call('ZCARD', leases)}
for name in pairs(cjson.decode(counted)) do
  answer[#answer + 1] = name
  answer[#answer + 1] = tonumber(redis.call('HGET', sums, name) or 0)
end
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, keep_ms)
end
return answer
"""
)

STRIKE = Script(
    _ROLL
    + """
-- Takes a worker off the roll. ARGV: worker.
strike(ARGV[1])
"""
)

ROLL_CALL = Script(
    _ROLL
    + """
-- Gives who lives; where ARGV[1] is 'records', what the others had served, and the record of each that lives.
local alive = redis.call('ZRANGEBYSCORE', leases, '(' .. now_ms(), '+inf')
if ARGV[1] == 'names' then
  return alive
end
local before = 0
for _, number in ipairs(redis.call('HVALS', served)) do
  before = before + number
end
local found = {}
for nth, worker in ipairs(alive) do
  before = before - (redis.call('HGET', served, worker) or 0)
  found[nth] = redis.call('HGET', records, worker)
end
return {before, found}
"""
)

//! What must happen at once happens in Redis.

use std::sync::LazyLock;

use redis::Script;

/// Admits an attempt by all of its limits, or by none.
///
/// Keys: the slots (a sorted set of leases by the time they end), the minute (a hash). Answers 0 or the limit that
/// refuses (1 parallel, 2 requests, 3 tokens), and the minute.
pub(super) static ADMIT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local minute = math.floor(now / 60000)
local parallel, rpm, tpm = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tokens = tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if parallel >= 0 and redis.call('ZCARD', KEYS[1]) >= parallel then
  return {1, minute}
end
local seen = redis.call('HMGET', KEYS[2], 'minute', 'requests', 'tokens')
local requests, used = 0, 0
if seen[1] and tonumber(seen[1]) == minute then
  requests, used = tonumber(seen[2]), tonumber(seen[3])
end
if rpm >= 0 and requests + 1 > rpm then
  return {2, minute}
end
if tpm >= 0 and used + tokens > tpm then
  return {3, minute}
end
redis.call('HSET', KEYS[2], 'minute', minute, 'requests', requests + 1, 'tokens', used + tokens)
redis.call('PEXPIRE', KEYS[2], 120000)
redis.call('ZADD', KEYS[1], now + ARGV[6], ARGV[5])
redis.call('PEXPIRE', KEYS[1], math.max(ARGV[6] * 2, 1000))
return {0, minute}
",
    )
});

/// Ends an attempt: its slot is free, and what it used beyond its estimate, or did not use, is counted.
///
/// Keys as above.
pub(super) static END: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
redis.call('ZREM', KEYS[1], ARGV[1])
local minute, difference = tonumber(ARGV[2]), tonumber(ARGV[3])
if difference == 0 then
  return 0
end
local seen = redis.call('HMGET', KEYS[2], 'minute', 'tokens')
if not seen[1] then
  return 0
end
if difference > 0 or tonumber(seen[1]) == minute then
  redis.call('HSET', KEYS[2], 'tokens', math.max(0, tonumber(seen[2]) + difference))
end
return 0
",
    )
});

/// Keeps a lease alive that is still there.
pub(super) static RENEW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 2, #ARGV do
  redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[i])
end
redis.call('PEXPIRE', KEYS[1], math.max(ARGV[1] * 2, 1000))
return 0
",
    )
});

/// A rest moves forward only. Key: the rests (a hash of moments by deployment).
pub(super) static COOL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local old = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
if tonumber(ARGV[2]) > old then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
redis.call('PEXPIRE', KEYS[1], 86400000)
return 0
",
    )
});

//! What must happen at once happens in Redis.

use std::sync::LazyLock;

use redis::Script;

/// Admits an attempt by all of its limits, or by none.
///
/// Keys: the slots (a sorted set of leases by the time they end), the minute (a hash), the trial (like the slots). Answers 0
/// or the limit that refuses (1 parallel, 2 requests, 3 tokens, 4 those of prompts, 5 those of answers, 6 somebody else is
/// at the trial), and the minute.
pub(super) static ADMIT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local minute = math.floor(now / 60000)
local parallel, rpm, tpm = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local itpm, otpm = tonumber(ARGV[4]), tonumber(ARGV[5])
local tokens, trial = tonumber(ARGV[6]), ARGV[9] == '1'
if trial then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
  if redis.call('ZCARD', KEYS[3]) > 0 then
    return {6, minute}
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if parallel >= 0 and redis.call('ZCARD', KEYS[1]) >= parallel then
  return {1, minute}
end
local seen = redis.call('HMGET', KEYS[2], 'minute', 'requests', 'tokens', 'input', 'output')
local requests, used, input, output = 0, 0, 0, 0
if seen[1] and tonumber(seen[1]) == minute then
  requests, used = tonumber(seen[2]), tonumber(seen[3])
  input, output = tonumber(seen[4] or '0'), tonumber(seen[5] or '0')
end
if rpm >= 0 and requests + 1 > rpm then
  return {2, minute}
end
if tpm >= 0 and used + tokens > tpm then
  return {3, minute}
end
if itpm >= 0 and input + tokens > itpm then
  return {4, minute}
end
if otpm >= 0 and output + 1 > otpm then
  return {5, minute}
end
redis.call('HSET', KEYS[2], 'minute', minute, 'requests', requests + 1, 'tokens', used + tokens,
  'input', input + tokens, 'output', output)
redis.call('PEXPIRE', KEYS[2], 120000)
redis.call('ZADD', KEYS[1], now + ARGV[8], ARGV[7])
redis.call('PEXPIRE', KEYS[1], math.max(ARGV[8] * 2, 1000))
if trial then
  redis.call('ZADD', KEYS[3], now + ARGV[8], ARGV[7])
  redis.call('PEXPIRE', KEYS[3], math.max(ARGV[8] * 2, 1000))
end
return {0, minute}
",
    )
});

/// Ends attempts at one deployment: their slots are free, and what each used beyond its estimate, or did not use, is counted.
///
/// Keys as above. The argument is a text of words: for each its lease, the minute that it counts for, and how many tokens more
/// it used, then those of prompts and of answers.
pub(super) static END: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local kinds = {'tokens', 'input', 'output'}
local seen = redis.call('HMGET', KEYS[2], 'minute', 'tokens', 'input', 'output')
local now, over, counts = tonumber(seen[1] or nil), {}, {}
local word = string.gmatch(ARGV[1], '%S+')
for lease in word do
  over[#over + 1] = lease
  local minute = tonumber(word())
  for i = 1, 3 do
    local difference = tonumber(word())
    if now and (difference > 0 or difference < 0 and now == minute) then
      counts[i] = math.max(0, (counts[i] or tonumber(seen[1 + i] or '0')) + difference)
    end
  end
end
redis.call('ZREM', KEYS[1], unpack(over))
redis.call('ZREM', KEYS[3], unpack(over))
for i, count in pairs(counts) do
  redis.call('HSET', KEYS[2], kinds[i], count)
end
return 0
",
    )
});

/// Keeps leases alive, also in a Redis that does not know them yet.
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

/// Adds to what was spent of budgets, whose windows begin with the first spending and anew after their end.
///
/// Key: what was spent (a hash of `nanos:until` by budget). Arguments, for each: the budget, how much, and the end of a window
/// that begins now.
pub(super) static SPEND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 1, #ARGV, 3 do
  local nanos, ends = tonumber(ARGV[i + 1]), ARGV[i + 2]
  local seen = redis.call('HGET', KEYS[1], ARGV[i])
  if seen then
    local spent, old = string.match(seen, '^(%d+):(%d+)$')
    if spent and tonumber(old) > now then
      nanos, ends = nanos + tonumber(spent), old
    end
  end
  redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f', nanos) .. ':' .. ends)
end
return 0
",
    )
});

/// A rest moves forward only. Keys: the rests (a hash of moments by deployment), the deployment's trial, which nobody begins
/// before they can have heard of the rest.
pub(super) static COOL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local old = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
if tonumber(ARGV[2]) > old then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
redis.call('PEXPIRE', KEYS[1], 86400000)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local heard = math.min((tonumber(ARGV[2]) - now) / 2, 1000)
if heard > 0 then
  redis.call('ZADD', KEYS[2], now + heard, 'rest')
  redis.call('PEXPIRE', KEYS[2], math.max(redis.call('PTTL', KEYS[2]), 1000))
end
return 0
",
    )
});

//! What must happen at once happens in Redis, by Redis' own clock.

use std::sync::LazyLock;

use redis::Script;

/// Takes all that a request wants, or none of it, in one round trip.
///
/// Keys: for each want its window (a hash: `b` when it began, then the counts `r`, `t`, `i`, `o`, `s`) and its slots (a
/// sorted set of requests by the time that they count as gone). Arguments: the request, how long its slots last, and for
/// each want the window's length, six limits (negative: none), six amounts, and 0 or 1 with what the instance knows of the
/// window: its beginning (negative: unknown), its age, six counts as they were, six that came since.
///
/// Answers which want refuses (from 1; 0: none) and for what, then of each want its window's beginning, the time to its
/// end, and its six counts.
pub(super) static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease, life = ARGV[1], tonumber(ARGV[2])
local next = 2
local function read()
  next = next + 1
  return tonumber(ARGV[next])
end
local function six()
  return {read(), read(), read(), read(), read(), read()}
end
local function whole(number)
  return string.format('%.0f', number)
end
local wants, refused, kind = {}, 0, 0
for i = 1, #KEYS / 2 do
  local window, slots = KEYS[2 * i - 1], KEYS[2 * i]
  local length, limits, asks = read(), six(), six()
  local seen = redis.call('HMGET', window, 'b', 'r', 't', 'i', 'o', 's')
  local begun, counts, told = tonumber(seen[1] or nil), {0, 0, 0, 0, 0, 0}, false
  if begun and now < begun + length then
    for k = 2, 6 do counts[k] = tonumber(seen[k] or '0') end
  else
    begun = nil
  end
  if read() == 1 then
    local from, age, known, apart = read(), read(), six(), six()
    if from < 0 then from = now - age end
    if from <= now and now < from + length then
      begun, told = begun or from, true
      for k = 2, 6 do
        if begun == from then counts[k] = math.max(counts[k], known[k]) end
        counts[k] = counts[k] + apart[k]
      end
    end
  end
  begun = begun or now
  if limits[1] >= 0 then
    redis.call('ZREMRANGEBYSCORE', slots, '-inf', now)
    counts[1] = redis.call('ZCARD', slots)
  end
  if refused == 0 then
    for k = 1, 6 do
      if limits[k] >= 0 and counts[k] + asks[k] > limits[k] then
        refused, kind = i, k - 1
        break
      end
    end
  end
  wants[i] = {begun, length, limits, asks, counts, told}
end
local answer = {refused, kind}
for i = 1, #KEYS / 2 do
  local window, slots = KEYS[2 * i - 1], KEYS[2 * i]
  local begun, length, limits, asks, counts, told = unpack(wants[i])
  if refused == 0 then
    for k = 1, 6 do counts[k] = counts[k] + asks[k] end
    if limits[1] >= 0 then
      redis.call('ZADD', slots, whole(now + life), lease)
      redis.call('PEXPIRE', slots, whole(life * 2))
    end
  end
  if refused == 0 or told then
    redis.call('HSET', window, 'b', whole(begun), 'r', whole(counts[2]), 't', whole(counts[3]), 'i', whole(counts[4]),
      'o', whole(counts[5]), 's', whole(counts[6]))
    redis.call('PEXPIRE', window, whole(begun + length - now))
  end
  answer[#answer + 1] = begun
  answer[#answer + 1] = begun + length - now
  for k = 1, 6 do answer[#answer + 1] = counts[k] end
end
return answer
",
    )
});

/// Ends requests: their slots are free, and windows that still last are corrected.
///
/// Keys as above. Arguments: for each the request, when its window began, and five differences.
pub(super) static END: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local names = {'r', 't', 'i', 'o', 's'}
for i = 1, #KEYS / 2 do
  local window, slots, at = KEYS[2 * i - 1], KEYS[2 * i], 7 * (i - 1)
  redis.call('ZREM', slots, ARGV[at + 1])
  if redis.call('HGET', window, 'b') == ARGV[at + 2] then
    for k = 1, 5 do
      local change = ARGV[at + 2 + k]
      if change ~= '0' and redis.call('HINCRBY', window, names[k], change) < 0 then
        redis.call('HSET', window, names[k], 0)
      end
    end
  end
end
return 0
",
    )
});

/// Keeps requests under way that are. Keys: slots. Arguments: how long they last from now, and for each key the request.
pub(super) static RENEW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local life = tonumber(ARGV[1])
for i = 1, #KEYS do
  redis.call('ZADD', KEYS[i], string.format('%.0f', now + life), ARGV[i + 1])
  redis.call('PEXPIRE', KEYS[i], string.format('%.0f', life * 2))
end
return 0
",
    )
});

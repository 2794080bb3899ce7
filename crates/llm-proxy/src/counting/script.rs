//! What must happen at once happens in Redis, by Redis' own clock.

use std::sync::LazyLock;

use redis::Script;

/// Takes all that each of some requests wants, or none of it, one after the other, in one round trip.
///
/// Keys: for each want its window (a hash: `b` when it began, then the counts `r`, `t`, `i`, `o`, `s`) and its slots (a
/// sorted set of requests by the time that they count as gone). Arguments: the instance's name, and one text of numbers, since
/// each argument of its own would be taken apart on both sides: how long slots last, how many requests there are and their
/// leases, how many more are to be counted behind them, as far as there is room, and the first one's lease if there are any, and
/// for each want the window's length, six limits (negative: none), 0 or 1 with what the instance knows of the window (its
/// beginning, negative if unknown, its age, six counts as they were, six that came since), six amounts for each request, and six
/// for each of the others.
///
/// Answers a text of numbers: for each request which want refuses (from 1; 0: none) and for what, how many more were counted,
/// then of each want its window's beginning, the time to its end, and its six counts.
pub(super) static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local word = string.gmatch(ARGV[2], '%S+')
local function read()
  return tonumber(word())
end
local function six()
  return {read(), read(), read(), read(), read(), read()}
end
local function whole(number)
  return string.format('%.0f', number)
end
local life, requests, names = read(), read(), {}
for r = 1, requests do names[r] = ARGV[1] .. ':' .. word() end
local more, first = read(), 0
if more > 0 then first = read() end
local wants = {}
for i = 1, #KEYS / 2 do
  local window, slots = KEYS[2 * i - 1], KEYS[2 * i]
  local length, limits = read(), six()
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
  local asks = {}
  for r = 1, requests do asks[r] = six() end
  if more > 0 then asks[requests + 1] = six() end
  wants[i] = {begun, length, limits, asks, counts, told}
end
local function refusal(r)
  for i = 1, #wants do
    local limits, asks, counts = wants[i][3], wants[i][4][r], wants[i][5]
    for k = 1, 6 do
      if limits[k] >= 0 and counts[k] + asks[k] > limits[k] then return i, k - 1 end
    end
  end
  return 0, 0
end
local answer, taken = {}, {}
for r = 1, requests do
  local refused, kind = refusal(r)
  if refused == 0 then
    taken[#taken + 1] = names[r]
    for i = 1, #wants do
      local asks, counts = wants[i][4][r], wants[i][5]
      for k = 1, 6 do counts[k] = counts[k] + asks[k] end
    end
  end
  answer[#answer + 1] = refused
  answer[#answer + 1] = kind
end
if more > 0 then
  for i = 1, #wants do
    local limits, asks, counts = wants[i][3], wants[i][4][requests + 1], wants[i][5]
    for k = 1, 6 do
      if limits[k] >= 0 and asks[k] > 0 then
        more = math.min(more, math.max(0, math.floor((limits[k] - counts[k]) / asks[k])))
      end
    end
  end
  for i = 1, #wants do
    local asks, counts = wants[i][4][requests + 1], wants[i][5]
    for k = 1, 6 do counts[k] = counts[k] + more * asks[k] end
  end
  for m = 1, more do taken[#taken + 1] = ARGV[1] .. ':' .. whole(first + m - 1) end
end
answer[#answer + 1] = more
for i = 1, #wants do
  local window, slots = KEYS[2 * i - 1], KEYS[2 * i]
  local begun, length, limits, asks, counts, told = unpack(wants[i])
  for k = 1, 6 do counts[k] = whole(counts[k]) end
  if #taken > 0 and limits[1] >= 0 then
    local ends, added = whole(now + life), {}
    for r = 1, #taken do
      added[2 * r - 1], added[2 * r] = ends, taken[r]
    end
    redis.call('ZADD', slots, unpack(added))
    redis.call('PEXPIRE', slots, whole(life * 2))
  end
  if #taken > 0 or told then
    redis.call('HSET', window, 'b', whole(begun), 'r', counts[2], 't', counts[3], 'i', counts[4], 'o', counts[5],
      's', counts[6])
    redis.call('PEXPIRE', window, whole(begun + length - now))
  end
  answer[#answer + 1] = whole(begun)
  answer[#answer + 1] = whole(begun + length - now)
  for k = 1, 6 do answer[#answer + 1] = counts[k] end
end
return table.concat(answer, ' ')
",
    )
});

/// Ends requests: their slots are free, and windows that still last are corrected.
///
/// Keys: for each counter its window and its slots, as above. Arguments: the instance's name, and for each counter a text of
/// numbers: for each request its lease, when its window began, and five differences.
pub(super) static END: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local kinds = {'r', 't', 'i', 'o', 's'}
for i = 1, #KEYS / 2 do
  local window, slots = KEYS[2 * i - 1], KEYS[2 * i]
  local begun, over, changes = redis.call('HGET', window, 'b'), {}, {0, 0, 0, 0, 0}
  local word = string.gmatch(ARGV[1 + i], '%S+')
  for lease in word do
    over[#over + 1] = ARGV[1] .. ':' .. lease
    local lasts = word() == begun
    for k = 1, 5 do
      local change = tonumber(word())
      if lasts then changes[k] = changes[k] + change end
    end
  end
  redis.call('ZREM', slots, unpack(over))
  for k = 1, 5 do
    local change = changes[k]
    if change ~= 0 and redis.call('HINCRBY', window, kinds[k], string.format('%.0f', change)) < 0 then
      redis.call('HSET', window, kinds[k], 0)
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

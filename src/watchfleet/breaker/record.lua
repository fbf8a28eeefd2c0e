-- What a call came to. -> {whether it counted, state, transition}
-- ARGV after the policy: outcome, whether it was slow, microseconds
local OUTCOME, SLOW, MICROSECONDS = ARGV[13], tonumber(ARGV[14]), ARGV[15]
local GENERATION, TICKET
local BUCKETS = 60

local function trial()
  local running, mine = {}, false
  for ticket, expiry in string.gmatch(trials, '(%d+)=(%d+)') do
    if ticket == TICKET then mine = true else running[#running + 1] = ticket .. '=' .. expiry end
  end
  if not mine then return 0 end
  if OUTCOME == 'failed' then failed = failed + 1 elseif OUTCOME == 'successful' then passed = passed + 1 end
  slow = slow + SLOW
  redis.call('HSET', KEYS[1], 'trials', table.concat(running, ','), 'passed', passed, 'failed', failed,
    'slow', slow)
  if failed * 100 >= PERMITS * FAILURE_RATE then
    open('trials_failed')
  elseif slow * 100 >= PERMITS * SLOW_RATE then
    open('trials_slow')
  elseif passed + failed >= PERMITS then
    turn('CLOSED', 'trials_passed', 'openings', 0)
  end
  return 1
end

-- The window's totals by code: bit 0 failed, bit 1 slow.
local function totals_of_window(shape)
  local window = redis.call('HMGET', KEYS[2], 'shape', 'head', 'n0', 'n1', 'n2', 'n3')
  if window[1] ~= shape then
    redis.call('DEL', KEYS[2])
    return nil, {0, 0, 0, 0}
  end
  local totals = {}
  for code = 0, 3 do totals[code + 1] = tonumber(window[code + 3]) end
  return tonumber(window[2]), totals
end

local function numbers(text)
  local found = {0, 0, 0, 0}
  local place = 1
  for number in string.gmatch(text or '', '%d+') do
    found[place] = tonumber(number)
    place = place + 1
  end
  return found
end

local function add_to_ring(head, totals, code)
  head = head or 0
  local slot = 'c' .. head % SIZE
  local forgotten = redis.call('HGET', KEYS[2], slot)
  if forgotten then totals[forgotten + 1] = totals[forgotten + 1] - 1 end
  return head + 1, slot, code
end

local function forget_bucket(slot, totals)
  for code, count in ipairs(numbers(redis.call('HGET', KEYS[2], slot))) do
    totals[code] = totals[code] - count
  end
  redis.call('HDEL', KEYS[2], slot)
end

local function add_to_bucket(head, totals, code)
  local bucket = math.max(math.floor(now / math.ceil(SIZE / BUCKETS)), head or 0)
  for passing = math.max((head or bucket) + 1, bucket - BUCKETS + 1), bucket do
    forget_bucket('b' .. passing % BUCKETS, totals)
  end
  local slot = 'b' .. bucket % BUCKETS
  local counts = numbers(redis.call('HGET', KEYS[2], slot))
  counts[code + 1] = counts[code + 1] + 1
  return bucket, slot, table.concat(counts, ',')
end

local function window()
  local shape = WINDOW .. ' ' .. SIZE
  local head, totals = totals_of_window(shape)
  local code = (OUTCOME == 'failed' and 1 or 0) + 2 * SLOW
  local add = WINDOW == 'count' and add_to_ring or add_to_bucket
  local slot, content
  head, slot, content = add(head, totals, code)
  totals[code + 1] = totals[code + 1] + 1
  redis.call('HSET', KEYS[2], 'shape', shape, 'head', head, 'n0', totals[1], 'n1', totals[2], 'n2', totals[3],
    'n3', totals[4], slot, content)
  redis.call('PEXPIRE', KEYS[2], TTL)
  local calls = totals[1] + totals[2] + totals[3] + totals[4]
  if state ~= 'CLOSED' or calls < MINIMUM then return end
  if (totals[2] + totals[4]) * 100 >= calls * FAILURE_RATE then
    open('failure_rate')
  elseif (totals[3] + totals[4]) * 100 >= calls * SLOW_RATE then
    open('slow_call_rate')
  end
end

local function record()
  if state == 'DISABLED' then return {0, state, transition} end
  redis.call('HINCRBY', KEYS[1], 'calls_' .. OUTCOME, 1)
  redis.call('HINCRBY', KEYS[1], 'micros_' .. OUTCOME, MICROSECONDS)
  local counted = 0
  if generation == GENERATION and state == 'HALF_OPEN' then
    counted = trial()
  elseif generation == GENERATION and state ~= 'FORCED_OPEN' and OUTCOME ~= 'ignored' then
    window()
    counted = 1
  end
  -- What an operator decided does not lapse.
  if state ~= 'FORCED_OPEN' and state ~= 'METRICS_ONLY' then redis.call('PEXPIRE', KEYS[1], TTL) end
  return {counted, state, transition}
end

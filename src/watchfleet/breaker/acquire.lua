-- May a call be made? -> {allowed, generation, ticket of a trial, milliseconds to wait, state, transition}
local function answer(allowed, ticket, wait)
  return {allowed, generation, ticket, wait, state, transition}
end

local function acquire()
  if state == 'CLOSED' or state == 'METRICS_ONLY' or state == 'DISABLED' then return answer(1, 0, 0) end
  if state == 'FORCED_OPEN' then return answer(0, 0, -1) end

  if state == 'HALF_OPEN' and LONGEST_HALF_OPEN > 0 and now - tonumber(held[5]) >= LONGEST_HALF_OPEN then
    open('half_open_too_long')
  end
  if state == 'OPEN' then
    if now < open_until then return answer(0, 0, open_until - now) end
    trials, passed, failed, slow = '', 0, 0, 0
    turn('HALF_OPEN', 'wait_over', 'trials', '', 'passed', 0, 'failed', 0, 'slow', 0)
    redis.call('DEL', KEYS[2])
  end

  local running, soonest = {}, now + LEASE
  for ticket, expiry in string.gmatch(trials, '(%d+)=(%d+)') do
    if tonumber(expiry) > now then
      running[#running + 1] = ticket .. '=' .. expiry
      soonest = math.min(soonest, tonumber(expiry))
    end
  end
  if #running + passed + failed >= PERMITS then return answer(0, 0, soonest - now) end
  local ticket = redis.call('HINCRBY', KEYS[1], 'tickets', 1)
  running[#running + 1] = string.format('%d=%d', ticket, now + LEASE)
  trials = table.concat(running, ',')
  redis.call('HSET', KEYS[1], 'trials', trials)
  return answer(1, ticket, 0)
end

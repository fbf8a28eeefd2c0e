-- What both scripts begin with: the policy, the clock and the state, and how one state turns into another.
-- KEYS: the state, the window and the transitions of one breaker, in one slot of a cluster.
-- ARGV: see Policy.arguments.
local WINDOW, SIZE = ARGV[1], tonumber(ARGV[2])
local MINIMUM, FAILURE_RATE, SLOW_RATE = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local WAIT, GROWTH, LONGEST_WAIT = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local PERMITS, LEASE, LONGEST_HALF_OPEN = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local TTL = ARGV[12]
local KEPT_TRANSITIONS = 100

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 'state', 'generation', 'until', 'openings', 'since', 'trials',
  'passed', 'failed', 'slow')
local state = held[1] or 'CLOSED'
local generation = tonumber(held[2] or 0)
local open_until = tonumber(held[3] or 0)
local trials = held[6] or ''
local passed, failed, slow = tonumber(held[7] or 0), tonumber(held[8] or 0), tonumber(held[9] or 0)
local transition = ''

local function turn(to, reason, ...)
  generation = generation + 1
  redis.call('HSET', KEYS[1], 'state', to, 'generation', generation, 'since', now, ...)
  redis.call('LPUSH', KEYS[3], string.format('%d %s %s %s', now, state, to, reason))
  redis.call('LTRIM', KEYS[3], 0, KEPT_TRANSITIONS - 1)
  redis.call('PEXPIRE', KEYS[1], TTL)
  redis.call('PEXPIRE', KEYS[3], TTL)
  transition = state .. ' ' .. to .. ' ' .. reason
  state = to
end

local function open(reason)
  local openings = tonumber(held[4] or 0)
  open_until = now + math.floor(math.min(WAIT * GROWTH ^ openings, LONGEST_WAIT))
  turn('OPEN', reason, 'until', open_until, 'openings', openings + 1)
end

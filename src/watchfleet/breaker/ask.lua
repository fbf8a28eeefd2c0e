-- Who asks for a call and is refused is counted.
local permit = acquire()
if permit[1] == 0 then redis.call('HINCRBY', KEYS[1], 'not_permitted', 1) end
return permit

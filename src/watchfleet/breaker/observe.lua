-- A call that was made anyway counts as the one that would be permitted now, if any. -> whether it counted
local permit = acquire()
if permit[1] == 0 then return 0 end
GENERATION, TICKET = permit[2], tostring(permit[3])
return record()[1]

-- A call tells its permit's generation and ticket last.
GENERATION, TICKET = tonumber(ARGV[16]), ARGV[17]
return record()

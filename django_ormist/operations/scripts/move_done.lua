-- Remove objects from the journal of a move, whose former keys are gone.
--
-- KEYS     1 journal of the move (hash)
-- ARGV     1 token of the run of the move  2 "1" at the end of the move  3.. ids
-- RETURNS  1 removed; {9} a later run of the move has begun: nothing was removed
-- COST     O(ids)

local token, is_last = ARGV[1], ARGV[2] == '1'

if redis.call('HGET', KEYS[1], 'token') ~= token then
  return {9}
end
for i = 3, #ARGV do
  redis.call('HDEL', KEYS[1], 'o:' .. ARGV[i])
end
if is_last and redis.call('HLEN', KEYS[1]) == 1 then
  redis.call('DEL', KEYS[1])
end
return 1

-- Move a key of the wrong type to quarantine.
--
-- KEYS     1 the key  2 its new name
-- ARGV     1 the type that it should have, "" for a name that django_ormist does not use
--          2 for how many ms it is kept
-- RETURNS  1 moved; 0 it has that type by now, or is gone
-- COST     O(1)
-- DERIVED  the new name with the time appended, where that name is taken

local kind, kept_ms = ARGV[1], tonumber(ARGV[2])
local _, now_us = clock()

-- INCLUDE quarantine_key

local found = redis.call('TYPE', KEYS[1])['ok']
if found == kind or found == 'none' then
  return 0
end
quarantine_key(KEYS[1], KEYS[2])
return 1

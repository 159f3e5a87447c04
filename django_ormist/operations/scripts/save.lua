-- Write one object, its index entries, its expiry and its counters, in one step.
--
-- KEYS     1 object (string)  2 all (sorted set)  3 expires (sorted set)
--          4 memos (hash)  5 counters (hash)
--          6.. sorted sets of the terms it loses, then of those it gains; then of
--          each ordered attribute that changes the entries (sorted set) and the sort
--          keys (hash); then the values of each unique one that changes (hash)
-- ARGV     1 id  2 the bytes that must be stored now, "" for none  3 new bytes
--          4 deadline in ms, "+" and a lifetime in ms, "" for none
--          5 a letter for each fact: "i" the model is indexed, "c" it has counters,
--          "e" the old bytes had a deadline
--          6 memo, "" for none; it may be left out with what follows
--          7 number of terms lost; it may be left out with what follows if that is
--          all 0 or nothing
--          8 of ordered attributes  9 of unique ones  10 of counters that must have a
--          value now; all three may be left out if they are 0 and no counter follows
--          11.. a sort key for each ordered attribute, "" for none; then for each
--          unique one the old and the new value, "" for none; then names and values of
--          counters: those that must have them, then those that get them
-- RETURNS  1 written; of a lifetime now in ms, an integer
--          {0, stored} the stored bytes are others (false: none are stored)
--          {2} no object, but index entries without a memo
--          {3} the deadline is past: nothing was written
--          {5, number, id} that unique value is held by this object
--          {7} a counter has another value
--          {-1, key} the key holds another type: nothing was written
--          TRYAGAIN keys of this slot are moving, and are needed: nothing was written
-- COST     O((entries + swept) log n)
-- DERIVED  the objects that hold unique values; the entries in the memo of an object that
--          expired and was not yet swept

-- These are no functions: to make one and call it takes 0.3 us.
if ARGV[2] == '' then
  -- DEFINE clock
  -- INCLUDE insert
elseif ARGV[4] == '' and ARGV[5] == 'i' and ARGV[7] and not ARGV[8] then
  -- INCLUDE change_terms
end
-- DEFINE clock refusal mistyped mistyped_ordered is_moving TRY_AGAIN peek_expired entry release
local is_free = false  -- no value that is held is given up
local is_anew = false
-- INCLUDE check_save
-- INCLUDE write_save
if expired then
  -- DEFINE sweep
  if was_expiring then
    -- The object may be among them: up to Redis 7.0 the clock runs on during a script, and
    -- the bytes stay when the old deadline passes.
    expired = peek_expired(KEYS[3])
  end
  sweep(base, expired)
end
return is_lifetime and clock() or 1

-- Keeps or replaces a record.
-- KEYS: record. ARGV: not after (ms), record, its life (ms) or ''.
-- Gives 1: done, -1: too late.
if is_late() then return -1 end
keep(ARGV[2])
return 1

/**
 * @module
 * The Lua scripts. Redis runs each as one step: nobody sees a part of it. Every key that one writes is passed to it,
 * so a client may prefix keys, and answers are strings, so that all clients decode them alike.
 *
 * A session is three keys in one slot: its place and record (see `keys.ts`), a stream of entries with the id `<seq>-0`,
 * and a hash of callers' ids to positions. What can fail for a key of another type comes before anything is written.
 * Where memory is short Redis refuses a script at its first write, if that one adds something, and never later: so
 * nothing is deleted first.
 *
 * What costs is each call of Redis and each argument, some 0.4 µs: small things are parts of one line of text.
 *
 * @see https://redis.io/docs/latest/develop/programmability/eval-intro/
 */

/**
 * `endOf`: when a session goes, "-" for never: its own end, or so long after this commit if that is sooner.
 *
 * `keptIn`: the value of a record's key without its third line, and that line: until when it is kept for others ("-" it
 * isn't, "inf" for ever), how many have begun to inherit from it, and when Redis drops it.
 *
 * `keep`: keeps a session, whose three keys begin at number `at`, at least until then. Redis drops all three in the same
 * millisecond.
 */
const EXPIRY = `
local call, find, match, sub = redis.call, string.find, string.match, string.sub
local function endOf(expiresAt, ttlMs)
  if ttlMs == '-' then return expiresAt end
  local clock = call('TIME')
  local ends = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000) + tonumber(ttlMs)
  if expiresAt ~= '-' and tonumber(expiresAt) <= ends then return expiresAt end
  return string.format('%.0f', ends)
end
local function keptIn(value, from)
  local stop = find(value, '\\n', from, true)
  if not stop then return value, '-', '0', '-' end
  return sub(value, 1, stop - 1), match(value, '^(%S+) (%d+) (%S+)', stop + 1)
end
local function keep(at, ends, isNewHeir)
  local value = call('GET', KEYS[at])
  if not value then return end
  local text, kept, heirs, own = keptIn(value, (find(value, '\\n', 1, true) or 0) + 1)
  local isLonger = kept ~= 'inf' and (ends == '-' or kept == '-' or tonumber(kept) < tonumber(ends))
  if not (isLonger or isNewHeir) then return end
  local was = own
  if isNewHeir then heirs = string.format('%.0f', heirs + 1) end
  if isLonger then
    kept = ends == '-' and 'inf' or ends
    if ends == '-' or (own ~= '-' and tonumber(own) < tonumber(ends)) then own = own == '-' and own or ends end
  end
  call('SET', KEYS[at], text .. '\\n' .. kept .. ' ' .. heirs .. ' ' .. own)
  if was == '-' then return end
  for i = at, at + 2 do
    if own == '-' then call('PERSIST', KEYS[i]) else call('PEXPIREAT', KEYS[i], own) end
  end
end
`;

/** The parts of a place, and where what follows it begins. */
const PLACE = "'^(%S+) (%d+) (%x+) (%x+) (%S+) ([^\\n]*)\\n()'";

/**
 * Keeps a session for one that inherits from it; for a Cluster, where the two are in different slots.
 *
 * KEYS: record, entries, ids. ARGV: the heir's expiresAt or "-", its ttlMs or "-", how much longer in milliseconds, as the
 * nodes' clocks differ, and "1" where the heir is new.
 */
export const KEEP_SCRIPT = `${EXPIRY}
local ends = endOf(ARGV[1], ARGV[2])
if ends ~= '-' then ends = string.format('%.0f', tonumber(ends) + tonumber(ARGV[3])) end
keep(1, ends, ARGV[4] == '1')
return ''
`;

/**
 * Applies commits to sessions: those of one in order, each atomic.
 *
 * KEYS: record, entries and ids of each session, and index keys, which are named by number. ARGV, for each session: the
 * number of its first key, how many commits, and its id as members hold it. Then for each commit a line, place and record
 * as one text, and the text of each entry, with its id or "" before it where the line has an "i". The line: expected
 * version, first seq, number of entries, indexes by time of change ("-" in a Cluster, whose indexes are in other slots),
 * and where any of these is not "-": expiresAt, ttlMs, indexes by time of creation, that of expiries, the former indexes
 * by time of change, the sessions to keep for this one, and the kind that goes with the former indexes. Several numbers
 * are separated by commas.
 *
 * Answers `ok` where that is all there is to say, or for each: `ok`, in a Cluster with the former place, where there is
 * one; `conflict` and the record or ""; `duplicate`, the id and its seq; `torn` where the record is there and its log is
 * not; `damaged` where the record can't be read; `moved` and the present place where the rows to be taken out are not
 * those that were named, and `later` for what was to follow that; `failed` and why, where a key is of another type or the
 * log is ahead.
 */
export const COMMIT_SCRIPT = `${EXPIRY}
local gmatch = string.gmatch
local at = 0
local function apply(first, idPart, isLate)
  local text, from = ARGV[at + 1], at + 2
  local expected, seq, count, ids, indexes, rest, start =
    match(text, '^(%S+) (%d+) (%d+)(i?) (%S+) ?([^\\n]*)\\n()')
  count = tonumber(count)
  local step = ids == 'i' and 2 or 1
  at = at + 1 + count * step
  if isLate then return { 'later' } end
  local token, _, created, updated, expires, kind, body = match(text, ${PLACE}, start)
  local old = call('GET', KEYS[first])
  local oldToken, version, oldCreated, oldUpdated, oldExpires, oldKind, oldBody
  if old then
    oldToken, version, oldCreated, oldUpdated, oldExpires, oldKind, oldBody = match(old, ${PLACE})
    if not oldToken then return { 'damaged' } end
    if oldToken == token then return 'ok' end
    for i = 0, step == 2 and count - 1 or -1 do
      local id = ARGV[from + i * 2]
      if id ~= '' then
        local taken = call('HGET', KEYS[first + 2], id)
        if taken then return { 'duplicate', id, taken } end
      end
    end
    if version ~= expected or oldCreated ~= created then
      return { 'conflict', sub((keptIn(old, oldBody)), oldBody) }
    end
    if call('XLEN', KEYS[first + 1]) == 0 then return { 'torn' } end
  elseif expected ~= '0' then
    return { 'conflict', '' }
  elseif call('EXISTS', KEYS[first + 1], KEYS[first + 2]) > 0 then
    call('DEL', KEYS[first + 1], KEYS[first + 2])
  end
  local expiresAt, ttlMs, creations, expiries, oldIndexes, kept, knownKind = '-', '-', '-', '-', '-', '-', ''
  if rest ~= '' then
    expiresAt, ttlMs, creations, expiries, oldIndexes, kept, knownKind =
      match(rest, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) ?(.*)$')
  end
  local former = indexes
  if old and indexes ~= '-' and (oldKind ~= kind or (oldExpires ~= '-' and expiries == '-')) then
    if oldKind ~= kind then former = oldIndexes end
    if (oldKind ~= kind and oldKind ~= knownKind) or (oldExpires ~= '-' and expiries == '-') then
      return { 'moved', sub(old, 1, oldBody - 2) }
    end
  end
  local member = updated .. idPart .. token
  for index in gmatch(indexes, '%d+') do call('ZADD', KEYS[tonumber(index)], '0', member) end
  for index in gmatch(creations, '%d+') do call('ZADD', KEYS[tonumber(index)], '0', created .. idPart) end
  if expires ~= '-' and expiries ~= '-' then
    call('ZADD', KEYS[tonumber(expiries)], '0', expires .. idPart .. sub(text, start, body - 2))
  end
  for i = 0, count - 1 do
    local position = i == 0 and seq or string.format('%.0f', seq + i)
    call('XADD', KEYS[first + 1], position .. '-0', 'e', ARGV[from + i * step + step - 1])
    if step == 2 and ARGV[from + i * 2] ~= '' then
      call('HSET', KEYS[first + 2], ARGV[from + i * 2], position)
    end
  end
  local keptUntil, heirs, oldEnds = '-', '0', '-'
  if old then _, keptUntil, heirs, oldEnds = keptIn(old, oldBody) end
  local ends = endOf(expiresAt, ttlMs)
  for heir in gmatch(kept, '%d+') do keep(tonumber(heir), ends, not old) end
  if keptUntil == 'inf' then
    ends = '-'
  elseif keptUntil ~= '-' and ends ~= '-' and tonumber(keptUntil) > tonumber(ends) then
    ends = keptUntil
  end
  local value = sub(text, start)
  if keptUntil ~= '-' or heirs ~= '0' or ends ~= '-' then
    value = value .. '\\n' .. keptUntil .. ' ' .. heirs .. ' ' .. ends
  end
  call('SET', KEYS[first], value)
  if ends ~= '-' then
    for i = first, first + 2 do call('PEXPIREAT', KEYS[i], ends) end
  elseif oldEnds ~= '-' then
    call('PERSIST', KEYS[first + 1])
    call('PERSIST', KEYS[first + 2])
  end
  if not old then return 'ok' end
  if indexes == '-' then return { 'ok', sub(old, 1, oldBody - 2) } end
  member = oldUpdated .. idPart .. oldToken
  for index in gmatch(former, '%d+') do redis.pcall('ZREM', KEYS[tonumber(index)], member) end
  if oldExpires ~= '-' then
    redis.pcall('ZREM', KEYS[tonumber(expiries)], oldExpires .. idPart .. sub(old, 1, oldBody - 2))
  end
  return 'ok'
end
local outcomes, isPlain = {}, true
while at < #ARGV do
  local first, count, idPart = match(ARGV[at + 1], '^(%d+) (%d+) (.*)$')
  local isLate = false
  first = tonumber(first)
  at = at + 1
  for _ = 1, tonumber(count) do
    local isRun, outcome = pcall(apply, first, idPart, isLate)
    if not isRun then
      local why = type(outcome) == 'table' and outcome.err or tostring(outcome)
      why = string.gsub(why, '^@?user_script:%s*%d+:%s*', '')
      -- What is not of this one session is the answer to all, so that the client learns of it as of any other error.
      if not (find(why, '^WRONGTYPE') or find(why, 'XADD is equal or smaller', 1, true)) then
        return { err = find(why, '^%u+ ') and why or 'ERR ' .. why }
      end
      outcome = { 'failed', why }
    end
    if outcome ~= 'ok' then
      isPlain = false
      isLate = isLate or outcome[1] == 'moved' or outcome[1] == 'failed'
    end
    outcomes[#outcomes + 1] = outcome
  end
end
return isPlain and 'ok' or outcomes
`;

/**
 * Removes one session where it is still at `place`, and where no others have begun to inherit from it than that many.
 *
 * KEYS: record, entries, ids, then the index key of each row. ARGV: place ("" where there is none), how many have begun
 * to inherit or "" for any, then a member for each index key. Answers `removed` or `none`; or `moved` and the present
 * place, with nothing changed.
 */
export const REMOVE_SCRIPT = `${EXPIRY}
local value = call('GET', KEYS[1]) or ''
local stop = find(value, '\\n', 1, true) or 1
local place = sub(value, 1, stop - 1)
local _, _, heirs = keptIn(value, stop + 1)
if place ~= ARGV[1] or (ARGV[2] ~= '' and heirs ~= ARGV[2]) then return { 'moved', place } end
local count = call('DEL', KEYS[1], KEYS[2], KEYS[3])
for i = 4, #KEYS do redis.pcall('ZREM', KEYS[i], ARGV[i - 1]) end
if count > 0 then return { 'removed' } end
return { 'none' }
`;

/**
 * Reads rows of an index and what is held of each session in them. For one server alone: names of records are made from
 * the members, as `keysOf` makes them.
 *
 * KEYS: the index. ARGV: highest and lowest member, count, the bytes of the index key without what the client itself
 * puts before keys, what record keys begin with. Answers the members and, in a list of its own, a value for each.
 */
export const LIST_SCRIPT = `
local head = string.sub(KEYS[1], 1, #KEYS[1] - tonumber(ARGV[4])) .. ARGV[5]
local find, sub = string.find, string.sub
local function percent(byte) return string.format('%%%02X', string.byte(byte)) end
local members = ARGV[1] == '+' and ARGV[2] == '-'
  and redis.call('ZREVRANGE', KEYS[1], '0', ARGV[3] - 1)
  or redis.call('ZREVRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', '0', ARGV[3])
if #members == 0 then return {} end
local names = {}
for i = 1, #members do
  local member = members[i]
  local id = sub(member, 17, find(member, '\\0\\0', 17, true) - 1)
  if find(id, "[^%w%-_.!~*'()]") then
    id = string.gsub(string.gsub(id, '%z\\1', '\\0'), "[^%w%-_.!~*'()]", percent)
  end
  names[i] = head .. id .. '}record'
end
return { members, redis.call('MGET', unpack(names)) }
`;

/**
 * Reads on in the log of one session, and of no other under the same id.
 *
 * KEYS: record, entries. ARGV: when it was created, "" where that is not known yet; the first position; how many. Answers
 * when it was created and the entries; nothing where the session is gone.
 */
export const FOLLOW_SCRIPT = `
local created = string.match(redis.call('GET', KEYS[1]) or '', '^%S+ %d+ (%x+)')
if not created or (ARGV[1] ~= '' and ARGV[1] ~= created) then return {} end
local found = redis.call('XRANGE', KEYS[2], ARGV[2], '+', 'COUNT', ARGV[3])
table.insert(found, 1, created)
return found
`;

/**
 * @module
 * The Lua scripts. Redis runs each as one step: nobody sees a part of it. Every key that one writes is passed to it,
 * so a client may prefix keys, and answers are strings, so that all clients decode them alike.
 *
 * A session is three keys in one slot: a hash (`v` version, `c` createdAt, `r` the record, `p` its place in the
 * indexes; of one that others inherit from also `h`, how many have begun to, and `k`, until when it is kept for them),
 * a stream of entries with the id `<seq>-0`, and a hash of callers' ids to positions. What can fail for a key
 * of another type comes before anything is written. Where memory is short Redis refuses a script at its first write, if
 * that one adds something, and never later: so nothing is deleted first.
 *
 * @see https://redis.io/docs/latest/develop/programmability/eval-intro/
 */

/**
 * `endOf`: when a session goes, "" for never: its own end, or so long after this commit if that is sooner.
 *
 * `keep`: keeps a session, whose three keys begin at number `at`, at least until then. Redis drops all three in the same
 * millisecond, as time stands still in a script.
 */
const EXPIRY = `
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local function endOf(expiresAt, ttlMs)
  if ttlMs == '' then return expiresAt end
  local ends = now + tonumber(ttlMs)
  if expiresAt ~= '' and tonumber(expiresAt) <= ends then return expiresAt end
  return string.format('%.0f', ends)
end
local function keep(at, ends, isNewHeir)
  local is = redis.call('HMGET', KEYS[at], 'v', 'k')
  if not is[1] then return end
  if isNewHeir then redis.call('HINCRBY', KEYS[at], 'h', 1) end
  if is[2] == 'inf' or (ends ~= '' and is[2] and tonumber(is[2]) >= tonumber(ends)) then return end
  redis.call('HSET', KEYS[at], 'k', ends == '' and 'inf' or ends)
  local leftMs = redis.call('PTTL', KEYS[at])
  if leftMs < 0 then return end
  for i = at, at + 2 do
    if ends == '' then
      redis.call('PERSIST', KEYS[i])
    elseif now + leftMs < tonumber(ends) then
      redis.call('PEXPIREAT', KEYS[i], ends)
    end
  end
end
`;

/**
 * Keeps a session for one that inherits from it; for a Cluster, where the two are in different slots.
 *
 * KEYS: record, entries, ids. ARGV: the heir's expiresAt or "", its ttlMs or "", how much longer in milliseconds, as the
 * nodes' clocks differ, and "1" where the heir is new.
 */
export const KEEP_SCRIPT = `${EXPIRY}
local ends = endOf(ARGV[1], ARGV[2])
if ends ~= '' then ends = string.format('%.0f', tonumber(ends) + tonumber(ARGV[3])) end
keep(1, ends, ARGV[4] == '1')
return ''
`;

/**
 * Applies commits to one session, in order, each atomic.
 *
 * KEYS: record, entries, ids, then index keys. ARGV, for each commit: expected version, createdAt, version, record,
 * place, the place that is thought to be the present one, expiresAt or "", ttlMs or "", number of rows to add, then
 * (key number, member) each, number of rows to remove, then the same, number of sessions to keep for this one, then the
 * number of the first of three keys each, key number of the former places or "", what a member of those begins with,
 * first seq, number of entries, then (id or "", header, data) each.
 *
 * Answers for each: `ok` and the former place where its rows are still to be removed, `conflict` and the record or "",
 * `duplicate`, the id and its seq; `torn`, with nothing written, where the record is there and its log is not.
 */
export const COMMIT_SCRIPT = `${EXPIRY}
local at = 0
local function take() at = at + 1; return ARGV[at] end
local function takeRows()
  local rows = {}
  for i = 1, tonumber(take()) do rows[i] = { KEYS[tonumber(take())], take() } end
  return rows
end
local function apply()
  local expected, created, version, record = take(), take(), take(), take()
  local place, known, expiresAt, ttlMs = take(), take(), take(), take()
  local adds, removes = takeRows(), takeRows()
  local kept = {}
  for i = 1, tonumber(take()) do kept[i] = tonumber(take()) end
  local former, formerHead = tonumber(take()), take()
  local seq, count = tonumber(take()), tonumber(take())
  local first = at
  at = at + count * 3
  local is = redis.call('HMGET', KEYS[1], 'v', 'c', 'p', 'k')
  if is[3] == place then return { 'ok', '' } end
  if is[1] then
    for i = 0, count - 1 do
      local id = ARGV[first + i * 3 + 1]
      if id ~= '' then
        local taken = redis.call('HGET', KEYS[3], id)
        if taken then return { 'duplicate', id, taken } end
      end
    end
    if is[1] ~= expected or is[2] ~= created then
      return { 'conflict', redis.call('HGET', KEYS[1], 'r') }
    end
    if redis.call('EXISTS', KEYS[2]) == 0 then return { 'torn' } end
  elseif expected ~= '0' then
    return { 'conflict', '' }
  elseif redis.call('EXISTS', KEYS[2], KEYS[3]) > 0 then
    redis.call('DEL', KEYS[2], KEYS[3])
  end
  local isLeft = is[3] and (is[3] ~= known or #removes == 0)
  if isLeft and former then redis.call('SCARD', KEYS[former]) end
  for _, row in ipairs(adds) do redis.call('ZADD', row[1], 0, row[2]) end
  for i = 0, count - 1 do
    local arg = first + i * 3
    local position = string.format('%.0f', seq + i)
    redis.call('XADD', KEYS[2], position .. '-0', 'h', ARGV[arg + 2], 'd', ARGV[arg + 3])
    if ARGV[arg + 1] ~= '' then redis.call('HSET', KEYS[3], ARGV[arg + 1], position) end
  end
  redis.call('HSET', KEYS[1], 'v', version, 'c', created, 'r', record, 'p', place)
  local ends = endOf(expiresAt, ttlMs)
  for _, first in ipairs(kept) do keep(first, ends, not is[1]) end
  if is[4] == 'inf' then
    ends = ''
  elseif is[4] and ends ~= '' and tonumber(is[4]) > tonumber(ends) then
    ends = is[4]
  end
  for i = 1, 3 do
    if ends ~= '' then redis.call('PEXPIREAT', KEYS[i], ends) else redis.call('PERSIST', KEYS[i]) end
  end
  if not is[3] then return { 'ok', '' } end
  if isLeft then
    if former then redis.call('SADD', KEYS[former], formerHead .. is[3]) end
    return { 'ok', is[3] }
  end
  for _, row in ipairs(removes) do redis.pcall('ZREM', row[1], row[2]) end
  return { 'ok', '' }
end
local outcomes = {}
while at < #ARGV do outcomes[#outcomes + 1] = apply() end
return outcomes
`;

/**
 * Removes one session where it is still at `place`, and where no others have begun to inherit from it than that many.
 *
 * KEYS: record, entries, ids, then the index key of each row. ARGV: place ("" where there is none), how many have begun
 * to inherit or "" for any, then a member for each index key. Answers `removed` or `none`; or `moved` and the present
 * place, with nothing changed.
 */
export const REMOVE_SCRIPT = `
local place = redis.call('HGET', KEYS[1], 'p') or ''
if place ~= ARGV[1] then return { 'moved', place } end
if ARGV[2] ~= '' and (redis.call('HGET', KEYS[1], 'h') or '0') ~= ARGV[2] then return { 'moved', place } end
local count = redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
for i = 4, #KEYS do redis.pcall('ZREM', KEYS[i], ARGV[i - 1]) end
if count > 0 then return { 'removed' } end
return { 'none' }
`;

/**
 * KEYS: records. ARGV: for each the place of a record that the caller holds already, or "". Answers record and place of
 * each, "" where there is none; where it is still at that place, "" and "=".
 */
export const FETCH_SCRIPT = `
local found = {}
for i, key in ipairs(KEYS) do
  if ARGV[i] == '' then
    local is = redis.call('HMGET', key, 'r', 'p')
    found[i * 2 - 1] = is[2] and is[1] or ''
    found[i * 2] = is[2] or ''
  else
    local place = redis.call('HGET', key, 'p') or ''
    if place == '' then
      found[i * 2 - 1] = ''
    elseif place == ARGV[i] then
      found[i * 2 - 1] = ''
      place = '='
    else
      found[i * 2 - 1] = redis.call('HGET', key, 'r')
    end
    found[i * 2] = place
  end
end
return found
`;

/**
 * Reads rows of an index and, of each session in them, the token of its place: what it is confirmed by. For one server
 * alone: names of records are made from the members, as `keysOf` makes them.
 *
 * KEYS: the index. ARGV: highest and lowest member, count, the bytes of the index key without what the client itself
 * puts before keys, what record keys begin with. Answers member and token of each row, "" where there is no record.
 */
export const LIST_SCRIPT = `
local head = string.sub(KEYS[1], 1, #KEYS[1] - tonumber(ARGV[4])) .. ARGV[5]
local found = {}
local function percent(byte) return string.format('%%%02X', string.byte(byte)) end
local members = redis.call('ZREVRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', '0', ARGV[3])
for i, member in ipairs(members) do
  local id = string.sub(member, 17, string.find(member, '\\0\\0', 17, true) - 1)
  if string.find(id, "[^A-Za-z0-9_.!~*'()-]") then
    id = string.gsub(string.gsub(id, '%z\\1', '\\0'), "[^A-Za-z0-9_.!~*'()-]", percent)
  end
  found[i * 2 - 1] = member
  found[i * 2] = string.match(redis.call('HGET', head .. id .. '}record', 'p') or '', '^%S*')
end
return found
`;

/**
 * Reads on in the log of one session, and of no other under the same id.
 *
 * KEYS: record, entries. ARGV: createdAt, "" where it is not known yet; the first position; how many. Answers createdAt
 * and the entries; nothing where the session is gone.
 */
export const FOLLOW_SCRIPT = `
local created = redis.call('HGET', KEYS[1], 'c')
if not created or (ARGV[1] ~= '' and ARGV[1] ~= created) then return {} end
local found = redis.call('XRANGE', KEYS[2], ARGV[2], '+', 'COUNT', ARGV[3])
table.insert(found, 1, created)
return found
`;

/**
 * @module
 * The Lua scripts. Redis runs each as one step: nobody sees a part of it. Every key that one touches is passed to it,
 * so a client may prefix keys, and answers are strings, so that all clients decode them alike.
 *
 * A session is three keys in one slot: a hash (`v` version, `c` createdAt, `r` the record, `p` its place in the
 * indexes), a stream of entries with the id `<seq>-0`, and a hash of callers' ids to positions. What can fail for a key
 * of another type comes before anything is written. Where memory is short Redis refuses a script at its first write, if
 * that one adds something, and never later: so nothing is deleted first.
 *
 * @see https://redis.io/docs/latest/develop/programmability/eval-intro/
 */

/**
 * Applies commits to one session, in order, each atomic.
 *
 * KEYS: record, entries, ids, then index keys. ARGV, for each commit: expected version, createdAt, version, record,
 * place, the place that is thought to be the present one, expiresAt or "", ttlMs or "", number of rows to add, then
 * (key number, member) each, number of rows to remove, then the same, first seq, number of entries, then (id or "",
 * header, data) each.
 *
 * Answers for each: `ok` and the former place where its rows are still to be removed, `conflict` and the record or "",
 * `duplicate`, the id and its seq; `torn`, with nothing written, where the record is there and its log is not.
 */
export const COMMIT_SCRIPT = `
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
  local seq, count = tonumber(take()), tonumber(take())
  local first = at
  at = at + count * 3
  local is = redis.call('HMGET', KEYS[1], 'v', 'c', 'p')
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
  for _, row in ipairs(adds) do redis.call('ZADD', row[1], 0, row[2]) end
  for i = 0, count - 1 do
    local arg = first + i * 3
    local position = string.format('%.0f', seq + i)
    redis.call('XADD', KEYS[2], position .. '-0', 'h', ARGV[arg + 2], 'd', ARGV[arg + 3])
    if ARGV[arg + 1] ~= '' then redis.call('HSET', KEYS[3], ARGV[arg + 1], position) end
  end
  redis.call('HSET', KEYS[1], 'v', version, 'c', created, 'r', record, 'p', place)
  if ttlMs ~= '' then
    local now = redis.call('TIME')
    local ends = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000) + tonumber(ttlMs)
    if expiresAt == '' or ends < tonumber(expiresAt) then expiresAt = string.format('%.0f', ends) end
  end
  for i = 1, 3 do
    if expiresAt ~= '' then redis.call('PEXPIREAT', KEYS[i], expiresAt) else redis.call('PERSIST', KEYS[i]) end
  end
  if not is[3] then return { 'ok', '' } end
  if is[3] ~= known or #removes == 0 then return { 'ok', is[3] } end
  for _, row in ipairs(removes) do redis.pcall('ZREM', row[1], row[2]) end
  return { 'ok', '' }
end
local outcomes = {}
while at < #ARGV do outcomes[#outcomes + 1] = apply() end
return outcomes
`;

/**
 * Removes one session where it is still at `place`.
 *
 * KEYS: record, entries, ids, then the index key of each row. ARGV: place ("" where there is none), then a member for each index key.
 * Answers `removed` or `none`; or `moved` and the present place, with nothing changed.
 */
export const REMOVE_SCRIPT = `
local place = redis.call('HGET', KEYS[1], 'p') or ''
if place ~= ARGV[1] then return { 'moved', place } end
local count = redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
for i = 4, #KEYS do redis.pcall('ZREM', KEYS[i], ARGV[i - 2]) end
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
return found
`;

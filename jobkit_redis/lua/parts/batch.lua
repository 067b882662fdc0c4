-- Batches: of each a hash (batch:ID), and the sets of its pending and of its failed members. Who
-- succeeded is removed. `batches` names all of them; those whose block is open stand in
-- `batches:open` by when they were touched, those that finished in `batches:over` by when they are
-- forgotten. All these are in the slot of the keys that are given.
local function keep_batches(queues, sequence, now, channel)
  local own = string.sub(queues, 1, -1 - #'queues')
  local ours = string.sub(sequence, 1, -1 - #'sequence')
  local kept = {}

  local function key(kind, id) return ours .. kind .. ':' .. id end

  function kept.all() return ours .. 'batches' end

  function kept.is(id) return redis.call('EXISTS', key('batch', id)) == 1 end

  -- Why the batch takes no members; nil if it does.
  function kept.refuses(id)
    if not kept.is(id) then return 'is not there' end
    if redis.call('HEXISTS', key('batch', id), 'cancelled') == 1 then return 'was cancelled' end
    if redis.call('HEXISTS', key('batch', id), 'finished_at') == 1 then return 'has finished' end
  end

  function kept.join(id, member)
    if redis.call('SADD', key('pending', id), member) == 1 then
      redis.call('HINCRBY', key('batch', id), 'total', 1)
    end
    if redis.call('HEXISTS', key('batch', id), 'closed') == 0 then
      redis.call('ZADD', ours .. 'batches:open', now, id)
    end
  end

  function kept.open(id, fields)
    redis.call('HSET', key('batch', id), 'total', 0, 'created_at', now, unpack(fields))
    redis.call('ZADD', ours .. 'batches', 0, id)
    redis.call('ZADD', ours .. 'batches:open', now, id)
    local parent = redis.call('HGET', key('batch', id), 'parent')
    if parent then kept.join(parent, 'batch:' .. id) end
  end

  local function fire(id, event)
    local batch = key('batch', id)
    if redis.call('HSETNX', batch, 'fired:' .. event, 1) == 0 then return end
    local text, job, queue, priority, parent = unpack(redis.call('HMGET', batch, event,
      event .. ':job', event .. ':queue', event .. ':priority', event .. ':batch'))
    if not text then return end
    if parent and kept.is(parent) then kept.join(parent, job) end
    text = string.sub(text, 1, -2) .. ',"enqueued_at":' .. now .. '}'
    redis.pcall('SADD', queues, queue)
    local reply = push(own .. 'queue:' .. queue, key('priority', queue), sequence, priority, false, text)
    -- Where that is somebody else's key the job is not to vanish.
    if failed(reply) then redis.pcall('ZADD', own .. 'dead', now, text) end
    redis.pcall('PUBLISH', channel, queue)
  end

  -- What follows from how the batch stands.
  function kept.look(id)
    local batch = key('batch', id)
    local closed, cancelled, finished_at, parent, good, bad = unpack(redis.call('HMGET', batch,
      'closed', 'cancelled', 'finished_at', 'parent', 'kept', 'kept_failed'))
    local some_failed = redis.call('EXISTS', key('failed', id)) == 1
    if some_failed and not cancelled then fire(id, 'failure') end
    if not closed or redis.call('EXISTS', key('pending', id)) == 1 then return end
    local badly = some_failed or cancelled
    if not badly then fire(id, 'success') end
    fire(id, 'finish')
    if finished_at then return end
    redis.call('HSET', batch, 'finished_at', now)
    local until_ = tonumber(now) + tonumber(badly and bad or good)
    redis.call('ZADD', ours .. 'batches:over', until_, id)
    if parent then kept.ended(parent, 'batch:' .. id, badly and 'failed' or 'succeeded') end
  end

  -- A member has ended: it succeeded, failed, or was removed.
  function kept.ended(id, member, how)
    if not kept.is(id) then return end
    local known = redis.call('SREM', key('pending', id), member)
      + redis.call('SREM', key('failed', id), member)
    if known > 0 and how == 'failed' then redis.call('SADD', key('failed', id), member) end
    if known > 0 and how == 'removed' then redis.call('HINCRBY', key('batch', id), 'total', -1) end
    kept.look(id)
  end

  -- A member that failed is to run again.
  function kept.revived(id, member)
    if not kept.is(id) or redis.call('SREM', key('failed', id), member) == 0 then return end
    redis.call('SADD', key('pending', id), member)
    if redis.call('HDEL', key('batch', id), 'finished_at') == 0 then return end
    redis.call('ZREM', ours .. 'batches:over', id)
    local parent = redis.call('HGET', key('batch', id), 'parent')
    if parent then kept.revived(parent, 'batch:' .. id) end
  end

  function kept.close(id)
    redis.call('HSET', key('batch', id), 'closed', 1)
    redis.call('ZREM', ours .. 'batches:open', id)
    kept.look(id)
  end

  -- No success or failure comes any more; if it is to be forgotten, nothing at all.
  function kept.cancel(id, forget)
    if not kept.is(id) or redis.call('HEXISTS', key('batch', id), 'finished_at') == 1 then return 0 end
    redis.call('HSET', key('batch', id), 'cancelled', 1)
    if forget then
      for _, event in ipairs({'success', 'failure', 'finish'}) do
        redis.call('HSET', key('batch', id), 'fired:' .. event, 1)
      end
      kept.close(id)
    else
      kept.look(id)
    end
    return 1
  end

  function kept.drop(id)
    redis.call('DEL', key('batch', id))
    redis.call('UNLINK', key('pending', id), key('failed', id))
    redis.call('ZREM', ours .. 'batches', id)
    redis.call('ZREM', ours .. 'batches:over', id)
    redis.call('ZREM', ours .. 'batches:open', id)
  end

  -- A job that waited is gone. Most are in no batch, and are not read.
  function kept.removed(payload)
    if not string.find(payload, '"bid"', 1, true) then return end
    local read, job = pcall(cjson.decode, payload)
    if read and type(job) == 'table' and type(job.bid) == 'string' and type(job.jid) == 'string' then
      kept.ended(job.bid, job.jid, 'removed')
    end
  end

  return kept
end

// Keeps the records of oidc-provider in Redis, as its documentation shows: what can be consumed is a hash, all else a string, each
// ends by itself, and a list per grant names what is revoked with it.
import Redis from "ioredis";

const CONSUMABLE = new Set(["AuthorizationCode", "RefreshToken", "DeviceCode", "BackchannelAuthenticationRequest"]);
const GRANTED = new Set([...CONSUMABLE, "AccessToken"]);

/** The adapter class of oidc-provider over this server. */
export function adapter(url) {
  const client = new Redis(url, { keyPrefix: "peer:" });
  const found = async (pointer, model) => {
    const id = await client.get(pointer);
    return id ? model.find(id) : undefined;
  };

  return class {
    constructor(model) {
      this.model = model;
    }

    key(id) {
      return `${this.model}:${id}`;
    }

    async upsert(id, payload, expiresIn) {
      const key = this.key(id);
      const multi = client.multi();
      if (CONSUMABLE.has(this.model)) multi.hset(key, { payload: JSON.stringify(payload) });
      else multi.set(key, JSON.stringify(payload));
      if (expiresIn) multi.expire(key, expiresIn);
      if (GRANTED.has(this.model) && payload.grantId) {
        const list = `grant:${payload.grantId}`;
        multi.rpush(list, key);
        // The list lives as long as the longest of its members.
        if (expiresIn > (await client.ttl(list))) multi.expire(list, expiresIn);
      }
      for (const pointer of [payload.uid && `uid:${payload.uid}`, payload.userCode && `code:${payload.userCode}`]) {
        if (pointer) multi.set(pointer, id, "EX", expiresIn);
      }
      await multi.exec();
    }

    async find(id) {
      if (!CONSUMABLE.has(this.model)) {
        const payload = await client.get(this.key(id));
        return payload ? JSON.parse(payload) : undefined;
      }
      const { payload, consumed } = await client.hgetall(this.key(id));
      return payload ? { ...JSON.parse(payload), ...(consumed && { consumed: Number(consumed) }) } : undefined;
    }

    async findByUid(uid) {
      return found(`uid:${uid}`, this);
    }

    async findByUserCode(userCode) {
      return found(`code:${userCode}`, this);
    }

    async consume(id) {
      await client.hset(this.key(id), "consumed", Math.floor(Date.now() / 1000));
    }

    async destroy(id) {
      await client.del(this.key(id));
    }

    async revokeByGrantId(grantId) {
      const list = `grant:${grantId}`;
      const multi = client.multi();
      for (const key of await client.lrange(list, 0, -1)) multi.del(key);
      multi.del(list);
      await multi.exec();
    }
  };
}

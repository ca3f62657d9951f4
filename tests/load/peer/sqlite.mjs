// Keeps the records of oidc-provider in one file of SQLite. What was answered is on disk: every change is a transaction, and
// `synchronous=FULL` with a write-ahead log syncs at each commit.
import { DatabaseSync } from "node:sqlite";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS records (
    id TEXT PRIMARY KEY, payload TEXT NOT NULL, ends INTEGER, grant_id TEXT, uid TEXT, user_code TEXT
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS by_grant ON records (grant_id) WHERE grant_id IS NOT NULL;
  CREATE INDEX IF NOT EXISTS by_uid ON records (uid) WHERE uid IS NOT NULL;
  CREATE INDEX IF NOT EXISTS by_user_code ON records (user_code) WHERE user_code IS NOT NULL;`;

const now = () => Math.floor(Date.now() / 1000);

/** The adapter class of oidc-provider over this file. */
export function adapter(path) {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  database.exec(SCHEMA);
  const put = database.prepare("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?)");
  const by = (column) => database.prepare(`SELECT payload, ends FROM records WHERE ${column} = ?`);
  const [byId, byUid, byUserCode] = [by("id"), by("uid"), by("user_code")];
  // One statement is one transaction.
  const consume = database.prepare("UPDATE records SET payload = json_set(payload, '$.consumed', ?) WHERE id = ?");
  const destroy = database.prepare("DELETE FROM records WHERE id = ?");
  const revoke = database.prepare("DELETE FROM records WHERE grant_id = ?");
  const read = (row) => (row && (row.ends ?? Infinity) > now() ? JSON.parse(row.payload) : undefined);

  return class {
    constructor(model) {
      this.model = model;
    }

    key(id) {
      return `${this.model}:${id}`;
    }

    async upsert(id, payload, expiresIn) {
      const ends = expiresIn ? now() + expiresIn : null;
      const { grantId, uid, userCode } = payload;
      const found = [grantId, uid, userCode].map((name) => name ?? null);
      put.run(this.key(id), JSON.stringify(payload), ends, ...found);
    }

    async find(id) {
      return read(byId.get(this.key(id)));
    }

    async findByUid(uid) {
      return read(byUid.get(uid));
    }

    async findByUserCode(userCode) {
      return read(byUserCode.get(userCode));
    }

    async consume(id) {
      consume.run(now(), this.key(id));
    }

    async destroy(id) {
      destroy.run(this.key(id));
    }

    async revokeByGrantId(grantId) {
      revoke.run(grantId);
    }
  };
}

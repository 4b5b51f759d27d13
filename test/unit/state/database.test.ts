import { describe, expect, it } from 'vitest';
import { Database, isUniqueViolation } from '../../../daemon/state/database.ts';

describe('database', () => {
  const list = [{ name: 'a', sql: 'CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT) STRICT' }];

  it('runs each migration once and keeps its name', () => {
    using db = Database.open(':memory:', list);
    expect(db.all('SELECT name FROM migrations')).toMatchObject([{ name: 'a' }]);
    expect(db.run("INSERT INTO t VALUES ('x', 'y')")).toBe(1);
  });

  it('rolls the whole transaction back, inner ones too', () => {
    using db = Database.open(':memory:', list);
    expect(() =>
      db.transaction(() => {
        db.run("INSERT INTO t VALUES ('x', 'y')");
        db.transaction(() => db.run("INSERT INTO t VALUES ('z', 'y')"));
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(db.all('SELECT * FROM t')).toEqual([]);
  });

  it('tells a broken unique constraint from other errors', () => {
    using db = Database.open(':memory:', list);
    db.run("INSERT INTO t VALUES ('x', 'y')");
    let error: unknown;
    try {
      db.run("INSERT INTO t VALUES ('x', 'z')");
    } catch (caught) {
      error = caught;
    }
    expect(isUniqueViolation(error)).toBe(true);
    expect(isUniqueViolation(new Error('other'))).toBe(false);
  });
});

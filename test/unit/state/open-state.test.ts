import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { copiedTables } from '../../../daemon/state/copied-tables.ts';
import type { Database } from '../../../daemon/state/database.ts';
import { openState, type State } from '../../../daemon/state/open-state.ts';

/** Three hundred take half a minute. */
const flips = Number(process.env.FLIPS ?? 80);

const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

/** In memory, where it can be: nothing here is about the disk. */
const parent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

function newRoot(): string {
  const root = mkdtempSync(join(parent, 'tsdocker-state-'));
  roots.push(root);
  return root;
}

function open(dataRoot: string, told: string[] = []): State {
  return openState({ dataRoot, holdings: ['layers'], tell: (_, message) => told.push(message) });
}

/** A copy of what lies on the disk now: as a daemon that is killed leaves it. */
function snapshot(root: string): string {
  const copy = newRoot();
  cpSync(root, copy, { recursive: true });
  return copy;
}

function fill(db: Database, n: number): void {
  const id = (kind: string, i: number) => `sha256:${kind}-${i}-`.padEnd(71, 'x');
  for (let i = 1; i <= n; i++) {
    db.transaction(() => {
      db.run(
        "INSERT INTO layers (number, kind, key, parent, diff_id, size_bytes, tar_bytes) VALUES (?, 'image', ?, ?, ?, 10, 20)",
        i,
        id('key', i),
        i === 1 ? null : i - 1,
        id('diff', i),
      );
      db.run("INSERT INTO images VALUES (?, ?, ?, 10, 'now')", id('image', i), i === 1 ? null : id('image', i - 1), i);
      db.run('INSERT INTO image_tags VALUES (?, ?, ?)', 'docker.io/library/x', `t${i}`, id('image', i));
      db.run('INSERT INTO image_digests VALUES (?, ?, ?)', 'docker.io/library/x', id('digest', i), id('image', i));
      db.run(
        "INSERT INTO image_manifests (image_id, digest, size_bytes, media_type) VALUES (?, ?, 5, 'type')",
        id('image', i),
        id('manifest', i),
      );
      db.run("INSERT INTO layer_blobs VALUES (?, ?, 5, 'type')", id('diff', i), id('blob', i));
    });
    db.run('INSERT INTO volumes VALUES (?, ?, ?)', `v${i}`, 'ready', JSON.stringify({ name: `v${i}` }));
    db.run('INSERT INTO networks VALUES (?, ?, ?, ?)', `n${i}`, `net${i}`, '1', JSON.stringify({ id: `n${i}` }));
    const record = JSON.stringify({ id: `c${i}`, env: 'x'.repeat(500) });
    db.run('INSERT INTO containers VALUES (?, ?, ?, ?, ?, ?)', `c${i}`, `name${i}`, '1', id('image', i), record, '{}');
  }
  db.run("INSERT INTO settings VALUES ('engine-id', 'me')");
}

/** All that has a copy at any time. */
function rowsOf(db: Database): unknown[] {
  return copiedTables.map(({ name, key, columns }) =>
    db.all(`SELECT ${[...key, ...columns].join(', ')} FROM ${name} ORDER BY ${key.join(', ')}`),
  );
}

describe('the state that was lost or damaged', () => {
  it('one flipped bit, wherever it is: every row is there and as it was', () => {
    const root = newRoot();
    const first = open(root);
    fill(first.database, 30);
    const rows = rowsOf(first.database);
    first.close();
    // The rows are in the file itself, not in its log.
    open(root).close();
    const intact = readFileSync(join(root, 'state.db'));
    // Pages that hold something: the rest is room for a full disk.
    const used = [...Array(intact.length / 4096).keys()].filter(
      (page) => !intact.subarray(page * 4096 + 100, (page + 1) * 4096).every((byte) => byte === 0),
    );
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return Math.floor((seed / 2147483648) * below);
    };
    const outcomes = { untouched: 0, restored: 0 };
    const copy = snapshot(root);
    for (let n = 0; n < flips; n++) {
      const bytes = Buffer.from(intact);
      const at = (used[random(used.length)] ?? 0) * 4096 + random(4096);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
      for (const name of readdirSync(copy)) if (name.startsWith('state')) rmSync(join(copy, name));
      writeFileSync(join(copy, 'state.db'), bytes);
      cpSync(join(root, 'rows.log'), join(copy, 'rows.log'));
      const told: string[] = [];
      const again = open(copy, told);
      expect(rowsOf(again.database), `bit of byte ${at}`).toEqual(rows);
      again.close();
      outcomes[told.length > 0 ? 'restored' : 'untouched']++;
    }
    expect(outcomes.restored).toBeGreaterThan(flips / 5);
  }, 60_000);

  const losses: Record<string, (root: string) => void> = {
    'a missing database': (root) => {
      for (const name of readdirSync(root)) if (name.startsWith('state.db')) rmSync(join(root, name));
    },
    'an empty database': (root) => {
      rmSync(join(root, 'state.db-wal'));
      truncateSync(join(root, 'state.db'), 0);
    },
    'a missing log': (root) => rmSync(join(root, 'state.db-wal')),
    'a log with a flipped bit': (root) => {
      const bytes = readFileSync(join(root, 'state.db-wal'));
      bytes[60] = (bytes[60] ?? 0) ^ 1;
      writeFileSync(join(root, 'state.db-wal'), bytes);
    },
    'a database that ends in its middle': (root) => truncateSync(join(root, 'state.db'), 40960),
    'no database at all in the file': (root) => {
      rmSync(join(root, 'state.db-wal'));
      writeFileSync(join(root, 'state.db'), 'a letter '.repeat(5000));
    },
  };
  for (const [name, lose] of Object.entries(losses)) {
    it(`${name}: all rows come back, it is told, and what was there is kept`, () => {
      const root = newRoot();
      const first = open(root);
      fill(first.database, 10);
      const rows = rowsOf(first.database);
      const copy = snapshot(root);
      first.close();
      lose(copy);
      const told: string[] = [];
      const again = open(copy, told);
      expect(rowsOf(again.database)).toEqual(rows);
      expect(again.isDoubtful).toBe(true);
      expect(told.join('\n')).toMatch(/lost|damaged|missing/);
      again.close();
      const aside = readdirSync(copy).some((file) => file.startsWith('state.db.damaged-'));
      expect(aside).toBe(told.some((message) => message.includes('set aside')));
      const third = open(copy, []);
      expect(third.isDoubtful).toBe(false);
      third.close();
    });
  }

  it('rows that were removed stay removed, and a name that moved stays where it is, whenever the daemon is killed', () => {
    const root = newRoot();
    const first = open(root);
    fill(first.database, 5);
    first.database.run("DELETE FROM containers WHERE id = 'c2'");
    first.database.run("UPDATE image_tags SET image_id = (SELECT id FROM images WHERE top_layer = 1) WHERE tag = 't3'");
    first.database.run('DELETE FROM images WHERE top_layer = 5 AND 0');
    const rows = rowsOf(first.database);
    const told: string[] = [];
    const copy = snapshot(root);
    for (const from of [copy, snapshot(copy)]) {
      const again = open(from, told);
      expect(rowsOf(again.database)).toEqual(rows);
      again.close();
    }
    expect(told).toEqual([]);
    rmSync(join(copy, 'state.db'));
    const rebuilt = open(copy, told);
    expect(rowsOf(rebuilt.database)).toEqual(rows);
    rebuilt.close();
    first.close();
  });

  it('a transaction that fails leaves the copies as they were', () => {
    const root = newRoot();
    const first = open(root);
    fill(first.database, 3);
    expect(() =>
      first.database.transaction(() => {
        first.database.run("DELETE FROM volumes WHERE name = 'v1'");
        throw new Error('no');
      }),
    ).toThrow('no');
    const rows = rowsOf(first.database);
    first.close();
    rmSync(join(root, 'state.db'));
    const again = open(root);
    expect(rowsOf(again.database)).toEqual(rows);
    again.close();
  });

  it('damaged copies are told and written again', () => {
    const root = newRoot();
    const first = open(root);
    fill(first.database, 3);
    const rows = rowsOf(first.database);
    first.close();
    const bytes = readFileSync(join(root, 'rows.log'));
    bytes[200] = (bytes[200] ?? 0) ^ 4;
    writeFileSync(join(root, 'rows.log'), bytes);
    const told: string[] = [];
    open(root, told).close();
    expect(told.join()).toMatch(/copies of rows were damaged/);
    rmSync(join(root, 'state.db'));
    const again = open(root);
    expect(rowsOf(again.database)).toEqual(rows);
    again.close();
  });

  it('changes without end do not let the copies grow', () => {
    const root = newRoot();
    const state = open(root);
    fill(state.database, 1);
    for (let n = 0; n < 300; n++)
      state.database.run('UPDATE volumes SET record = ?', `{"n":${n},"x":"${'x'.repeat(50_000)}"}`);
    state.close();
    expect(readFileSync(join(root, 'rows.log')).length).toBeLessThan(6 * 1024 * 1024);
  });

  it('a missing database without copies, and something that it should know: refused, nothing touched', () => {
    const root = newRoot();
    mkdirSync(join(root, 'layers', '1'), { recursive: true });
    expect(() => open(root)).toThrow(
      /it is missing, or empty, but there is something in layers: put the database back/,
    );
    expect(existsSync(join(root, 'layers', '1'))).toBe(true);
  });
});

// Directories that no row knows. As a rule they are what a killed daemon was making or removing, and go. Those that a start found which also found
// rows of the database lost may be what the rows were of: they are left alone, by that start and by all later ones, and told.
import type { Database } from './database.ts';
import type { Tell } from './reconcile-rows.ts';

const settingKey = 'left-alone';

export interface Strays {
  /** Whether a directory without a row stays. `name` is that below the data root: "layers/7". */
  keeps(name: string): boolean;
}

/** For stores without a database that could have lost anything. */
export const noStrays: Strays = { keeps: () => false };

/** `isDoubtful`: rows were lost. */
export function openStrays(database: Database, isDoubtful: boolean, tell: Tell): Strays {
  const names = read(database);
  return {
    keeps(name) {
      if (!names.has(name)) {
        if (!isDoubtful) return false;
        names.add(name);
        const text = JSON.stringify([...names]);
        database.run(
          'INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
          settingKey,
          text,
        );
      }
      tell(
        { directory: name },
        'a directory that the database does not know: it is left alone, for the rows of it may be lost',
      );
      return true;
    },
  };
}

function read(database: Database): Set<string> {
  try {
    const text = database.get('SELECT value FROM settings WHERE key = ?', settingKey)?.value;
    return new Set(JSON.parse(String(text ?? '[]')) as string[]);
  } catch {
    return new Set();
  }
}

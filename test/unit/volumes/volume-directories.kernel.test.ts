// What is asked of a volume's directory, whose files are a container's.
import fs, { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openStorage } from '../../../daemon/open-storage.ts';
import { Database } from '../../../daemon/state/database.ts';
import { VolumeDirectories } from '../../../daemon/volumes/volume-directories.ts';

it('is told to be empty or not without a list of all that is in it', async () => {
  const path = mkdtempSync(join(tmpdir(), 'tsd-volumes-'));
  const database = Database.open(join(path, 'state.db'));
  const storage = openStorage({ dataRoot: join(path, 'data'), database });
  const directories = new VolumeDirectories(join(path, 'volumes'), storage.jail, (error) => {
    throw error;
  });
  for (const name of ['empty', 'full']) directories.make(name);
  writeFileSync(join(directories.data('full'), 'file'), '');
  const { readdirSync } = fs;
  fs.readdirSync = () => {
    throw new Error('it was listed');
  };
  syncBuiltinESMExports();
  try {
    expect([directories.isEmpty('empty'), directories.isEmpty('full')]).toEqual([true, false]);
  } finally {
    fs.readdirSync = readdirSync;
    syncBuiltinESMExports();
  }
  await storage.close();
  database.close();
  rmSync(path, { recursive: true, force: true });
});

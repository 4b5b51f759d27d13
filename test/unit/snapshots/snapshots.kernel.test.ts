import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Jail } from '../../../daemon/jail/jail.ts';
import { Trash } from '../../../daemon/jail/trash.ts';
import { LayerStore } from '../../../daemon/snapshots/layer-store.ts';
import { OverlaySnapshots } from '../../../daemon/snapshots/overlay-snapshots.ts';
import { Database } from '../../../daemon/state/database.ts';
import { type SnapshotRig, snapshotSuite } from './snapshot-suite.ts';

/** Snapshots on a data root of their own: no images, no daemon. */
async function overlayRig(): Promise<SnapshotRig> {
  const path = mkdtempSync(join(tmpdir(), 'tsdocker-snapshots-'));
  const root = {
    layers: join(path, 'layers'),
    containers: join(path, 'containers'),
    staging: join(path, 'staging'),
    spare: join(path, 'spare'),
  };
  for (const directory of [...Object.values(root), join(path, 'trash')]) mkdirSync(directory, { mode: 0o700 });
  let parts = open();

  function open() {
    const database = Database.open(join(path, 'state.db'));
    const jail = new Jail(root.staging);
    const trash = new Trash(join(path, 'trash'), jail, (error) => {
      throw error;
    });
    const layers = new LayerStore(root, database, trash);
    return { database, jail, trash, layers, snapshots: new OverlaySnapshots(root, layers, trash, jail) };
  }

  async function shut(): Promise<void> {
    parts.trash.close();
    await parts.jail.close();
    parts.database.close();
  }

  return {
    get snapshots() {
      return parts.snapshots;
    },
    async makeLayer(parent, fill) {
      using hold = await parts.layers.make(parent, async (directory) => {
        fill(directory);
        return { diffId: `sha256:${createHash('sha256').update(randomBytes(8)).digest('hex')}`, sizeBytes: 0 };
      });
      return hold.layer.number;
    },
    async reopen() {
      await shut();
      parts = open();
    },
    async close() {
      await shut();
      rmSync(path, { recursive: true, force: true });
    },
  };
}

snapshotSuite('overlay snapshots', overlayRig);

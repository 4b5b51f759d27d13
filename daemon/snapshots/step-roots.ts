// Roots for operations on files by overlayfs: staging/<name>/{upper,work}, whose upper directory becomes a layer by renaming it. Nothing of them
// outlives the daemon: what is in staging goes at its start.
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../errors/engine-error.ts';
import { holdTree } from '../jail/hold-tree.ts';
import type { Trash } from '../jail/trash.ts';
import { ROOT_MODE } from './init-layers.ts';
import type { LayerStore } from './layer-store.ts';
import { mountVolatile } from './overlay.ts';
import type { SnapshotRoot } from './snapshot-root.ts';
import type { Parent, StepRoot } from './snapshots.ts';

interface StepRootsParts {
  readonly root: SnapshotRoot;
  readonly layers: LayerStore;
  readonly trash: Trash;
}

export class StepRoots {
  readonly #parts: StepRootsParts;

  constructor(parts: StepRootsParts) {
    this.#parts = parts;
  }

  open(parent: Parent): StepRoot {
    const { root, layers, trash } = this.#parts;
    using holds = new DisposableStack();
    if (parent !== undefined) holds.use(layers.hold(parent));
    const aside = join(root.staging, randomBytes(8).toString('hex'));
    const lower = layers.chain(parent).map(({ number }) => layers.dirOf(number));
    const dirs = { lower, upper: join(aside, 'upper'), work: join(aside, 'work') };
    holds.defer(() => trash.discard(aside));
    mkdirSync(aside, { mode: 0o700 });
    mkdirSync(dirs.upper);
    chmodSync(dirs.upper, ROOT_MODE);
    const held = holds.move();
    return {
      dirs,
      mount: () => (lower.length === 0 ? holdTree(dirs.upper) : mountVolatile({ lower, upper: dirs.upper, aside })),
      seal: () => {
        using _over = held;
        if (held.disposed) throw new EngineError('system', 'seal a root: it is over');
        return layers.adopt(dirs.upper, parent);
      },
      [Symbol.dispose]: () => held.dispose(),
    };
  }
}

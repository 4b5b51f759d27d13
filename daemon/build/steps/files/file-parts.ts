// What operations on files are carried out with.
import type { Jail } from '../../../jail/jail.ts';
import type { LayerFiles } from '../../../snapshots/layer-files.ts';
import type { LayerStore } from '../../../snapshots/layer-store.ts';
import type { Snapshots } from '../../../snapshots/snapshots.ts';

export interface FileParts {
  readonly snapshots: Pick<Snapshots, 'view' | 'openRoot'>;
  readonly layers: LayerStore;
  readonly files: Pick<LayerFiles, 'digest'>;
  readonly jail: Jail;
}

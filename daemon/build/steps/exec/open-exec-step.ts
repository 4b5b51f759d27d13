// Builds what carries out exec operations, and clears away what an earlier daemon has left of them.
import { mkdirSync } from 'node:fs';
import type { Trash } from '../../../jail/trash.ts';
import { CacheMounts } from '../../cache-mounts/cache-mounts.ts';
import { clearRuns } from './clear-runs.ts';
import type { ExecParts } from './exec-parts.ts';
import { ExecStep } from './exec-step.ts';

export interface OpenExecOptions extends Omit<ExecParts, 'cacheMounts'> {
  /** Where the directories of cache mounts lie: on the data root. Made when it is missing. */
  readonly cacheMountsPath: string;
  readonly trash: Trash;
}

export interface OpenedExec {
  readonly step: ExecStep;
  readonly cacheMounts: CacheMounts;
}

/** Before the networks are healed and before containers' orphans are looked for: what it ends is a network's and a snapshot's user. */
export async function openExecStep({ cacheMountsPath, trash, ...parts }: OpenExecOptions): Promise<OpenedExec> {
  const { paths, jail, log } = parts;
  mkdirSync(paths.runs, { recursive: true, mode: 0o700 });
  await clearRuns(parts);
  const onError = (error: unknown) => log.warn({ err: error }, 'cannot count the bytes of a cache mount');
  const cacheMounts = new CacheMounts({ path: cacheMountsPath, jail, trash, onError });
  return { step: new ExecStep({ ...parts, cacheMounts }), cacheMounts };
}

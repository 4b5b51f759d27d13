// The members of Steps that work on files.
import type { Steps } from '../step.ts';
import { Checksums } from './checksum.ts';
import type { FileParts } from './file-parts.ts';
import { runFileStep } from './file-step.ts';
import { runDiffStep, runMergeStep } from './merge-step.ts';

export type FileSteps = Pick<Steps, 'file' | 'merge' | 'diff' | 'checksum'>;

export function openFileSteps(parts: FileParts): FileSteps {
  const checksums = new Checksums(parts);
  return {
    file: (run, inputs) => runFileStep(parts, run, inputs),
    merge: (run, inputs) => runMergeStep(parts, run, inputs),
    diff: (run, inputs) => runDiffStep(parts, run, inputs),
    checksum: (input, selection, signal) => checksums.of(input, selection, signal),
  };
}

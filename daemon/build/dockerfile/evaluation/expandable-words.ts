// Which words of an instruction docker expands, in its order. RUN's mounts and ARG's values are not among them: they are made out with what they mean.
import type { InlineFile, Instruction } from '../instructions.ts';

export function expandableWords(instruction: Instruction): string[] {
  switch (instruction.kind) {
    case 'ENV':
    case 'LABEL':
      return instruction.pairs.flatMap(({ name, value }) => [name, value]);
    case 'COPY':
      return [...written(instruction.chown, instruction.chmod), ...instruction.sources, instruction.destination];
    case 'ADD': {
      const { chown, chmod, checksum, sources, destination } = instruction;
      return [...written(chown, chmod, checksum), ...sources, destination];
    }
    case 'VOLUME':
      return instruction.paths;
    case 'USER':
      return [instruction.user];
    case 'WORKDIR':
      return [instruction.path];
    case 'STOPSIGNAL':
      return [instruction.signal];
    default:
      return [];
  }
}

/** Files given as heredocs, with their variables to be expanded. */
export function expandableFiles(instruction: Instruction): InlineFile[] {
  if (instruction.kind !== 'COPY' && instruction.kind !== 'ADD') return [];
  return instruction.files.filter(({ expand }) => expand);
}

function written(...words: (string | undefined)[]): string[] {
  return words.filter((word) => word !== undefined);
}

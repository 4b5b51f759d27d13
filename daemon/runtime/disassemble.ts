// A program in words: one readable line per operation. Used by `tsdocker explain` and by golden tests.
import type { Program } from './program.ts';

/** One line per operation: `name(arguments)` with decoded flags and fd names, then `# why`. */
export function disassemble(program: Program): string[] {
  return program.ops.map((op) => `${op.op}(${op.args.map(String).join(', ')})${op.why ? `  # ${op.why}` : ''}`);
}

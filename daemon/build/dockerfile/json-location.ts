// Lines as BuildKit's subrequests say them: one range for each line.
import type { LineRange } from './instructions.ts';

interface JsonPosition {
  line: number;
}

export interface JsonLocation {
  ranges?: { start: JsonPosition; end: JsonPosition }[];
}

export function jsonLocation(lines: LineRange | undefined): JsonLocation {
  if (lines === undefined) return {};
  const numbers = Array.from({ length: lines.end - lines.start + 1 }, (_, index) => lines.start + index);
  return { ranges: numbers.map((line) => ({ start: { line }, end: { line } })) };
}

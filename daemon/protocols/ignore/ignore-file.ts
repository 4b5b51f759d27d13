// `.dockerignore` and `<Dockerfile>.dockerignore` as text. What its lines match is `ignore-matcher.ts`.
import { FormatError } from '../format-error.ts';
import { cleanPath } from './clean-path.ts';

/** What a file may cost: every path of a context is held against every line. */
const longestText = 1024 * 1024;
const mostPatterns = 10_000;
const longestPattern = 4096;

/**
 * The patterns, in order, cleaned and without their leading slash; `!` stays in front. Comments begin in the first column only. Throws a
 * FormatError for a file that is too large.
 */
export function readIgnoreFile(text: string): string[] {
  if (text.length > longestText) throw new FormatError(`read ignore file: larger than ${longestText} characters`);
  const patterns: string[] = [];
  for (const line of text.replace(/^\ufeff/, '').split('\n')) {
    if (line.startsWith('#')) continue;
    const trimmed = line.trim();
    if (trimmed === '') continue;
    if (trimmed.length > longestPattern)
      throw new FormatError(`read ignore file: a pattern is longer than ${longestPattern} characters`);
    const isException = trimmed.startsWith('!');
    const pattern = relative(isException ? trimmed.slice(1).trim() : trimmed);
    patterns.push(isException ? `!${pattern}` : pattern);
    if (patterns.length > mostPatterns) throw new FormatError(`read ignore file: more than ${mostPatterns} patterns`);
  }
  return patterns;
}

function relative(pattern: string): string {
  if (pattern === '') return '';
  const clean = cleanPath(pattern);
  return clean.length > 1 && clean.startsWith('/') ? clean.slice(1) : clean;
}

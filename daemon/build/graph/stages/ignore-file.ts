// The patterns of a .dockerignore, in the form that moby's matcher takes (github.com/moby/patternmatcher/ignorefile).
import { posix } from 'node:path';
import { trimSpace } from '../../dockerfile/characters.ts';

/** In order; one that begins with `!` takes back. Comments and empty lines are left out, as are slashes at both ends. */
export function parseIgnoreFile(text: string): string[] {
  const patterns: string[] = [];
  for (const line of text.replace(/^\ufeff/, '').split('\n')) {
    if (line.startsWith('#')) continue;
    const pattern = trimSpace(line);
    if (pattern === '') continue;
    const isInverse = pattern.startsWith('!');
    const path = isInverse ? trimSpace(pattern.slice(1)) : pattern;
    patterns.push(isInverse ? `!${cleaned(path)}` : cleaned(path));
  }
  return patterns;
}

function cleaned(path: string): string {
  if (path === '') return '';
  const clean = posix.normalize(path).replace(/(.)\/+$/, '$1');
  return clean.length > 1 ? clean.replace(/^\/+/, '') : clean;
}

// Environment variables and labels, given one by one or in files.
import { readFileSync } from 'node:fs';
import { CliError } from '../errors.ts';
import { cut } from './csv.ts';

const maxFileBytes = 16 << 20;

export function validateVariable(text: string): string {
  const [name, value] = cut(text, '=');
  if (name === '') throw new Error(`invalid environment variable: ${text}`);
  if (value !== undefined) return text;
  const own = process.env[name];
  return own === undefined ? text : `${name}=${own}`;
}

export function validateLabel(text: string): string {
  const [key] = cut(text, '=');
  if (key.trim() === '') throw new Error(`invalid label '${text}': empty name`);
  return text;
}

/** Files first, then single ones. A bare name in a file takes the user's own value and is left out without one. */
export function collectVariables(files: readonly string[], single: readonly string[]): string[] {
  const fromFiles = files.flatMap((file) =>
    readVariableFile('env file', file, (name) => {
      const own = process.env[name];
      return own === undefined ? undefined : `${name}=${own}`;
    }),
  );
  return [...fromFiles, ...single];
}

export function collectLabels(files: readonly string[], single: readonly string[]): Record<string, string> {
  const labels: Record<string, string> = Object.create(null);
  for (const text of [...files.flatMap((file) => readVariableFile('label file', file, () => undefined)), ...single]) {
    const [key, value = ''] = cut(text, '=');
    labels[key] = value;
  }
  return labels;
}

function readVariableFile(what: string, path: string, bare: (name: string) => string | undefined): string[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new CliError(`open ${path}: ${systemReason(error)}`);
  }
  const fail = (why: string) => new CliError(`invalid ${what} (${path}): ${why}`);
  if (bytes.length > maxFileBytes) throw fail(`larger than ${maxFileBytes} bytes`);
  const text = bytes.toString('utf8').replace(/^\uFEFF/, '');
  const result: string[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    if (raw.includes('\uFFFD')) throw fail(`invalid utf8 bytes at line ${index + 1}: ${raw}`);
    const line = raw.trimStart();
    if (line === '' || line.startsWith('#')) continue;
    const [name, value] = cut(line, '=');
    if (/\s/.test(value === undefined ? name.trimEnd() : name)) throw fail(`variable '${name}' contains whitespaces`);
    if (name === '') throw fail(`no variable name on line '${line}'`);
    const entry = value === undefined ? bare(name.trimEnd()) : `${name}=${value}`;
    if (entry !== undefined) result.push(entry);
  }
  return result;
}

/** An error of `fs` in the words of Go's os package. */
export function systemReason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reasons: Record<string, string> = {
    ENOENT: 'no such file or directory',
    EACCES: 'permission denied',
    EPERM: 'operation not permitted',
    EISDIR: 'is a directory',
    ENOTDIR: 'not a directory',
    ENOSPC: 'no space left on device',
    EROFS: 'read-only file system',
    EEXIST: 'file exists',
  };
  return reasons[code] ?? (error instanceof Error ? error.message : String(error));
}

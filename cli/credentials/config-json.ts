// ~/.docker/config.json as a whole: read for its credentials, and written back with every key that this program does not know.
import {
  chownSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { parseConfigText } from '../config-file.ts';
import { CliError, messageOf } from '../errors.ts';
import { systemReason } from '../options/variables.ts';

const limitBytes = 1 << 20;

/** What this program knows of the file; all other keys are carried along. */
export interface ConfigJson {
  auths?: Record<string, unknown>;
  credsStore?: string;
  credHelpers?: Record<string, string>;
  [key: string]: unknown;
}

export function configPath(directory: string): string {
  return `${directory}/config.json`;
}

/** An absent file is an empty object; one that cannot be read is an error, so that it is never overwritten. */
export function readConfigJson(directory: string): ConfigJson {
  const path = configPath(directory);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw new CliError(`read ${path}: ${systemReason(error)}`);
  }
  if (text.length > limitBytes) throw new CliError(`${path}: larger than ${limitBytes} bytes`);
  try {
    return checked(parseConfigText(text));
  } catch (error) {
    throw new CliError(`read ${path}: ${messageOf(error)}`);
  }
}

function checked(parsed: unknown): ConfigJson {
  const config = asObject('the file', parsed);
  if (config.auths !== undefined && config.auths !== null) asObject('auths', config.auths);
  if (config.credHelpers !== undefined && config.credHelpers !== null) asObject('credHelpers', config.credHelpers);
  return config as ConfigJson;
}

function asObject(what: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} is not an object`);
  return value as Record<string, unknown>;
}

/**
 * Replaces the file by one with mode 0600: a reader sees the old one or the new one. A symlink to it stays a symlink, and a file
 * of another user (root with that user's HOME) stays theirs.
 */
export function writeConfigJson(directory: string, config: ConfigJson): void {
  const path = configPath(directory);
  let aside: string | undefined;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const target = resolved(path);
    const owner = ownerOf(target);
    const name = `${target}.${process.pid}.part`;
    const fd = openSync(name, 'wx', 0o600);
    aside = name;
    try {
      writeSync(fd, JSON.stringify(config, undefined, '\t'));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if (owner && process.getuid?.() === 0) chownSync(name, owner.uid, owner.gid);
    renameSync(name, target);
    aside = undefined;
    syncDirectory(dirname(target));
  } catch (error) {
    if (aside !== undefined) unlinkSync(aside);
    throw new CliError(`write ${path}: ${systemReason(error)}`);
  }
}

function resolved(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function ownerOf(path: string): { uid: number; gid: number } | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

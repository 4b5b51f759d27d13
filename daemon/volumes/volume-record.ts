// What is kept of a volume in the database, and what a volume may be called.
import { randomBytes } from 'node:crypto';
import { EngineError } from '../errors/engine-error.ts';

/** On volumes that got their name from the engine: prune takes only these unless it is asked for all. */
export const anonymousLabel = 'com.docker.volume.anonymous';
export const localDriver = 'local';
export const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
/** Bytes of a file name: the volume's directory has its name. */
const nameLimit = 255;
const maxEntries = 1024;
const maxTextBytes = 64 * 1024;

/** 'pending': made for a container that is not there yet; 'removing': its files may be gone already. Both end at the next start. */
export type VolumeStatus = 'ready' | 'pending' | 'removing';

export interface VolumeRecord {
  readonly name: string;
  /** Decimal nanoseconds since 1970. */
  readonly createdNs: string;
  readonly labels: Readonly<Record<string, string>> | null;
  /** Of the driver: type, o, device. */
  readonly options: Readonly<Record<string, string>> | null;
}

export interface VolumeRequest {
  /** Empty: the engine makes one up. */
  name: string;
  driver: string;
  labels: Readonly<Record<string, string>> | null;
  options: Readonly<Record<string, string>> | null;
}

/** As it was stored; undefined for what is no record of this volume. */
export function decodeVolume(name: string, text: string): VolumeRecord | undefined {
  try {
    const record = JSON.parse(text) as VolumeRecord;
    const isWhole =
      record.name === name &&
      /^\d{1,20}$/.test(record.createdNs) &&
      [record.labels, record.options].every((texts) => texts === null || isTexts(texts));
    return isWhole ? record : undefined;
  } catch {
    return undefined;
  }
}

function isTexts(value: unknown): boolean {
  return typeof value === 'object' && Object.values(value ?? {}).every((text) => typeof text === 'string');
}

/** Throws 'invalid' with docker's words: the name becomes a directory. */
export function checkVolumeName(name: string): void {
  if (name.length === 1) {
    throw new EngineError(
      'invalid',
      `create ${name}: volume name is too short, names should be at least two alphanumeric characters`,
    );
  }
  if (!namePattern.test(name) || name.endsWith('\n')) {
    throw new EngineError(
      'invalid',
      `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    );
  }
  if (name.length > nameLimit) {
    throw new EngineError('invalid', `create ${name.slice(0, 40)}…: a volume name has at most ${nameLimit} characters`);
  }
}

/** Throws 'not-found' with docker's words: there are no plugins. */
export function checkDriver(name: string, driver: string): void {
  if (driver === '' || driver === localDriver) return;
  const what = name === '' ? '' : `create ${name}: `;
  throw new EngineError('not-found', `${what}error looking up volume plugin ${driver}: plugin "${driver}" not found`);
}

export function checkTexts(what: string, texts: Readonly<Record<string, string>> | null): void {
  const entries = Object.entries(texts ?? {});
  if (entries.length > maxEntries) throw new EngineError('invalid', `more than ${maxEntries} ${what}`);
  const bytes = entries.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  if (bytes > maxTextBytes) throw new EngineError('invalid', `${what} of more than ${maxTextBytes} bytes`);
  if (entries.some(([key, value]) => key.includes('\0') || value.includes('\0'))) {
    throw new EngineError('invalid', `${what} must not contain a NUL byte`);
  }
}

/** Docker's form: 64 hexadecimal digits. */
export function anonymousName(): string {
  return randomBytes(32).toString('hex');
}

// What `logs --details` puts before a line: values of labels and variables that log options name, and the tag. For every driver that has
// these options.
import { RE2JS } from 're2js';
import { EngineError } from '../../errors/engine-error.ts';
import { words } from './log-options.ts';

/** The container, as far as its log tells of it. */
export interface LogSubject {
  readonly id: string;
  readonly name: string;
  /** "sha256:…" */
  readonly imageId: string;
  /** As it was asked for. */
  readonly image: string;
  readonly command: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** "NAME=value" */
  readonly environment: readonly string[];
}

const patternLimit = 1000;

/** What a tag may hold between braces: the fields of Docker's log tags that are texts. */
const tagFields: Readonly<Record<string, (subject: LogSubject) => string>> = {
  ID: ({ id }) => id.slice(0, 12),
  FullID: ({ id }) => id,
  ContainerID: ({ id }) => id,
  Name: ({ name }) => name,
  ContainerName: ({ name }) => `/${name}`,
  ImageID: ({ imageId }) => imageId.slice(0, 12),
  ImageFullID: ({ imageId }) => imageId,
  ContainerImageID: ({ imageId }) => imageId,
  ImageName: ({ image }) => image,
  ContainerImageName: ({ image }) => image,
  Command: ({ command }) => command.join(' '),
  DaemonName: () => 'docker',
};

/** Of a driver without such options. */
export const noDetails = (): string => '';

/**
 * Reads `tag`, `labels`, `labels-regex`, `env` and `env-regex`. What it returns makes `k=v,k2=v2` of a container: sorted, escaped as in a
 * URL. Throws 'invalid'.
 */
export function parseDetails(options: ReadonlyMap<string, string>): (subject: LogSubject) => string {
  const tag = options.get('tag') ?? '';
  checkTag(tag);
  const isLabelShown = namedBy(options, 'labels');
  const isVariableShown = namedBy(options, 'env');
  return (subject) => {
    const found = new Map<string, string>();
    for (const [key, value] of Object.entries(subject.labels)) if (isLabelShown(key)) found.set(key, value);
    for (const entry of subject.environment) {
      const at = entry.indexOf('=');
      if (at < 0) continue;
      const key = entry.slice(0, at);
      if (isVariableShown(key)) found.set(key, entry.slice(at + 1));
    }
    if (tag !== '') found.set('tag', fillTag(tag, subject));
    return [...found]
      .map(([key, value]) => `${urlText(key)}=${urlText(value)}`)
      .sort()
      .join(',');
  };
}

/** By name, or by a pattern of the name. */
function namedBy(options: ReadonlyMap<string, string>, key: 'labels' | 'env'): (name: string) => boolean {
  const names = words(options.get(key));
  const pattern = parsePattern(`${key}-regex`, options.get(`${key}-regex`));
  return (name) => names.includes(name) || (pattern?.matcher(name).find() ?? false);
}

function parsePattern(key: string, text: string | undefined): RE2JS | undefined {
  if (text === undefined || text === '') return undefined;
  if (text.length > patternLimit) throw new EngineError('invalid', `invalid value for "${key}": too long`);
  try {
    return RE2JS.compile(text);
  } catch (error) {
    throw new EngineError('invalid', `invalid value for "${key}": ${(error as Error).message}`);
  }
}

/** Throws 'invalid' for a tag with anything else between braces. */
function checkTag(tag: string): void {
  const rest = tag.replace(/\{\{\s*\.(\w+)\s*\}\}/g, (whole, field: string) =>
    Object.hasOwn(tagFields, field) ? '' : whole,
  );
  const wrong = /\{\{.*/s.exec(rest)?.[0];
  if (wrong === undefined) return;
  throw new EngineError(
    'invalid',
    `invalid value for "tag": ${wrong}: fields are ${Object.keys(tagFields)
      .map((field) => `{{.${field}}}`)
      .join(', ')}`,
  );
}

function fillTag(tag: string, subject: LogSubject): string {
  return tag.replace(/\{\{\s*\.(\w+)\s*\}\}/g, (_whole, field: string) => tagFields[field]?.(subject) ?? '');
}

function urlText(text: string): string {
  return encodeURIComponent(text).replace(/%20/g, '+');
}

// What `logs --details` puts before a line: values of labels and variables that log options name, and the tag.
import { EngineError } from '../errors/engine-error.ts';
import type { ContainerRecord } from './container-record.ts';
import type { LogOptions } from './log-options.ts';

type Described = Pick<ContainerRecord, 'id' | 'name' | 'imageId' | 'config'>;

/** What a tag may hold between braces: the fields of Docker's log tags that are texts. */
const tagFields: Readonly<Record<string, (container: Described) => string>> = {
  ID: ({ id }) => id.slice(0, 12),
  FullID: ({ id }) => id,
  ContainerID: ({ id }) => id,
  Name: ({ name }) => name,
  ContainerName: ({ name }) => `/${name}`,
  ImageID: ({ imageId }) => imageId.slice(0, 12),
  ImageFullID: ({ imageId }) => imageId,
  ContainerImageID: ({ imageId }) => imageId,
  ImageName: ({ config }) => config.Image,
  ContainerImageName: ({ config }) => config.Image,
  Command: ({ config }) => [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])].join(' '),
  DaemonName: () => 'docker',
};

/** Throws 'invalid' for a tag with anything else between braces. */
export function checkTag(tag: string): void {
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

function fillTag(tag: string, container: Described): string {
  return tag.replace(/\{\{\s*\.(\w+)\s*\}\}/g, (_whole, field: string) => tagFields[field]?.(container) ?? '');
}

/** `k=v,k2=v2`: sorted, escaped as in a URL. */
export function logDetails(options: LogOptions, container: Described): string {
  const { Labels, Env } = container.config;
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(Labels)) {
    if (options.labels.includes(key) || options.labelsPattern?.matcher(key).find()) found.set(key, value);
  }
  for (const entry of Env) {
    const at = entry.indexOf('=');
    if (at < 0) continue;
    const key = entry.slice(0, at);
    if (options.env.includes(key) || options.envPattern?.matcher(key).find()) found.set(key, entry.slice(at + 1));
  }
  if (options.tag !== '') found.set('tag', fillTag(options.tag, container));
  const urlText = (text: string) => encodeURIComponent(text).replace(/%20/g, '+');
  return [...found]
    .map(([key, value]) => `${urlText(key)}=${urlText(value)}`)
    .sort()
    .join(',');
}

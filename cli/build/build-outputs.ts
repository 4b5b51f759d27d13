// --output: what the build makes beside or instead of an image, and where its files go on this machine.
import { mkdir } from 'node:fs/promises';
import { PassThrough, type Readable } from 'node:stream';
import type { BuildOutputChunk } from '../../daemon/docker-types/build.ts';
import { readEntries } from '../../daemon/protocols/tar/read-entries.ts';
import type { Cli } from '../context.ts';
import { extract } from '../copy/extract.ts';
import { CliError } from '../errors.ts';
import { cut, parseCsvLine } from '../options/csv.ts';
import { writeNewFile } from '../terminal/file-output.ts';
import { keepOtherCaches } from './keep-other-caches.ts';

export interface OutputSpec {
  /** Docker's; 'cache': a --cache-to type=local. */
  readonly type: string;
  readonly attributes: Record<string, string>;
  /** Empty: this machine is not concerned; "-": standard output. */
  readonly destination: string;
}

const toClient = new Set(['local', 'tar', 'oci', 'docker']);

/** "type=local,dest=path", or a path alone: a directory; "-": a tar on standard output. Throws CliError. */
export function parseOutput(text: string): OutputSpec {
  if (text === '-') return { type: 'tar', attributes: {}, destination: '-' };
  if (!text.includes('=')) return { type: 'local', attributes: {}, destination: text };
  const attributes: Record<string, string> = {};
  for (const field of parseCsvLine(text)) {
    const [key, value] = cut(field, '=');
    if (value === undefined) throw new CliError(`invalid value ${field}, expected k=v`);
    attributes[key.trim().toLowerCase()] = value;
  }
  const { type = '', dest: destination = '', ...rest } = attributes;
  if (type === '') throw new CliError(`type is required for output: ${text}`);
  if (type === 'local' && destination === '') throw new CliError('dest is required for local output');
  if (!toClient.has(type))
    return {
      type: type === 'registry' ? 'image' : type,
      attributes: type === 'registry' ? { ...rest, push: 'true' } : rest,
      destination: '',
    };
  // docker without a file is the store of the daemon.
  if (type === 'docker' && destination === '') return { type: 'image', attributes: rest, destination: '' };
  return { type, attributes: rest, destination: destination || '-' };
}

export class BuildOutputs {
  readonly #cli: Cli;
  readonly #specs: readonly OutputSpec[];
  readonly #open = new Map<number, { input: PassThrough; done: Promise<void> }>();

  constructor(cli: Cli, specs: readonly OutputSpec[]) {
    this.#cli = cli;
    this.#specs = specs;
  }

  async take({ output, data }: BuildOutputChunk): Promise<void> {
    let open = this.#open.get(output);
    if (open === undefined) {
      const input = new PassThrough();
      const done = this.#write(this.#specs[output], input);
      // Told at the end.
      done.catch(() => input.destroy());
      open = { input, done };
      this.#open.set(output, open);
    }
    if (data === '') {
      open.input.end();
      await open.done;
    } else if (!open.input.destroyed && !open.input.write(Buffer.from(data, 'base64'))) {
      await Promise.race([new Promise((resolve) => open.input.once('drain', resolve)), open.done]);
    }
  }

  async #write(spec: OutputSpec | undefined, input: Readable): Promise<void> {
    if (spec === undefined) throw new CliError('the daemon sent an output that was not asked for');
    const { type, destination } = spec;
    if (type === 'local' || type === 'cache') {
      await mkdir(destination, { recursive: true });
      const addOthers = type === 'cache' ? await keepOtherCaches(destination) : undefined;
      const keepOwners = false;
      await extract(readEntries(input), { plan: { directory: destination, rename: undefined }, keepOwners });
      await addOthers?.();
    } else if (destination === '-') {
      for await (const chunk of input) await this.#cli.out.write(chunk as Buffer);
    } else await writeNewFile(destination, input);
  }
}

import { statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { parseFlags } from '../../../daemon/protocols/flags/parse.ts';
import { cacheDestinations, cacheSources } from '../../build/build-caches.ts';
import { buildFlags } from '../../build/build-flags.ts';
import { BuildOutputs, type OutputSpec, parseOutput } from '../../build/build-outputs.ts';
import { buildQuery, type NamedContext } from '../../build/build-query.ts';
import { contextFiles } from '../../build/context-files.ts';
import { type BuildContext, findContext, isUrl } from '../../build/find-context.ts';
import { packContext } from '../../build/pack-context.ts';
import { sendContext, sendNamedContext } from '../../build/send-context.ts';
import { sessionOffers } from '../../build/session-offers.ts';
import { openSession } from '../../build/session-server.ts';
import { BuildFailed, type ProgressMode, progressModes, type ShownBuild, showBuild } from '../../build/show-build.ts';
import { segment } from '../../client/api-client.ts';
import { defineCommand, exactly } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { allRegistryHeaders, registryHeaders } from '../../credentials/open-store.ts';
import { CliError } from '../../errors.ts';
import { refuseContentTrust } from '../../options/content-trust.ts';
import { cut } from '../../options/csv.ts';
import { parseReference } from '../../options/reference.ts';
import { systemReason } from '../../options/variables.ts';
import { isTerminal } from '../../terminal/output.ts';
import { showProgress } from '../../views/progress.ts';

export const build = defineCommand({
  usage: '[OPTIONS] PATH | URL | -',
  short: 'Build an image from a Dockerfile',
  aliases: ['image build', 'build', 'builder build'],
  flags: buildFlags,
  arguments: exactly(1),
  async run({ cli, flags, args: [path = ''] }) {
    refuseContentTrust(flags.disableContentTrust);
    const mode = progressMode(flags.quiet ? 'quiet' : flags.progress);
    const outputs = outputsOf(flags);
    const context = await findContext(path, flags.file, readStdin);
    const contexts = await namedContexts(cli, flags.buildContext);
    const to = cacheDestinations(flags.cacheTo);
    const caches = { from: await cacheSources(cli, flags.cacheFrom), to: to.values };
    const query = buildQuery(flags, { outputs, contexts, caches, config: cli.config(), host: cli.client.host });
    const offers = sessionOffers(flags.secret, flags.ssh, process.env);
    using session = offers === undefined ? undefined : await openSession(cli.client, offers);
    const sent = await bodyOf(cli, context, flags.compress);
    const response = await cli.client.request('POST', '/build', {
      query: {
        ...query,
        dockerfile: context.dockerfile || undefined,
        remote: context.kind === 'remote' ? context.url : undefined,
        context: sent.update,
        session: session?.id,
      },
      headers: await allRegistryHeaders(cli),
      ...(sent.body === undefined ? {} : { body: sent.body }),
    });
    const taken = { outputs: new BuildOutputs(cli, outputs), caches: new BuildOutputs(cli, to.specs) };
    const shown = await showBuild(cli, response.body, { mode, ...taken }).catch((error: unknown) =>
      lookAtFailure(cli, flags, error),
    );
    await tellResult(cli, flags, shown);
    if (outputs.some(({ attributes }) => attributes.push === 'true')) await pushAll(cli, flags.tag);
    return answerStatus(shown);
  },
});

type Flags = Parameters<typeof buildQuery>[0];

function progressMode(text: string): ProgressMode {
  const asked = process.env.BUILDKIT_PROGRESS && text === 'auto' ? process.env.BUILDKIT_PROGRESS : text;
  const mode = progressModes.find((name) => name === asked);
  if (mode === undefined) throw new CliError(`invalid progress mode ${asked}: want ${progressModes.join(', ')}`);
  return mode;
}

function outputsOf(flags: Flags): OutputSpec[] {
  const outputs = flags.output.map(parseOutput);
  if (flags.push) outputs.push({ type: 'image', attributes: { push: 'true' }, destination: '' });
  if (flags.load && outputs.every(({ type }) => type !== 'image'))
    outputs.push({ type: 'image', attributes: {}, destination: '' });
  return outputs;
}

/** Directories of this machine are sent ahead; the rest is the daemon's to find. */
async function namedContexts(cli: Cli, texts: readonly string[]): Promise<NamedContext[]> {
  const contexts: NamedContext[] = [];
  for (const text of texts) {
    const [name, value = ''] = cut(text, '=');
    if (name === '' || value === '') throw new CliError(`invalid context value: ${text}, expected key=value`);
    const isElsewhere = isUrl(value) || /^(?:docker-image|oci-layout):\/\//.test(value);
    contexts.push({ name, value: isElsewhere ? value : await sendNamedContext(cli, name, directoryOf(name, value)) });
  }
  return contexts;
}

function directoryOf(name: string, path: string): string {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new CliError(`failed to get build context ${name}: stat ${path}: no such directory`);
  return resolve(path);
}

interface SentBody {
  readonly update?: string | undefined;
  readonly body?: AsyncIterable<Uint8Array>;
}

/** Packed, all of it goes in one piece. */
async function bodyOf(cli: Cli, context: BuildContext, isPacked: boolean): Promise<SentBody> {
  if (context.kind === 'remote') return {};
  if (context.kind === 'stdin') return { body: process.stdin as AsyncIterable<Uint8Array> };
  if (isPacked) {
    const tar = packContext(contextFiles(context));
    return { body: Readable.from(tar, { objectMode: false }).pipe(createGzip()) };
  }
  const { update, archive } = await sendContext(cli, context);
  return { update, body: archive };
}

async function readStdin(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** A check that has found something ends with 1, as docker's. */
function answerStatus({ result }: ShownBuild): number {
  const json = result?.answer?.json;
  if (typeof json !== 'object' || json === null) return 0;
  const hasWarnings = 'warnings' in json && Array.isArray(json.warnings) && json.warnings.length > 0;
  return hasWarnings || 'buildError' in json ? 1 : 0;
}

async function tellResult(cli: Cli, flags: Flags, { imageId, result }: ShownBuild): Promise<void> {
  if (result?.answer !== undefined) {
    cli.out.print(result.answer.text.endsWith('\n') ? result.answer.text : `${result.answer.text}\n`);
  }
  for (const name of result?.unusedArgs ?? [])
    cli.err.line(`[Warning] One or more build-args [${name}] were not consumed`);
  if (imageId !== undefined) {
    if (flags.quiet) cli.out.line(imageId);
    await write(flags.iidfile, imageId);
  }
  if (flags.metadataFile !== '')
    await write(flags.metadataFile, `${JSON.stringify(result?.metadata ?? {}, null, 2)}\n`);
}

/** The step that failed is run in as it stood, and stays as an image when that was asked for. Always throws `error`. */
async function lookAtFailure(cli: Cli, flags: Flags, error: unknown): Promise<never> {
  if (!(error instanceof BuildFailed) || error.keptId === undefined) throw error;
  const { keptId } = error;
  if (flags.invokeOnError !== '') {
    cli.err.line(error.message);
    const [program = '', ...args] = flags.invokeOnError.split(' ').filter((word) => word !== '');
    const { run } = await import('../containers/run.ts');
    const terminal = isTerminal(0) && cli.out.isTerminal ? ['-t'] : [];
    const words = ['-i', ...terminal, '--rm', '--entrypoint', program, keptId, ...args];
    await run.run(cli, parseFlags(run.flags, words, { interspersed: false }));
    if (!flags.keepFailed) await cli.client.delete(`/images/${segment(keptId)}`);
  }
  if (flags.keepFailed) cli.err.line(`The step that failed is kept: ${cli.program} run -it --rm ${keptId} sh`);
  throw error;
}

async function write(path: string, text: string): Promise<void> {
  if (path === '') return;
  await writeFile(path, text).catch((error: unknown) => {
    throw new CliError(`open ${path}: ${systemReason(error)}`);
  });
}

async function pushAll(cli: Cli, tags: readonly string[]): Promise<void> {
  if (tags.length === 0) throw new CliError('tag is needed when pushing to registry');
  for (const tag of tags) {
    const reference = parseReference(tag);
    const response = await cli.client.request('POST', `/images/${segment(reference.familiarName)}/push`, {
      query: { tag: reference.tag },
      headers: await registryHeaders(cli, tag),
    });
    await showProgress(cli, response.body, { quiet: false, to: cli.err });
  }
}

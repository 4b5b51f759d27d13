// Routes of images that this engine has: list, inspect, history, tag, remove, prune, import, and where pulling begins.
import { Type } from '@sinclair/typebox';
import { EngineError } from '../../errors/engine-error.ts';
import { requestedVersion } from '../api-version.ts';
import { type App, checkName, nameParams as params, sendEmpty, sendJson } from '../app.ts';
import { clientHasLeft } from '../error-status.ts';
import { bodyStream } from '../http/body-stream.ts';
import { whenClientLeaves } from '../http/client-leaves.ts';
import { ProgressStream } from '../http/progress-stream.ts';
import { ResponseStream } from '../http/response-stream.ts';
import { filters, flag, list, text } from '../request/query.ts';
import { readPlatform } from '../request/read-platform.ts';
import type { ApiServices } from '../services.ts';
import { adaptImageInspect, adaptImageSummary } from '../views/image-versions.ts';
import { historyView, inspectView, pruneView, removedView, summaryView } from '../views/image-view.ts';
import { pullImage } from './pull.ts';

const tags = ['Image'];

export function registerImages(app: App, services: ApiServices): void {
  const { images } = services;
  const platform = text('JSON object of an OCI platform');
  /** Before `since` the field meant nothing, as with docker. */
  const platformOf = (request: { originalUrl: string }, text: string | undefined, since: number) =>
    requestedVersion(request.originalUrl) < since ? undefined : readPlatform(text);

  app.get(
    '/images/json',
    {
      schema: {
        summary: 'List images',
        tags,
        querystring: Type.Object({
          all: flag('Also images without a name that others are built on'),
          filters: filters('dangling, label, before, since, reference, until'),
          filter: text('A reference, as clients before 1.25 sent it'),
          'shared-size': flag('Count SharedSize'),
          digests: flag('Always so'),
        }),
      },
    },
    async (request, reply) => {
      const { all, filter, 'shared-size': sharedSize } = request.query;
      const version = requestedVersion(request.originalUrl);
      const merged = new Map(request.query.filters);
      if (filter) merged.set('reference', [...(merged.get('reference') ?? []), filter]);
      const found = images.list({ all, filters: merged, sharedSize });
      return sendJson(
        reply,
        found.map((image) => adaptImageSummary(summaryView(image), version)),
      );
    },
  );

  app.get(
    '/images/:name/json',
    { schema: { summary: 'Inspect', tags, params, querystring: Type.Object({ platform }) } },
    async (request, reply) => {
      const wanted = platformOf(request, request.query.platform, 1049);
      const image = images.inspect(checkName('image', request.params.name), wanted);
      return sendJson(reply, adaptImageInspect(inspectView(image), requestedVersion(request.originalUrl)));
    },
  );

  app.get(
    '/images/:name/history',
    { schema: { summary: 'How it came about, newest first', tags, params, querystring: Type.Object({ platform }) } },
    async (request, reply) => {
      const wanted = platformOf(request, request.query.platform, 1048);
      const steps = images.history(checkName('image', request.params.name), wanted);
      return sendJson(reply, steps.map(historyView));
    },
  );

  app.post(
    '/images/:name/tag',
    {
      schema: {
        summary: 'Give it another name (201)',
        tags,
        params,
        querystring: Type.Object({ repo: text('The name'), tag: text('The tag; latest when absent') }),
      },
    },
    async (request, reply) => {
      const { repo = '', tag = '' } = request.query;
      images.tag(checkName('image', request.params.name), repo, tag);
      return sendEmpty(reply, 201);
    },
  );

  app.delete(
    '/images/:name',
    {
      schema: {
        summary: 'Take a name away, and the image with its last name',
        tags,
        params,
        querystring: Type.Object({
          force: flag('Even when stopped containers use it or it has several names'),
          noprune: flag('Keep its parents without a name'),
          platforms: list('JSON object of the OCI platform that the image has to have'),
        }),
      },
    },
    async (request, reply) => {
      const { force, noprune, platforms } = request.query;
      const given = requestedVersion(request.originalUrl) < 1050 ? [] : platforms;
      if (given.length > 1) throw new EngineError('invalid', 'multiple platforms are not supported');
      const wanted = readPlatform(given[0]);
      const name = checkName('image', request.params.name);
      const options = { force, noPrune: noprune, ...(wanted === undefined ? {} : { platform: wanted }) };
      const removed = await images.remove(name, options);
      return sendJson(reply, removed.map(removedView));
    },
  );

  app.post(
    '/images/prune',
    {
      schema: {
        summary: 'Remove images that nothing uses',
        tags,
        querystring: Type.Object({ filters: filters('dangling, until, label, label!') }),
      },
    },
    async (request, reply) => sendJson(reply, pruneView(await images.prune(request.query.filters))),
  );

  app.post(
    '/images/create',
    {
      config: { body: 'stream' },
      schema: {
        summary: 'Pull an image (fromImage), or make one of a tar (fromSrc)',
        tags,
        querystring: Type.Object({
          fromImage: text('Pull this; credentials are in X-Registry-Auth'),
          fromSrc: text('- for the body; else the URL of a tar'),
          repo: text('Name of the image'),
          tag: text('Its tag; of fromImage also a digest, all tags when absent'),
          message: text('Message of the history'),
          changes: list('Dockerfile instructions'),
          platform: text('os[/arch[/variant]]'),
        }),
      },
    },
    async (request, reply) => {
      const { fromImage, fromSrc, repo = '', tag = '', message: given, changes, platform: asked = '' } = request.query;
      if (fromImage)
        return pullImage(request, reply, services.registry, {
          image: fromImage,
          tag,
          platform: asked,
        });
      if (!fromSrc) throw new EngineError('invalid', 'images/create: fromImage or fromSrc is needed');
      const message = given || `Imported from ${fromSrc}`;
      const lines = changes.flatMap((text) => text.split('\n')).filter((line) => line.trim() !== '');
      const options = { repo, tag, message, changes: lines, platform: asked };
      if (fromSrc !== '-') {
        request.raw.resume();
        return new ProgressStream(reply).run(async (tell, signal) =>
          tell({ status: await images.importFrom(fromSrc, { ...options, signal }, tell) }),
        );
      }
      const cancel = new AbortController();
      whenClientLeaves(reply.raw, () => {
        if (!reply.raw.writableEnded) cancel.abort(clientHasLeft());
      });
      const tar = bodyStream(request.raw);
      const id = await images.importTar(tar, { ...options, signal: cancel.signal });
      new ResponseStream(reply, 'application/json').end(`${JSON.stringify({ status: id })}\r\n`);
    },
  );
}

// Routes that carry images as archives: save and load.
import { Type } from '@sinclair/typebox';
import type { FastifyReply } from 'fastify';
import type { Platform } from '../../images/documents/platform.ts';
import { type App, checkName, given, nameParams as params } from '../app.ts';
import { bodyStream } from '../http/body-stream.ts';
import { ProgressStream } from '../http/progress-stream.ts';
import { ResponseStream } from '../http/response-stream.ts';
import { flag, list, text } from '../request/query.ts';
import { readPlatform } from '../request/read-platform.ts';
import type { ApiServices } from '../services.ts';

const tags = ['Image'];

export function registerImageArchives(app: App, { images, log }: ApiServices): void {
  const platform = text('JSON object of an OCI platform');

  const save = async (reply: FastifyReply, names: readonly string[], wanted: Platform | undefined) => {
    for (const name of names) checkName('image', name);
    const tar = await images.save(names, given({ platform: wanted }));
    const stream = new ResponseStream(reply, 'application/x-tar');
    stream.onClose(() => tar.destroy());
    try {
      for await (const chunk of tar) await stream.write(chunk as Buffer);
      stream.end();
    } catch (error) {
      if (!reply.raw.destroyed) log.warn({ err: error }, 'cannot save images to their end: the client was cut off');
      stream.abort();
    }
  };

  app.get(
    '/images/get',
    {
      schema: {
        summary: 'Save images as one archive',
        tags,
        querystring: Type.Object({ names: list('Names or IDs'), platform }),
      },
    },
    (request, reply) => save(reply, request.query.names, readPlatform(request.query.platform)),
  );

  app.get(
    '/images/:name/get',
    { schema: { summary: 'Save an image as an archive', tags, params, querystring: Type.Object({ platform }) } },
    (request, reply) => save(reply, [request.params.name], readPlatform(request.query.platform)),
  );

  app.post(
    '/images/load',
    {
      config: { body: 'stream' },
      schema: {
        summary: 'Load images from an archive',
        tags,
        querystring: Type.Object({ quiet: flag('No progress'), platform }),
      },
    },
    async (request, reply) => {
      const wanted = readPlatform(request.query.platform);
      const progress = new ProgressStream(reply, { alwaysBegins: true });
      await progress.run((tell, signal) =>
        images.load(bodyStream(request.raw), {
          ...given({ platform: wanted }),
          quiet: request.query.quiet,
          tell,
          signal,
        }),
      );
    },
  );
}

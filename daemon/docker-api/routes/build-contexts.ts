// /build/contexts/{id}, which only this engine has: a list of a directory in, what has to be sent of it out; and the directory itself, where it is
// for a build that comes later. See docs/api.md.
import { Type } from '@sinclair/typebox';
import type { WaitingContexts } from '../../build/contexts/waiting-contexts.ts';
import { encodeContextOffer } from '../../protocols/context-list/context-offer.ts';
import { type App, sendJson } from '../app.ts';
import { clientHasLeft } from '../error-status.ts';
import { bodyStream } from '../http/body-stream.ts';
import { whenClientLeaves } from '../http/client-leaves.ts';
import { ResponseStream } from '../http/response-stream.ts';
import { text } from '../request/query.ts';
import type { ApiServices } from '../services.ts';

export function registerBuildContexts(app: App, { build }: Pick<ApiServices, 'build'>, waiting: WaitingContexts): void {
  const params = Type.Object({ id: Type.String({ description: "The client's name for the directory" }) });
  app.post(
    '/build/contexts/:id',
    {
      config: { body: 'stream' },
      schema: {
        summary: 'Compare a directory with what is kept of it',
        tags: ['Build'],
        params,
      },
    },
    async (request, reply) => {
      const cancel = new AbortController();
      whenClientLeaves(reply.raw, () => {
        if (!reply.raw.writableEnded) cancel.abort(clientHasLeft());
      });
      const offer = await build.offerContext(request.params.id, bodyStream(request.raw), cancel.signal);
      const stream = new ResponseStream(reply, 'application/x-ndjson');
      for (const line of encodeContextOffer(offer)) await stream.write(line);
      stream.end();
    },
  );

  app.put(
    '/build/contexts/:id',
    {
      config: { body: 'stream' },
      schema: {
        summary: 'Send what was asked for of a directory, for a build that names it',
        tags: ['Build'],
        params,
        querystring: Type.Object({ update: text('Of the answer to the list') }),
      },
    },
    async (request, reply) => {
      const cancel = new AbortController();
      whenClientLeaves(reply.raw, () => {
        if (!reply.raw.writableEnded) cancel.abort(clientHasLeft());
      });
      const { update = '' } = request.query;
      const directory = await build.receiveChanges(update, bodyStream(request.raw), cancel.signal);
      return sendJson(reply, { name: waiting.add(directory) }, 201);
    },
  );
}

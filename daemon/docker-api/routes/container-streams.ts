// Routes that stream what a container says and does: attach, logs, stats.
import { type Static, Type } from '@sinclair/typebox';
import { EngineError } from '../../errors/engine-error.ts';
import { requestedVersion } from '../api-version.ts';
import { type App, checkName, given, containerParams as params } from '../app.ts';
import { ResponseStream } from '../http/response-stream.ts';
import { compileQuery, flag, text, timestamp } from '../request/query.ts';
import type { ApiServices } from '../services.ts';
import { detachKeysOf } from '../sessions/detach-keys.ts';
import { type HijackTarget, notHandedOver } from '../sessions/hijack.ts';
import { lineFrames } from '../sessions/line-frames.ts';
import { type Opened, stdioUpgrades, webSocketUpgrades } from '../sessions/stdio-upgrade.ts';
import { mergesLogFrames, pumpOutput, streamContentType } from '../sessions/stream-framing.ts';
import { statsView } from '../views/container-stats.ts';

const tags = ['Container'];

const attachQuery = Type.Object({
  stream: flag('What is written from now on'),
  stdin: flag('The connection is its input'),
  stdout: flag('Its output'),
  stderr: flag('Its error output'),
  logs: flag('What was written before, first'),
  detachKeys: text('Keys that leave a terminal; ctrl-p,ctrl-q when absent'),
});

const decodeAttach = compileQuery(attachQuery);

/** Registers the routes; returns how an attach is opened, for it takes the connection over. */
export function registerContainerStreams(app: App, { containers }: ApiServices): HijackTarget[] {
  const openAttach = async (id: string, query: Static<typeof attachQuery>): Promise<Opened> => {
    const { detachKeys, ...options } = query;
    const keys = detachKeysOf(detachKeys);
    return { attachment: await containers.attach(checkName('container', id), options), detachKeys: keys };
  };

  app.post(
    '/containers/:id/attach',
    {
      schema: {
        summary: "Connect to the container's stdin and output (101, or 200 without an Upgrade)",
        tags,
        params,
        querystring: attachQuery,
      },
    },
    notHandedOver,
  );

  app.get(
    '/containers/:id/attach/ws',
    { schema: { summary: 'The same over a WebSocket (101)', tags, params, querystring: attachQuery } },
    notHandedOver,
  );

  app.get(
    '/containers/:id/logs',
    {
      schema: {
        summary: 'What the container wrote',
        tags,
        params,
        querystring: Type.Object({
          follow: flag('Go on until it stops'),
          stdout: flag('Its output'),
          stderr: flag('Its error output'),
          since: timestamp('From this time on'),
          until: timestamp('Up to this time'),
          timestamps: flag('A time in front of each line'),
          details: flag('Labels and variables asked for by log options in front of each line'),
          tail: text('This many lines from the end; all when absent'),
        }),
      },
    },
    async (request, reply) => {
      const { follow, stdout, stderr, timestamps, details, since, until, tail } = request.query;
      if (!stdout && !stderr) {
        throw new EngineError('invalid', 'Bad parameters: you must choose at least one stream');
      }
      const logs = await containers.logs(checkName('container', request.params.id), {
        ...{ stdout, stderr, follow, timestamps, details },
        ...given({
          tail: tail !== undefined && /^\d{1,15}$/.test(tail) ? Number(tail) : undefined,
          sinceNs: since === 0n ? undefined : since,
          untilNs: until === 0n ? undefined : until,
        }),
      });
      const stream = new ResponseStream(reply, streamContentType(logs.tty, requestedVersion(request.originalUrl)));
      if (follow) stream.onLeave(() => logs.close());
      else stream.onClose(() => logs.close());
      try {
        const canMerge = mergesLogFrames(request.headers['user-agent']);
        const output = logs.tty || canMerge ? logs.output : lineFrames(logs.output);
        await pumpOutput(output, stream.raw, { isFramed: !logs.tty, canMerge });
        stream.end();
      } catch {
        stream.abort();
      }
    },
  );

  app.get(
    '/containers/:id/stats',
    {
      schema: {
        summary: 'Resource usage, one JSON object per second',
        tags,
        params,
        querystring: Type.Object({
          stream: flag('Until the client leaves', true),
          'one-shot': flag('One sample, without one before it'),
        }),
      },
    },
    async (request, reply) => {
      const { stream: isStream, 'one-shot': oneShot } = request.query;
      if (isStream && oneShot) throw new EngineError('invalid', 'cannot have stream=true and one-shot=true');
      const id = checkName('container', request.params.id);
      const samples = (await containers.stats(id, { stream: isStream, oneShot }))[Symbol.asyncIterator]();
      const stream = new ResponseStream(reply, 'application/json');
      let hasLeft = false;
      const leave = () => {
        hasLeft = true;
        void samples.return?.();
      };
      if (isStream) stream.onLeave(leave);
      else stream.onClose(leave);
      try {
        for (let sample = await samples.next(); !sample.done && !hasLeft; sample = await samples.next()) {
          await stream.write(`${JSON.stringify(statsView(sample.value))}\n`);
        }
        stream.end();
      } catch {
        stream.abort();
      }
    },
  );

  const decode = (query: URLSearchParams) => decodeAttach(Object.fromEntries(query));
  return [
    {
      method: 'POST',
      path: /^\/containers\/(?<id>[^/]+(?:\/[^/]+)?)\/attach\/?$/,
      upgrades: stdioUpgrades(({ id, query }) => openAttach(id, decode(query))),
    },
    {
      method: 'GET',
      path: /^\/containers\/(?<id>[^/]+(?:\/[^/]+)?)\/attach\/ws\/?$/,
      upgrades: webSocketUpgrades(({ id, query, version }) => {
        // Which streams are wanted is asked since 1.42; before, it is all of them.
        const all = version < 1042 ? { stdin: true, stdout: true, stderr: true } : {};
        return openAttach(id, { ...decode(query), ...all });
      }),
    },
  ];
}

// Routes about the engine as a whole: liveness, versions, facts, disk usage, events.
import { Type } from '@sinclair/typebox';
import type { DiskUsage, SystemVersion } from '../../docker-types/system.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { eventFilterKeys, wallClockNs } from '../../state/event-log.ts';
import { checkFilterKeys } from '../../state/filters.ts';
import { mapInTurns } from '../../state/map-in-turns.ts';
import { apiVersion, minApiVersion, requestedVersion } from '../api-version.ts';
import { type App, given, sendEmpty, sendJson } from '../app.ts';
import { ResponseStream } from '../http/response-stream.ts';
import { filters, list, timestamp } from '../request/query.ts';
import type { ApiServices } from '../services.ts';
import { cacheEntryView } from '../views/build-view.ts';
import { adaptImageSummary } from '../views/image-versions.ts';
import { summaryView } from '../views/image-view.ts';
import { usageView } from '../views/list-containers.ts';
import { systemInfoView } from '../views/system-info.ts';
import { volumeUsageView } from '../views/volume-view.ts';

const eventListenerLimit = 512;
const pingHeaders = {
  'Builder-Version': '1',
  'Cache-Control': 'no-cache, no-store, must-revalidate',
  Pragma: 'no-cache',
  Swarm: 'inactive',
  'Content-Type': 'text/plain; charset=utf-8',
};

export function registerSystem(app: App, services: ApiServices): void {
  const tags = ['System'];

  app.head(
    '/_ping',
    { schema: { summary: 'Liveness, and the newest API version in the headers', tags } },
    (_, reply) => {
      reply.headers({ ...pingHeaders, 'Content-Length': '0' }).send();
    },
  );
  app.get(
    '/_ping',
    { schema: { summary: 'Liveness, and the newest API version in the headers', tags } },
    (_, reply) => {
      reply.headers(pingHeaders).send('OK');
    },
  );
  app.options('/*', { schema: { summary: 'Nothing: there is no cross-origin access', tags } }, (_, reply) => {
    sendEmpty(reply, 200);
  });

  app.get('/version', { schema: { summary: 'Versions of the engine and its parts', tags } }, (_, reply) =>
    sendJson(reply, versionOf(services)),
  );

  app.get('/info', { schema: { summary: 'Facts about the host and the engine', tags } }, async (_, reply) =>
    sendJson(reply, systemInfoView(await services.system.info())),
  );

  app.get(
    '/system/df',
    {
      schema: {
        summary: 'Disk usage',
        tags,
        querystring: Type.Object({ type: list('container, image, volume, build-cache; all when absent') }),
      },
    },
    async (request, reply) => {
      const usage = await diskUsage(services, request.query.type, requestedVersion(request.originalUrl));
      return sendJson(reply, usage);
    },
  );

  app.get(
    '/events',
    {
      schema: {
        summary: 'What happens, as a stream of JSON objects',
        tags,
        querystring: Type.Object({
          since: timestamp('From this time on, as far as the last 256 events reach'),
          until: timestamp('Up to this time; then the stream ends'),
          filters: filters('type, event, container, image, network, volume, label, daemon, scope'),
        }),
      },
    },
    async (request, reply) => {
      const { since, until } = request.query;
      checkFilterKeys(request.query.filters, eventFilterKeys);
      if (services.system.events.listeners >= eventListenerLimit) {
        throw new EngineError('unavailable', `more than ${eventListenerLimit} clients listen to events`);
      }
      const events = services.system.events.subscribe({
        ...given({ sinceNs: since, untilNs: until }),
        filters: request.query.filters,
      });
      const stream = new ResponseStream(reply, 'application/json');
      stream.onLeave(() => events.close());
      for await (const event of events) await stream.write(`${event}\n`);
      stream.end();
    },
  );
}

function versionOf(services: ApiServices): SystemVersion {
  const host = services.system.host();
  const arch = goArchitecture(host.architecture);
  return {
    Platform: { Name: 'tsdocker' },
    Components: [
      {
        Name: 'Engine',
        Version: host.version,
        Details: {
          ApiVersion: apiVersion,
          Arch: arch,
          BuildTime: host.buildTime,
          Experimental: 'false',
          GitCommit: host.gitCommit,
          GoVersion: `node ${process.version}`,
          KernelVersion: host.kernelVersion,
          MinAPIVersion: minApiVersion,
          NodeVersion: process.version,
          Os: 'linux',
        },
      },
    ],
    Version: host.version,
    ApiVersion: apiVersion,
    MinAPIVersion: minApiVersion,
    GitCommit: host.gitCommit,
    GoVersion: `node ${process.version}`,
    Os: 'linux',
    Arch: arch,
    KernelVersion: host.kernelVersion,
    BuildTime: host.buildTime,
  };
}

function goArchitecture(machine: string): string {
  return machine === 'x86_64' || machine === 'x64' ? 'amd64' : machine === 'aarch64' ? 'arm64' : machine;
}

const usageTypes: ReadonlySet<string> = new Set(['container', 'image', 'volume', 'build-cache']);

async function diskUsage(services: ApiServices, types: readonly string[], version: number): Promise<DiskUsage> {
  const unknown = types.find((type) => !usageTypes.has(type));
  if (unknown !== undefined) throw new EngineError('invalid', `unknown object type: ${unknown}`);
  const wants = (type: string) => types.length === 0 || types.includes(type);
  const nowNs = wallClockNs();
  const containers = await services.system.containerUsage();
  const images = wants('image') ? await services.images.diskUsage() : undefined;
  const counts = new Map<string, number>();
  for (const { record } of containers) counts.set(record.imageId, (counts.get(record.imageId) ?? 0) + 1);
  return {
    LayersSize: images?.layersBytes ?? 0,
    Images:
      images?.images.map((image) => ({
        ...adaptImageSummary(summaryView(image), version),
        Containers: counts.get(image.id) ?? 0,
      })) ?? null,
    Containers: wants('container')
      ? await mapInTurns(containers, (container) => usageView(services.log, container, nowNs))
      : null,
    Volumes: wants('volume') ? (await services.volumes.usage()).map(volumeUsageView) : null,
    BuildCache: wants('build-cache') ? (await services.build.cache.list()).map(cacheEntryView) : null,
  };
}

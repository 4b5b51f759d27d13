// What a build tells and what it keeps, in the wire's form.
import type { BuildOutcome } from '../../build/build-request.ts';
import type { BuildCacheEntry } from '../../build/build-service.ts';
import type { BuildEvent } from '../../build/solver/build-event.ts';
import type { BuildEventLine, BuildResultLine } from '../../docker-types/build.ts';
import type { BuildCache } from '../../docker-types/system.ts';

export function eventLine(event: BuildEvent): BuildEventLine {
  return event.kind === 'log' ? { ...event, bytes: Buffer.from(event.bytes).toString('base64') } : event;
}

/** In place of output that the client did not take in time. */
export function leftOutText(bytes: number): string {
  return `\n[${bytes} bytes of output were left out]\n`;
}

export function resultLine({ imageId, metadata, unusedArgs, answer }: BuildOutcome): BuildResultLine {
  return {
    ...(imageId === undefined ? {} : { imageId }),
    metadata: { ...metadata },
    unusedArgs,
    ...(answer === undefined ? {} : { answer }),
  };
}

export function cacheEntryView(entry: BuildCacheEntry): BuildCache {
  return {
    ID: entry.id,
    ...(entry.parents.length === 0 ? {} : { Parents: [...entry.parents] }),
    Type: entry.kind,
    Description: entry.description,
    InUse: entry.isInUse,
    Shared: entry.isShared,
    Size: entry.sizeBytes,
    CreatedAt: new Date(entry.createdMs).toISOString(),
    LastUsedAt: entry.lastUsedMs === undefined ? null : new Date(entry.lastUsedMs).toISOString(),
    UsageCount: entry.useCount,
  };
}

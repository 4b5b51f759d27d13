// What dockerd 28.5 with BuildKit 0.25 made of these Dockerfiles (`docker buildx build --progress=rawjson`, the image's own config), against our plans.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ContextChoice } from '../../../../daemon/build/build-request.ts';
import type { ImageConfig } from '../../../../daemon/images/documents/image-config.ts';
import { lookupsOf, names, planText } from './plan-fixture.ts';

interface Given {
  name: string;
  dockerfile: string;
  args?: Record<string, string>;
  labels?: Record<string, string>;
  target?: string;
  /** By name: an image's name; empty: a directory of the client. */
  contexts?: Record<string, string>;
}

interface Recorded {
  bases: Record<string, ImageConfig>;
  images: (Given & { names: string[]; history?: object[]; config?: object; rest?: object; layers?: number })[];
  errors: (Given & { message: string })[];
}

const recorded = readRecorded();

function readRecorded(): Recorded {
  return JSON.parse(readFileSync(new URL('./golden/buildkit-0.25.json', import.meta.url), 'utf8'));
}

async function planOf({ dockerfile, args = {}, labels = {}, target = '', contexts = {} }: Given) {
  const namedContexts = new Map(
    Object.entries(contexts).map(([name, image]): [string, ContextChoice] => [
      name,
      image === '' ? { kind: 'client', name } : { kind: 'image', reference: image },
    ]),
  );
  const options = {
    buildArgs: new Map(Object.entries(args)),
    labels: new Map(Object.entries(labels)),
    target,
    namedContexts,
  };
  return planText(dockerfile, options, lookupsOf(recorded.bases));
}

/** Our names, where they are not the same: a base image that a --from names as well, and triggers that are counted from the start. */
const otherNames: ReadonlyMap<string, string> = new Map([
  ['stages [build 1/2] FROM docker.io/library/bb:latest', 'FROM docker.io/library/bb:latest'],
  ['onbuild [1/7] FROM docker.io/library/rec-onbase:latest', '[1/2] FROM docker.io/library/rec-onbase:latest'],
]);

describe('images', () => {
  it.each(recorded.images.map((image) => [image.name, image] as const))('%s', async (_name, image) => {
    const plan = await planOf(image);
    // Recorded is each name once, and dockerd's own store knows no merges: its --link is one step.
    const shown = [...new Set(names(plan))].filter((name) => !/\] LINK /.test(name));
    const asRecorded = shown.map((name) => otherNames.get(`${image.name} ${name}`) ?? name);
    expect(asRecorded.toSorted()).toEqual(image.names.toSorted());
    if (image.config === undefined) return;
    const { config, history, rootfs, created, ...rest } = plan.image;
    expect(config).toEqual(image.config);
    expect(history?.slice(-plan.history.length)).toEqual(plan.history.map(({ entry }) => entry));
    const withoutBaseTimes = history?.map(({ created: time, ...entry }) =>
      time?.startsWith('2026') ? entry : { created: time, ...entry },
    );
    expect(withoutBaseTimes).toEqual(image.history);
    expect(rest).toEqual(image.rest);
    expect(rootfs.diff_ids.length + plan.history.filter(({ files }) => files !== undefined).length).toBe(image.layers);
  });
});

describe('errors', () => {
  it.each(recorded.errors.map((error) => [error.name, error] as const))('%s', async (_name, error) => {
    const failure = await planOf(error).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(failure).toMatchObject({ code: 'invalid' });
    expect(failure instanceof Error ? failure.message.split('\n')[0] : '').toBe(error.message);
  });
});

// How graphs are evaluated: what runs, what the cache saves, who shares and who stops what.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Edge } from '../../../../daemon/build/graph/operation.ts';
import { ExecFailed } from '../../../../daemon/build/steps/exec-failed.ts';
import { holdLayers } from '../../../../daemon/build/steps/layers-result.ts';
import type { ExecSettings } from '../../../../daemon/build/steps/step.ts';
import { base, context, copy, noSettings, run, SolverFixture, vertex } from './solver-fixture.ts';

let fixture: SolverFixture;
beforeEach(() => {
  fixture = new SolverFixture();
});
afterEach(() => {
  fixture[Symbol.dispose]();
  expect(fixture.errors).toEqual([]);
  expect([...fixture.layers.holds.keys()]).toEqual([]);
  expect(fixture.directoriesHeld).toBe(0);
});

describe('a graph', () => {
  test('runs each vertex once, inputs first', async () => {
    const a = run('a', base);
    const both = vertex('merge', { kind: 'merge' }, [run('b', a), run('c', a)]);
    const { ran } = await fixture.build(both);
    expect(ran[0]).toBe('RUN a');
    expect(ran.slice(1, 3).sort()).toEqual(['RUN b', 'RUN c']);
    expect(ran.slice(3)).toEqual(['merge']);
  });

  test('reads the layers of its inputs while a vertex runs, and no longer', async () => {
    const a = run('a', base);
    const b = run('b', a);
    const reads: unknown[] = [];
    fixture.behaviours.set(b.vertex.name, async () => void reads.push(...fixture.layers.reads));
    await fixture.build(b);
    expect(reads).toEqual([(await fixture.build(a)).top]);
    fixture.behaviours.set('RUN c', async () => {
      throw new Error('it fails');
    });
    await expect(fixture.build(run('c', b))).rejects.toThrow('it fails');
    expect(fixture.layers.reads).toEqual([]);
  });

  test('of ten thousand vertices in a row is evaluated', async () => {
    let edge: Edge = base;
    for (let n = 0; n < 10_000; n++) edge = run(String(n), edge);
    expect((await fixture.build(edge)).ran.length).toBe(10_000);
  });

  test('runs independent vertices at the same time, and no more than allowed', async () => {
    let running = 0;
    let most = 0;
    const edges = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => run(name, base));
    for (const { vertex } of edges) {
      fixture.behaviours.set(vertex.name, async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 5));
        running--;
      });
    }
    await fixture.build(vertex('merge', { kind: 'merge' }, edges));
    expect(most).toBe(4);
  });

  test('evaluates stages that copies take from at the same time', async () => {
    let running = 0;
    let most = 0;
    let edge: Edge = base;
    for (const name of ['a', 'b', 'c']) {
      const stage = run(name, base);
      fixture.behaviours.set(stage.vertex.name, async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 5));
        running--;
      });
      edge = copy(`/${name}`, stage, edge);
    }
    await fixture.build(edge);
    expect(most).toBe(3);
  });

  test('gives the slot of a step that only waits to another', async () => {
    using one = new SolverFixture(1);
    const [a, b] = [run('a', base), run('b', base)];
    const { promise: ran, resolve } = Promise.withResolvers<void>();
    let running = 0;
    one.behaviours.set('RUN a', async (step) => {
      running++;
      await step.whileWaiting?.(() => {
        running--;
        return ran;
      });
      expect(++running).toBe(1);
    });
    one.behaviours.set('RUN b', async () => {
      expect(++running).toBe(1);
      resolve();
      await new Promise((next) => setTimeout(next, 5));
      running--;
    });
    expect((await one.build(vertex('merge', { kind: 'merge' }, [a, b]))).ran).toEqual(['RUN a', 'RUN b', 'merge']);
  });
});

describe('the cache', () => {
  test('has what was built before, after a restart too', async () => {
    const edge = copy('/x', context, run('b', run('a', base)));
    const first = await fixture.build(edge);
    expect(first.ran.sort()).toEqual(['COPY /x', 'RUN a', 'RUN b', 'context']);
    const second = await fixture.build(edge);
    expect(second).toEqual({ ran: ['context'], top: first.top });
    expect(fixture.cached.sort()).toEqual(['COPY /x', 'RUN a', 'RUN b']);
    fixture.restart();
    expect(await fixture.build(edge)).toEqual({ ran: ['context'], top: first.top });
  });

  test('forgets what lies on layers that have gone', async () => {
    const edge = run('a', base);
    const { top } = await fixture.build(edge);
    fixture.records.write();
    fixture.records.close();
    fixture.layers.drop(top ?? 0);
    fixture.restart();
    expect((await fixture.build(edge)).ran).toEqual(['RUN a']);
  });

  test('goes by the content of what is copied', async () => {
    const edge = run('b', copy('/x', context, run('a', base)));
    await fixture.build(edge);
    fixture.content = 'other';
    expect((await fixture.build(edge)).ran).toEqual(['context', 'COPY /x', 'RUN b']);
    fixture.content = 'content';
    expect((await fixture.build(edge)).ran).toEqual(['context']);
  });

  test('needs no stage whose files were copied before, and no run of one that makes the same files', async () => {
    const stage = run('make', base);
    const edge = copy('/out', stage, run('a', base));
    await fixture.build(edge);
    const record = fixture.records.lookup(
      [...fixture.records.all()].find((one) => one.description === 'RUN make')?.key ?? '',
    );
    if (record !== undefined) fixture.records.remove(record);
    expect((await fixture.build(edge)).ran).toEqual([]);
  });

  test('is not asked for vertices that ignore it, and has their results afterwards', async () => {
    const graph = (ignoresCache: boolean) => run('b', run('a', base, { ignoresCache }));
    const first = await fixture.build(graph(false));
    const anew = await fixture.build(graph(true));
    expect(anew.ran).toEqual(['RUN a', 'RUN b']);
    expect(anew.top).not.toBe(first.top);
    expect(await fixture.build(graph(false))).toEqual({ ran: [], top: anew.top });
    // Nothing is kept of what stood on the files that were replaced.
    expect([...fixture.records.all()].length).toBe(2);
  });

  test('has nothing of a step that failed, and of those before it', async () => {
    const good = run('good', base);
    const edge = run('bad', good);
    fixture.behaviours.set('RUN bad', async () => {
      throw new Error('it failed');
    });
    await expect(fixture.build(edge)).rejects.toThrow('it failed');
    expect(fixture.events.filter((event) => event.kind === 'vertex' && event.error !== undefined)).toMatchObject([
      { name: 'RUN bad', error: 'it failed' },
    ]);
    fixture.behaviours.clear();
    expect((await fixture.build(edge)).ran).toEqual(['RUN bad']);
  });

  test('knows a step whatever its proxies are', async () => {
    const { vertex: plain } = run('a', base);
    if (plain.operation.kind !== 'exec') throw new Error('no exec');
    await fixture.build({ vertex: plain, output: 0 });
    const proxied = vertex('RUN a', { ...plain.operation, proxyEnv: ['http_proxy=http://p'] }, [...plain.inputs]);
    expect((await fixture.build(proxied)).ran).toEqual([]);
  });
});

describe('two builds', () => {
  test('share a step that both want, with all of its output', async () => {
    const edge = run('a', base);
    const { promise: going, resolve: go } = Promise.withResolvers<void>();
    fixture.behaviours.set('RUN a', async (step) => {
      step.log('stdout', Buffer.from('early'));
      await going;
      step.log('stdout', Buffer.from('late'));
    });
    const outputs: string[][] = [[], []];
    const builds = outputs.map(async (output, index) => {
      if (index === 1) await new Promise((resolve) => setTimeout(resolve, 5));
      await using solve = fixture.open(new AbortController().signal, (event) => {
        if (event.kind === 'log') output.push(Buffer.from(event.bytes).toString());
      });
      await solve.evaluate(edge);
    });
    setTimeout(go, 20);
    await Promise.all(builds);
    expect(fixture.ran).toEqual(['RUN a']);
    expect(outputs).toEqual([
      ['early', 'late'],
      ['early', 'late'],
    ]);
  });

  test.each<[string, Partial<ExecSettings>]>([
    ['memory', { memoryBytes: 1e9 }],
    ['swap', { memorySwapBytes: 1e9 }],
    ['processors', { cpusetCpus: '0' }],
    ['a control group', { cgroupParent: '/other' }],
    ['security options', { security: { ...noSettings.security, noNewPrivileges: true } }],
    ['entitlements', { entitlements: ['security.insecure'] }],
  ])('that differ in %s run a step each, which both have of the cache afterwards', async (_, exec) => {
    const edge = run('a', base);
    const { promise: both, resolve: go } = Promise.withResolvers<void>();
    const given: ExecSettings[] = [];
    fixture.behaviours.set('RUN a', async (step) => {
      if (given.push(step.exec) === 2) go();
      await both;
    });
    setTimeout(go, 200);
    const build = async (settings: Partial<ExecSettings>): Promise<void> => {
      await using solve = fixture.open(new AbortController().signal, () => undefined, settings);
      await solve.evaluate(edge);
    };
    await Promise.all([build({}), build(exec)]);
    expect(given).toHaveLength(2);
    expect(given).toContainEqual({ ...noSettings, ...exec });
    await build(exec);
    await build({});
    expect(given).toHaveLength(2);
  });

  test('that have other proxies run a step each', async () => {
    const { vertex: plain } = run('a', base);
    if (plain.operation.kind !== 'exec') throw new Error('no exec');
    const proxied = vertex('RUN a', { ...plain.operation, proxyEnv: ['http_proxy=http://p'] }, [...plain.inputs]);
    const { promise: both, resolve: go } = Promise.withResolvers<void>();
    fixture.behaviours.set('RUN a', async () => {
      if (fixture.ran.length === 2) go();
      await both;
    });
    setTimeout(go, 200);
    const builds = [{ vertex: plain, output: 0 }, proxied].map(async (edge) => {
      await using solve = fixture.open();
      await solve.evaluate(edge);
    });
    await Promise.all(builds);
    expect(fixture.ran).toEqual(['RUN a', 'RUN a']);
  });

  test('give up their own wish only; the last one stops the step', async () => {
    const edge = run('a', base);
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    fixture.behaviours.set('RUN a', async (step) => {
      begin();
      await new Promise<void>((resolve) => step.signal.addEventListener('abort', () => resolve()));
      end();
      step.signal.throwIfAborted();
    });
    const leavers = [new AbortController(), new AbortController()];
    const builds = leavers.map(async ({ signal }) => {
      await using solve = fixture.open(signal);
      await solve.evaluate(edge);
    });
    await begun;
    leavers[0]?.abort(new Error('first left'));
    await expect(builds[0]).rejects.toThrow('first left');
    const isEnded = await Promise.race([ended.then(() => true), Promise.resolve(false)]);
    expect(isEnded).toBe(false);
    leavers[1]?.abort(new Error('second left'));
    await expect(builds[1]).rejects.toThrow('second left');
    await ended;
    fixture.behaviours.clear();
    expect((await fixture.build(edge)).ran).toEqual(['RUN a']);
  });

  test('have the root of a step that failed each for itself, if they want it', async () => {
    const edge = run('b', run('a', base));
    const { promise: going, resolve: go } = Promise.withResolvers<void>();
    let root = 0;
    fixture.behaviours.set('RUN a', async () => {
      await going;
      root = fixture.layers.make(undefined);
      throw new ExecFailed('a', 7, holdLayers(fixture.layers, root));
    });
    fixture.keepsFailed = true;
    const builds = [fixture.open(), fixture.open()];
    fixture.keepsFailed = false;
    builds.push(fixture.open());
    const failures = builds.map((solve) => solve.evaluate(edge).catch((error: unknown) => error));
    setTimeout(go, 5);
    const errors = await Promise.all(failures);
    expect(errors).toMatchObject([
      { exitCode: 7, root: { top: root } },
      { exitCode: 7, root: { top: root } },
      { exitCode: 7, root: undefined },
    ]);
    await builds[0]?.[Symbol.asyncDispose]();
    const [, second] = errors;
    if (!(second instanceof ExecFailed)) throw new TypeError('no ExecFailed');
    expect(fixture.layers.holds.get(root)).toBe(1);
    second.root?.again()[Symbol.dispose]();
    for (const solve of builds.slice(1)) await solve[Symbol.asyncDispose]();
    expect(fixture.layers.holds.get(root)).toBeUndefined();
  });

  test('leave nothing of a step that fails while the last one goes, whenever that is', async () => {
    for (let turns = 0; turns < 20; turns++) {
      fixture.keepsFailed = true;
      const leaver = new AbortController();
      fixture.behaviours.set('RUN a', async () => {
        const leaves = async (): Promise<void> => {
          for (let turn = 0; turn < turns; turn++) await undefined;
          leaver.abort(new Error('left'));
        };
        void leaves();
        throw new ExecFailed('a', 7, holdLayers(fixture.layers, fixture.layers.make(undefined)));
      });
      {
        await using solve = fixture.open(leaver.signal);
        await expect(solve.evaluate(run('a', base))).rejects.toThrow();
      }
      expect([turns, ...fixture.layers.holds.keys()]).toEqual([turns]);
    }
  });
});

// Every field that a request's body may have does something, is refused, or stands in the list of what does nothing, as in docker. A field
// that is only copied to inspect fails here, and so does a new one without a row.
import { describe, expect, test } from 'vitest';
import { CreateBody } from '../../daemon/docker-api/request/schemas.ts';
import { elsewhere, host, rows, volume, without } from '../harness/container-fields.ts';
import { type Body, create, inspect, logs, runDetached, wait } from '../harness/containers.ts';
import { eventually, timeFactor } from '../harness/eventually.ts';
import { groupRows } from '../harness/group-fields.ts';
import { judgeRows } from '../harness/judge-rows.ts';
import { hijack } from '../harness/raw-stream.ts';
import { fieldsOf } from '../harness/schema-fields.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
const api = () => fixture.daemon.api;

/** Fields whose effect is what happens later. */
const later: Record<string, () => Promise<void>> = {
  'HostConfig.RestartPolicy.Name': async () => {
    const id = await runDetached(fixture.daemon, ['true'], host({ RestartPolicy: { Name: 'always' } }));
    await eventually('a restart', async () => (await inspect(fixture.daemon, id)).RestartCount > 0);
  },
  'HostConfig.RestartPolicy.MaximumRetryCount': async () => {
    const RestartPolicy = { Name: 'on-failure', MaximumRetryCount: 1 };
    const id = await runDetached(fixture.daemon, ['false'], host({ RestartPolicy }));
    await eventually('the last end', async () => {
      const { RestartCount, State } = await inspect(fixture.daemon, id);
      return RestartCount === 1 && State.Status === 'exited';
    });
  },
  'HostConfig.AutoRemove': async () => {
    const id = await runDetached(fixture.daemon, ['true'], host({ AutoRemove: true }));
    await eventually('it is gone', async () => (await api().send('GET', `/containers/${id}/json`)).status === 404);
  },
  StopSignal: async () => {
    const id = await runDetached(fixture.daemon, 'trap "exit 7" USR1; echo on; while :; do sleep 0.1; done', {
      StopSignal: 'USR1',
    });
    await eventually('the trap', async () => (await logs(fixture.daemon, id)).stdout === 'on\n');
    await api().post(`/containers/${id}/stop`);
    expect((await inspect(fixture.daemon, id)).State.ExitCode).toBe(7);
  },
  StopTimeout: async () => {
    const id = await runDetached(fixture.daemon, ['sleep', '1000'], { StopTimeout: 0 });
    const begin = performance.now();
    await api().post(`/containers/${id}/stop`);
    expect(performance.now() - begin).toBeLessThan(5000 * timeFactor);
  },
  StdinOnce: async () => {
    const id = await runDetached(fixture.daemon, ['cat'], { OpenStdin: true, StdinOnce: true });
    const { stream } = await hijack(fixture.daemon.socketPath, `/containers/${id}/attach?stream=1&stdin=1&stdout=1`);
    stream.halfClose();
    expect(await wait(fixture.daemon, id)).toBe(0);
  },
  Labels: async () => {
    const id = await create(fixture.daemon, 'true', { Labels: { fields: 'x' } });
    const filter = encodeURIComponent('{"label":["fields=x"]}');
    const found = await api().get<{ Id: string }[]>(`/containers/json?all=1&filters=${filter}`);
    expect(found.map(({ Id }) => Id)).toEqual([id]);
  },
  'Healthcheck.Test': () => checkedBy({}),
  Shell: () => checkedBy({ Shell: ['echo'] }, /^probed\n$/),
  'HostConfig.Mounts[].VolumeOptions.Labels': async () => {
    await create(fixture.daemon, 'true', volume({ Labels: { a: 'b' } }, { Source: 'labelled' }));
    expect(await api().get('/volumes/labelled')).toMatchObject({ Labels: { a: 'b' } });
  },
};

/** A health check by a shell: Shell's, when there is one. */
async function checkedBy(body: Body, output = /not found/): Promise<void> {
  const id = await runDetached(fixture.daemon, ['sleep', '1000'], {
    ...body,
    Healthcheck: { Test: ['CMD-SHELL', 'probed'], Interval: 2e8 },
  });
  const said = await eventually('a check', async () => {
    const { State } = await api().get<{ State: { Health?: { Log: { Output: string }[] | null } } }>(
      `/containers/${id}/json`,
    );
    return State.Health?.Log?.[0]?.Output;
  });
  expect(said).toMatch(output);
}

describe('containers', () => {
  test('every field has a row', () => {
    const known = [without, elsewhere, rows, groupRows, later].flatMap((table) => Object.keys(table));
    expect(known.sort()).toEqual(fieldsOf(CreateBody).sort());
  });

  test.each(Object.entries(later))('%s', (_, proof) => proof());

  test(
    'every field does what it says, or is refused',
    async () => {
      const { daemon } = fixture;
      await api().post('/networks/create', {
        Name: 'fields',
        EnableIPv6: true,
        IPAM: { Config: [{ Subnet: '10.98.0.0/24' }, { Subnet: 'fd98::/64' }] },
      });
      await runDetached(daemon, ['sleep', '1000'], { Volumes: { '/donated': {} } }, 'donor');
      await runDetached(daemon, ['sleep', '1000'], host({ NetworkMode: 'fields' }), 'neighbour');
      const problems = await judgeRows(daemon, rows);
      for (const [field, why] of Object.entries(without)) expect(why, field).not.toBe('');
      await daemon.removeAllContainers();
      await api().delete('/networks/fields');
      expect(problems).toEqual([]);
    },
    120_000 * timeFactor,
  );
});

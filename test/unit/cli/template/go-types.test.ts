import { describe, expect, it } from 'vitest';
import { compileTemplate } from '../../../../cli/template/render.ts';
import { renderInspected } from '../../../../cli/views/inspect-rules.ts';

function render(source: string, kind: string, value: object): string {
  return renderInspected(compileTemplate(source), kind, () => structuredClone(value));
}

const container = {
  Id: 'abc',
  State: { Status: 'running', Running: true, Health: { Status: 'starting', FailingStreak: 0, Log: [] } },
  Mounts: [{ Type: 'bind', Source: '/tmp', Destination: '/t', Mode: 'ro', RW: false, Propagation: 'rprivate' }],
  Config: {
    ExposedPorts: { '80/tcp': {} },
    Labels: { a: 'b' },
    Cmd: null,
    Healthcheck: { Test: ['CMD', 'true'], Interval: 90_000_000_000, Timeout: 1_500_000 },
  },
  HostConfig: {
    RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 },
    LogConfig: { Type: 'json-file', Config: { 'max-size': '1m' } },
    PortBindings: { '80/tcp': [{ HostIp: '', HostPort: '8080' }] },
    Ulimits: [{ Name: 'nofile', Hard: 20, Soft: 10 }],
    CpuShares: 7,
    Binds: null,
  },
};

describe('inspect prints as Go prints docker’s types', () => {
  it.each([
    ['{{.HostConfig.RestartPolicy}}', '{on-failure 3}'],
    ['{{.HostConfig.LogConfig}}', '{json-file map[max-size:1m]}'],
    ['{{.HostConfig.PortBindings}}', 'map[80/tcp:[{ 8080}]]'],
    ['{{.HostConfig.Ulimits}}', '[nofile=10:20]'],
    ['{{.Config.ExposedPorts}}', 'map[80/tcp:{}]'],
    ['{{.Mounts}}', '[{bind  /tmp /t  ro false rprivate}]'],
    ['{{range .Mounts}}{{.}}{{.Name}}.{{end}}', '{bind  /tmp /t  ro false rprivate}.'],
    ['{{.State.Health}}', '{starting 0 []}'],
    ['{{.Config.Healthcheck}}', '{[CMD true] 1m30s 1.5ms 0s 0s 0}'],
    ['{{.Config.Healthcheck.Interval}} {{.Config.Healthcheck.StartPeriod}}', '1m30s 0s'],
    ['{{printf "%v" .HostConfig.RestartPolicy}}', '{on-failure 3}'],
  ])('%s', (source, text) => {
    expect(render(source, 'container', container)).toBe(text);
  });

  it.each([
    [
      'a field that the JSON leaves out',
      '{{.Config.StopTimeout}} [{{.Config.StopSignal}}] {{.Config.Tty}}',
      '<nil> [] false',
    ],
    ['null lists and maps', '{{.HostConfig.Binds}} {{.Config.Cmd}} {{.HostConfig.Sysctls}}', '[] [] map[]'],
    ['names of Go', '{{.ID}} {{.HostConfig.CPUShares}}', 'abc 7'],
    [
      'names of JSON, and prints all as such then',
      '{{.Id}} {{.HostConfig.CpuShares}} {{.HostConfig.RestartPolicy}} {{.Config.Cmd}}',
      'abc 7 map[MaximumRetryCount:3 Name:on-failure] <no value>',
    ],
    ['a label that is not there', '{{.Config.Labels.nosuch}}', '<no value>'],
    ['times of networks', '{{.Created}}', '0001-01-01 00:00:00 +0000 UTC'],
  ])('knows %s', (name, source, text) => {
    expect(render(source, name === 'times of networks' ? 'network' : 'container', container)).toBe(text);
  });

  it('and JSON stays what the daemon said', () => {
    expect(render('{{json .HostConfig.RestartPolicy}} {{json .Config}}', 'container', container)).toBe(
      `{"Name":"on-failure","MaximumRetryCount":3} ${JSON.stringify(container.Config)}`,
    );
  });

  it('a field of no type is an error', () => {
    expect(() => render('{{.HostConfig.Nosuch}}', 'container', container)).toThrow(/map has no entry for key "Nosuch"/);
  });
});

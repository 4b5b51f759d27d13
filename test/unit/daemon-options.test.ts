import { describe, expect, it } from 'vitest';
import { type DaemonOptions, parseDaemonOptions } from '../../daemon/options.ts';

function parse(argv: string[], file?: string): DaemonOptions {
  const parsed = parseDaemonOptions(argv, () => file);
  if (parsed.kind !== 'run') throw new Error(parsed.kind);
  return parsed.options;
}

describe('daemon options', () => {
  it('has the documented defaults, frozen', () => {
    const options = parse([]);
    expect(options).toMatchObject({
      hosts: ['unix:///run/tsdocker/tsdocker.sock'],
      dataRoot: '/var/lib/tsdocker',
      execRoot: '/run/tsdocker',
      pidfile: '/run/tsdocker/tsdocker.pid',
      logLevel: 'info',
    });
    expect(options.cgroupParent).toBeUndefined();
    expect(Object.isFrozen(options)).toBe(true);
  });

  it('takes dockerd spellings', () => {
    const options = parse([
      '-H',
      'unix:///a',
      '--host=unix:///b',
      '-D',
      '--data-root',
      '/d/',
      '-p/x.pid',
      '-l',
      'warn',
    ]);
    expect(options).toMatchObject({
      hosts: ['unix:///a', 'unix:///b'],
      dataRoot: '/d',
      pidfile: '/x.pid',
      logLevel: 'debug',
    });
    expect(parse(['--debug=false', '--log-opt', 'max-size=1m']).logOptions).toEqual({ 'max-size': '1m' });
  });

  it('takes the networks’ options as dockerd does', () => {
    const { networks } = parse([
      ...[
        '-b',
        'none',
        '--bip=10.1.0.1/16',
        '--fixed-cidr',
        '10.1.4.0/24',
        '--icc=false',
        '--mtu',
        '1400',
        '--ip',
        '127.0.0.1',
      ],
      ...[
        '--default-address-pool',
        'base=10.5.0.0/16,size=24',
        '--dns',
        '9.9.9.9',
        '--dns-search',
        'a',
        '--ip-forward=false',
      ],
    ]);
    expect(networks).toMatchObject({
      defaultBridge: {
        bridge: 'none',
        bip: '10.1.0.1/16',
        fixedCidr: '10.1.4.0/24',
        isIccEnabled: false,
        isMasqueraded: true,
        mtu: 1400,
        hostIp: '127.0.0.1',
      },
      addressPools: [{ base: '10.5.0.0/16', size: 24 }],
      dns: { servers: ['9.9.9.9'], search: ['a'] },
      isForwardingSet: false,
    });
    expect(() => parse(['--dns', 'x'])).toThrow('x is not an ip address');
    expect(() => parse(['--default-address-pool', '10.0.0.0/8'])).toThrow('expected base=<subnet>,size=<prefix>');
    expect(() => parse(['--mtu', 'x'])).toThrow('mtu');
  });

  it('takes the cgroup driver as dockerd does', () => {
    expect(parse(['--exec-opt', 'native.cgroupdriver=systemd']).cgroupDriver).toBe('systemd');
    expect(parse([], '{"exec-opts":["native.cgroupdriver=cgroupfs"]}').cgroupDriver).toBe('cgroupfs');
    expect(parse([]).cgroupDriver).toBeUndefined();
  });

  it('reads the file, and refuses a key that is set in both', () => {
    expect(parse([], '{"data-root":"/f","log-opts":{"max-file":"2"}}')).toMatchObject({ dataRoot: '/f' });
    expect(() => parse(['--data-root', '/c'], '{"data-root":"/f"}')).toThrow(
      'specified both as a flag and in the configuration file: data-root: (from flag: /c, from file: /f)',
    );
  });

  it.each([
    [['--nope'], undefined, 'unknown flag: --nope'],
    [['-X'], undefined, "unknown shorthand flag: 'X' in -X"],
    [['x'], undefined, 'accepts no arguments'],
    [['-H'], undefined, "flag needs an argument: 'H' in -H"],
    [['--host'], undefined, 'flag needs an argument: --host'],
    [['--debug=perhaps'], undefined, 'invalid argument "perhaps" for "-D, --debug" flag'],
    [['--log-opt', 'x'], undefined, 'invalid argument "x" for "--log-opt" flag: expected key=value'],
    [['--log-level', 'loud'], undefined, 'log-level'],
    [['--data-root', 'rel'], undefined, 'absolute path'],
    [['--exec-opt', 'native.cgroupdriver=none'], undefined, 'native.cgroupdriver option none not supported'],
    [['--exec-opt', 'x=y'], undefined, 'invalid exec-opt: x=y'],
    [[], '{"nope":1}', "don't match any configuration option: nope"],
    [[], '{"hosts":"x"}', 'hosts'],
    [[], '{', 'unable to configure the daemon with file'],
  ])('refuses %j %s', (argv, file, message) => {
    expect(() => parse(argv, file)).toThrow(message);
  });

  it('knows help and version', () => {
    expect(parseDaemonOptions(['--help'], () => undefined).kind).toBe('help');
    expect(parseDaemonOptions(['-v'], () => undefined).kind).toBe('version');
  });
});
